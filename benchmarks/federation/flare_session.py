"""Runs in NVFLARE's own environment: a federation of its own on this machine, and one job in it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

JOB = Path(__file__).with_name("flare_job")
LONGEST = 150.0
"""Seconds for the whole job."""


def written(folder: Path, server: dict[str, object], site: dict[str, object], sites: int) -> Path:
    """The job's folder: its settings, and its two classes as custom code."""
    job = folder / "job"
    (job / "app" / "config").mkdir(parents=True)
    (job / "app" / "custom").mkdir()
    meta = {"name": "rounds", "resource_spec": {}, "min_clients": sites}
    (job / "meta.json").write_text(json.dumps(meta | {"deploy_map": {"app": ["@ALL"]}}))
    for name in ("asker.py", "answerer.py"):
        shutil.copy(JOB / name, job / "app" / "custom")
    asker = {"id": "asker", "path": "asker.Asker", "args": server}
    answerer = {"tasks": ["never"], "executor": {"path": "answerer.Answerer", "args": site}}
    common: dict[str, object] = {
        "format_version": 2, "components": [], "task_data_filters": [], "task_result_filters": [],
    }  # fmt: skip
    config = job / "app" / "config"
    (config / "config_fed_server.json").write_text(json.dumps(common | {"workflows": [asker]}))
    (config / "config_fed_client.json").write_text(json.dumps(common | {"executors": [answerer]}))
    return job


def service(script: Path) -> "subprocess.Popen[bytes]":
    """A server or a site, which finds its Python on the path."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        ["bash", str(script)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=os.environ | {"PATH": path},
    )


def processes_of(folder: Path) -> list[int]:
    """Processes that were started for a workspace: those of jobs have sessions of their own."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if int(place.name) != os.getpid() and any(str(folder) in word for word in words):
            found.append(int(place.name))
    return found


def main(folder: Path, sites: int, rounds: int, patients: int, covariates: int) -> None:
    """Prints the seconds of each round, as JSON."""
    from nvflare.fuel.flare_api.flare_api import new_secure_session

    os.environ["NVFLARE_POC_WORKSPACE"] = str(folder / "poc")
    command = [str(Path(sys.executable).with_name("nvflare")), "poc", "prepare", "-n", str(sites)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    place = next((folder / "poc").glob("*/prod_00"))
    out = folder / "walls.json"
    started: list[subprocess.Popen[bytes]] = []
    try:
        names = ["server", *(f"site-{index + 1}" for index in range(sites))]
        started += [service(place / name / "startup" / "sub_start.sh") for name in names]
        server: dict[str, object] = {"rounds": rounds, "covariates": covariates, "sites": sites}
        job = written(
            folder,
            server | {"path": str(out)},
            {"patients": patients, "covariates": covariates},
            sites,
        )
        until = time.monotonic() + LONGEST
        admin = next(path for path in place.iterdir() if "@" in path.name)
        while True:
            try:
                session = new_secure_session(admin.name, str(admin))
                if len(session.get_system_info().client_info) == sites:
                    break
            except Exception as error:  # noqa: BLE001 - whatever it raises while it starts
                print(type(error).__name__, error, file=sys.stderr)
            if time.monotonic() > until:
                raise TimeoutError("NVFLARE did not come up")
            time.sleep(1)
        session.submit_job(str(job))
        while not out.exists() and time.monotonic() < until:
            time.sleep(0.5)
        time.sleep(0.5)
        print(out.read_text(), flush=True)
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
        for left in processes_of(folder):
            os.kill(left, signal.SIGKILL)
    # Its session's threads would keep the process.
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:6]))
