"""Clusters as the administrator's guide begins them, by its own words, without their machines."""

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import yaml

from medmip.catalogue.home import Home
from medmip.federation.address import Address
from medmip.federation.authority import Authority, TlsKey
from medmip.federation.clock import now
from medmip.imaging.queue.job import JobState
from medmip.imaging.queue.jobs import ScanJobs
from medmip.imaging.queue.runner import QueueRunner
from medmip.imaging.settings import MeasuringSettings
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.choice import SettingName
from medmip.store.state import open_state
from tests.federation.in_cluster import Cluster
from tests.imaging.tiny_work import noted
from tests.ports import free_port

GUIDE = Path(__file__).parents[2] / "docs" / "it-administrator.md"
QUEUE = """#!/bin/sh
# A queue that keeps a job's script, as SLURM does, and begins it at once.
cp "$1" "$0.job"
setsid sh "$0.job" >/dev/null 2>&1 &
echo "Submitted batch job $!"
"""
CANCEL = """#!/bin/sh
kill -- -"$1"
"""


def said(heading, language):
    """The only block of the guide below a heading."""
    below = GUIDE.read_text().partition(f"### {heading}\n")[2].partition("\n### ")[0]
    return re.search(rf"```{language}\n(.*?)```", below, re.DOTALL)[1]


@pytest.fixture
def certificates(tmp_path):
    """The cluster's authority and certificate, and the settings of a home for its port."""
    authority, key, port = Authority.made("cluster", now()), TlsKey.made(), free_port()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    key.write(tmp_path / "cluster.key")
    certificate = authority.for_server(key.public, (Address("127.0.0.1", 0),), now())
    (tmp_path / "cluster.pem").write_bytes(certificate)
    return {
        "scheduler": f"tls://127.0.0.1:{port}",
        "folder": str(tmp_path / "partitions"),
        "ca_file": str(tmp_path / "ca.pem"),
        "certificate_file": str(tmp_path / "cluster.pem"),
        "key_file": str(tmp_path / "cluster.key"),
    }


@contextmanager
def begun(*commands, **options):
    processes = [subprocess.Popen(command, **options) for command in commands]
    try:
        yield
    finally:
        families = [psutil.Process(one.pid).children(recursive=True) for one in processes]
        for process in [*processes, *(child for family in families for child in family)]:
            process.terminate()
        for process in processes:
            process.wait()


def workers_found(home, settings, wanted):
    cluster = Cluster(home, **settings)
    try:
        deadline = time.monotonic() + 90
        found, wrong = [], ["not asked"]
        while (wrong or len(found) < wanted) and time.monotonic() < deadline:
            time.sleep(0.5)
            try:
                found, wrong = cluster.workers.check()
            except Exception as error:  # noqa: BLE001 - it is not up yet, or the test fails below
                wrong = [str(error)]
        return len(found), wrong
    finally:
        cluster.close()


def measured_by(home, settings):
    """The scans that the cluster's workers were given by the queue of scans, as `--scheduler`."""
    home = Home(home).prepare()
    with Shelf(home).work():
        jobs = ScanJobs(open_state(home))
    jobs.put(["a", "b", "c", "d"], None, SettingName.FAST)
    said = {name: value for name, value in settings.items() if name != "folder"}
    assert QueueRunner(home, jobs, MeasuringSettings(**said), work=noted).run()
    assert jobs.in_state(JobState.DONE) == {"a", "b", "c", "d"}
    return {line.split()[0] for line in (home.path / "noted").read_text().splitlines()}


def test_a_queue_gives_workers_by_the_guides_program(tmp_path, certificates):
    port = certificates["scheduler"].rpartition(":")[2]
    program = said("Workers from a queue", "python")
    for word, own in (
        ("/shared/mip", str(tmp_path)), ('"eth0"', '"lo"'), ("8786", port),
        ("/opt/mip/bin/python", sys.executable), ("jobs=2", "jobs=1"),
        ("cores=4", "cores=2"), ("processes=4", "processes=2"),
    ):  # fmt: skip
        assert word in program
        program = program.replace(word, own)
    (tmp_path / "begin.py").write_text(program)
    for name, text in (("sbatch", QUEUE), ("scancel", CANCEL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    path["PYTHONPATH"] = os.pathsep.join([str(GUIDE.parents[1]), *filter(None, sys.path)])
    jobs = [f"{tmp_path}/ca.pem"]
    try:
        with begun([sys.executable, str(tmp_path / "begin.py")], env=os.environ | path):
            assert workers_found(tmp_path / "home", certificates, 2) == (2, [])
            assert measured_by(tmp_path / "home", certificates) == {"a", "b", "c", "d"}
    finally:
        for process in psutil.process_iter(["cmdline"]):
            if any(job in word for job in jobs for word in process.info["cmdline"] or ()):
                process.kill()


def test_scheduler_and_worker_begin_by_the_guides_words_for_kubernetes(tmp_path, certificates):
    described = yaml.safe_load(said("Workers in Kubernetes", "yaml"))["spec"]
    port = certificates["scheduler"].rpartition(":")[2]
    commands = []
    for part in ("scheduler", "worker"):
        (container,) = described[part]["spec"]["containers"]
        named = {one["name"] for one in described[part]["spec"]["volumes"]}
        assert named == {one["name"] for one in container["volumeMounts"]}
        words = [
            word.replace("/certificates", str(tmp_path))
            .replace("mip-scheduler:8786", f"127.0.0.1:{port}")
            .replace("$(DASK_WORKER_NAME)", "one")
            for word in container["args"]
        ]
        assert words[0] == "dask"
        commands.append([str(Path(sys.executable).with_name("dask")), *words[1:]])
    commands[0] += ["--host=127.0.0.1", f"--port={port}"]
    commands[1] += ["--host=127.0.0.1", f"--local-directory={tmp_path}/scratch"]
    with begun(*commands):
        assert workers_found(tmp_path / "home", certificates, 1) == (1, [])
