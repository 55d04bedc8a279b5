"""A bare Debian server, from answers to a validated installation, and through a reboot.

The server has no network but the one of this test; packages and wheels are there beforehand.
"""

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from medmip.deploy.encryption import make_identity
from medmip.store.schema import newest
from tests.deploy import booted, kept
from tests.project.tree import ROOT

NAME = "mip.hospital.example"
NETWORK = "miptest"
FIRST = "/opt/mip/versions/first"
MIP = "/opt/mip/current/bin/mip"
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

KILLS, LATEST = 3, 60.0
"""How often an upgrade is killed, and after how many seconds at the latest."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def newer(bundle: Path, folder: Path) -> None:
    """Into bundle/newer, wheels of a version to come: another schema, and wrong where told so."""
    source = folder / "newer"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    project = (ROOT / "pyproject.toml").read_text()
    (source / "pyproject.toml").write_text(project.replace('version = "0.1.0"', 'version = "0.2"'))
    package = source / "src/medmip"
    (package / "store/migrations/versions/9999_to_come.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f'revision = "9999"\ndown_revision = "{newest()}"\n\n\n'
        'def upgrade() -> None:\n    op.create_table("to_come", sa.Column("n", sa.Integer))\n'
    )
    with (package / "deploy/known_result.py").open("a") as module:
        module.write('    sys.stdout.write("1" if Path("/srv/wrong").exists() else "")\n')
    shutil.rmtree(bundle / "newer", ignore_errors=True)
    kept.link(bundle, bundle / "newer")
    kept.own_wheel(source, bundle / "newer")


@dataclass(frozen=True)
class Hospital:
    """A server, what was on it before, and what its set-ups said."""

    server: booted.Server
    before: dict[str, str]
    first: str
    second: str


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    """A server with every block, set up twice; its disk goes on after a power cut."""
    booted.refuse_where_none_can_boot()
    folder = tmp_path_factory.mktemp("fleet")
    with ThreadPoolExecutor() as both:
        making = both.submit(kept.root)
        bundle = kept.wheels(folder / "wheels")
        newer(bundle, folder)
        root = making.result()
    answers = ANSWERS.format(name=NAME, recipient=make_identity(folder / "person.txt"))
    with (
        booted.network(NETWORK),
        booted.layered(root, folder / "layers") as disk,
    ):
        booted.prepare(disk, NAME)
        (disk / "srv/answers.toml").write_text(answers)
        shutil.copy(folder / "person.txt", disk / "srv/person.txt")
        with booted.booted(disk, NETWORK, bundle, folder / "console") as server:
            server.wait()
            before = on_the_disk(server)
            server.run("python3", "-m", "venv", FIRST)
            server.run(
                f"{FIRST}/bin/pip", "install", "--quiet", "--no-index", "--find-links",
                "/media/mip", "medmip[deploy]", seconds=500,
            )  # fmt: skip
            mip = f"{FIRST}/bin/mip"
            server.run(mip, "deploy", "configure", "--answers", "/srv/answers.toml")
            first = server.run(mip, "deploy", "setup", seconds=500).stdout
            second = server.run(MIP, "deploy", "setup", seconds=500).stdout
            yield Hospital(server, before, first, second)


ON_THE_DISK = """
import hashlib, json, pathlib
found = {}
for top in ("~root", "/etc", "/opt", "/srv", "/usr", "/var/backups", "/var/lib"):
    for path in pathlib.Path(top).expanduser().rglob("*"):
        read = top == "/etc" and path.is_file()
        found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest() if read else ""
print(json.dumps(found))
"""
NOT_OURS = (
    "/var/lib/postgresql/", "/var/lib/systemd/", "/var/lib/nginx/", "/var/lib/logrotate/",
    "/var/lib/apt/", "/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-",
    "/etc/.pwd.lock", "/usr/lib/python3",
    # A link into /proc: which file systems are mounted at the moment.
    "/etc/mtab",
)  # fmt: skip
"""What programs of the distribution write by themselves."""


def on_the_disk(server: booted.Server) -> dict[str, str]:
    """Every path where an installation may leave something, and the content of settings."""
    found: dict[str, str] = json.loads(server.run("python3", "-c", ON_THE_DISK).stdout)
    return {path: what for path, what in found.items() if not path.startswith(NOT_OURS)}


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
    server = hospital.server
    ended = server.run(MIP, "deploy", "validate", "--json", "--report", "/srv/report", check=False)
    # Of the disk that tests run on this says nothing.
    failed = [
        check
        for check in json.loads(ended.stdout)["checks"]
        if not check["passed"] and not check["name"].startswith("disk")
    ]
    assert failed == []
    assert "valid for 39" in server.run("cat", "/srv/report/validation.html").stdout
    for name in ("validation.html", "validation.json"):
        verify = (MIP, "deploy", "verify-report", f"/srv/report/{name}")
        assert "not changed since" in server.run(*verify).stdout
        server.run("sed", "-i", "s/valid for 39/valid for 99/", f"/srv/report/{name}")
        changed = server.run(*verify, check=False)
        assert (changed.returncode, "it was changed" in changed.stderr) == (1, True)
    server.run("rm", "-r", "/srv/report")


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
    server.run(MIP, "deploy", "setup", seconds=500)
    left = json.loads(server.run(MIP, "deploy", "validate", "--json", check=False).stdout)
    assert [
        one["name"]
        for one in left["checks"]
        if not one["passed"] and not one["name"].startswith("disk")
    ] == []


BELONGINGS = """
import hashlib, json, os, pathlib, sqlite3
state = sqlite3.connect("/var/lib/mip/state.db")
held = {
    str(path): hashlib.sha256(path.read_bytes()).hexdigest()
    for top in ("/etc/mip/secrets", "/etc/mip/installation", "/var/lib/mip/datasets",
                "/var/lib/mip/hub", "/var/lib/mip/models")
    for path in pathlib.Path(top).rglob("*")
    if path.is_file() and ".git" not in path.parts and not path.name.endswith((".lock", ".pid"))
}
held["schema"] = state.execute("SELECT version_num FROM alembic_version").fetchone()[0]
held["people"] = [row[0] for row in state.execute("SELECT name FROM people ORDER BY name")]
held["version"] = os.readlink("/opt/mip/current")
print(json.dumps(held))
"""


def belongings(server: booted.Server) -> dict[str, Any]:
    """Secrets, data, people, schema and version of an installation."""
    found: dict[str, Any] = json.loads(server.run("python3", "-c", BELONGINGS).stdout)
    return found


def failing(server: booted.Server) -> list[str]:
    """What fails in the acceptance test; of the disk that tests run on it says nothing."""
    told = json.loads(server.run(MIP, "deploy", "validate", "--json", check=False).stdout)
    return [
        check["name"]
        for check in told["checks"]
        if not check["passed"] and not check["name"].startswith("disk")
    ]


def killed(server: booted.Server, seconds: float, who: str, *command: str) -> bool:
    """Kills a command after so long, all of its processes or the main one; whether it still ran."""
    unit = f"victim-{time.time_ns()}.service"
    server.run(
        *("systemd-run", "--quiet", "--collect", f"--unit={unit}"),
        *("--property=KillMode=process", *command),
    )
    time.sleep(seconds)
    ended = server.run("systemctl", "kill", f"--kill-who={who}", "-s", "KILL", unit, check=False)
    return ended.returncode == 0


def add_person(server: booted.Server, name: str) -> None:
    server.run(
        "runuser", "-u", "mip", "--", "bash", "-c",
        f"echo wind over seven bridges | {MIP} user add {name} --role researcher "
        "--password-stdin --home /var/lib/mip",
    )  # fmt: skip


def test_an_upgrade_that_fails_leads_back(hospital: Hospital) -> None:
    server = hospital.server
    add_person(server, "ada")
    was = belongings(server)
    server.run("touch", "/srv/wrong")
    ended = server.run(
        MIP, "deploy", "upgrade", "--wheels", "/media/mip/newer", check=False, seconds=600
    )
    assert ended.returncode == 1
    assert "an analysis with a known result" in ended.stderr
    assert belongings(server) == was
    assert failing(server) == []
    assert scanned() == OPEN


def test_an_upgrade_keeps_secrets_and_data_and_can_be_undone(hospital: Hospital) -> None:
    server = hospital.server
    was = belongings(server)
    server.run("rm", "/srv/wrong")
    upgrade = (MIP, "deploy", "upgrade", "--wheels", "/media/mip/newer")
    seed = time.time_ns()
    print("The moments of", seed)
    moments = Random(seed)
    # Killed anywhere, the next call goes back first and then begins again.
    for _ in range(KILLS):
        killed(server, moments.uniform(1, LATEST), moments.choice(("all", "main")), *upgrade)
    server.run(*upgrade, seconds=600)
    now = belongings(server)
    assert now["schema"] == "9999"
    assert "/0.2-" in now["version"]
    assert now | {"schema": 0, "version": 0} == was | {"schema": 0, "version": 0}
    add_person(server, "late")
    refused = server.run(MIP, "deploy", "rollback", check=False)
    assert refused.returncode == 1
    assert "--identity" in refused.stderr
    server.run(MIP, "deploy", "keys", "--out", "/srv/other.txt")
    wrong = server.run(MIP, "deploy", "rollback", "--identity", "/srv/other.txt", check=False)
    assert wrong.returncode == 1
    server.run("rm", "/srv/other.txt")
    assert server.run("systemctl", "is-active", "mip").stdout == "active\n"
    assert scanned() == OPEN
    assert belongings(server)["people"] == ["ada", "late"]
    server.run(MIP, "deploy", "rollback", "--identity", "/srv/person.txt", seconds=600)
    assert belongings(server) == was
    assert failing(server) == []
    assert scanned() == OPEN


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


def test_services_are_looked_after(hospital: Hospital) -> None:
    server = hospital.server
    assert server.run(MIP, "deploy", "stop", "data-factory").stdout == (
        "Stopped: mip-imaging.service\n"
    )
    told = server.run(MIP, "deploy", "status", "--json", check=False)
    assert told.returncode == 1
    units = {unit["name"]: unit["active"] for unit in json.loads(told.stdout)}
    assert [name for name, active in units.items() if active != "active"] == ["mip-imaging.service"]
    server.run(MIP, "deploy", "restart", "data-factory")
    server.run(MIP, "deploy", "status")
    assert "mip-imaging" in server.run(MIP, "deploy", "logs", "data-factory").stdout


def test_a_support_bundle_holds_no_patient_and_no_secret(hospital: Hospital) -> None:
    server, patient = hospital.server, "Mustermann-4711"
    planted = (
        "/var/lib/mip/inbox/{}.csv", "/var/lib/mip/quarantine/{}", "/var/lib/mip/datasets/{}",
        "/var/lib/mip/logs/{}.jsonl", "/var/lib/mip/logs/mip.jsonl",
    )  # fmt: skip
    server.run("mkdir", "-p", "/var/lib/mip/quarantine")
    line = json.dumps({"event": "failed", "level": "error", "message": patient})
    for path in planted:
        server.run("bash", "-c", f"echo '{line}' >> {path.format(patient)}")
    server.run("logger", "--id=1", "-t", "mip", f"patient {patient}")
    server.run(MIP, "deploy", "support-bundle", "--out", "/srv/support.tar.gz")
    text = server.run("tar", "-xzOf", "/srv/support.tar.gz").stdout
    for path in planted[:-1]:
        server.run("rm", path.format(patient))
    server.run("rmdir", "/var/lib/mip/quarantine")
    server.run("rm", "/srv/support.tar.gz")
    assert '"event": "failed"' in text
    assert "Started mip.service" in text
    assert patient not in text
    secrets = server.run(
        "bash", "-c", "cat /etc/mip/secrets/* /etc/mip/installation/identity.txt"
    ).stdout.splitlines()
    long = [line for line in secrets if len(line) > 40 and line[0] not in "-#"]
    assert len(long) >= 3
    assert [line for line in long if line in text] == []


def test_a_timer_drills_a_restore(hospital: Hospital) -> None:
    server = hospital.server
    command = ("deploy", "drill", "/var/backups/mip", "--identity", "/srv/person.txt")
    server.run(MIP, *command, "--units", "/etc/systemd/system")
    server.run("systemctl", "daemon-reload")
    server.run("systemctl", "enable", "--now", "mip-drill.timer")
    ended = server.run("systemctl", "start", "mip-drill.service", check=False, seconds=300)
    assert ended.returncode == 0, server.run("journalctl", "-u", "mip-drill", "-o", "cat").stdout
    told = json.loads(server.run("cat", "/var/lib/mip-drill/report.json").stdout)
    assert (told["passed"], told["contents"]["datasets"]) == (True, 3)
    assert server.run("ls", "/var/lib/mip-drill").stdout.split() == ["report.json"]
    server.run("systemctl", "disable", "--now", "mip-drill.timer")
    server.run("bash", "-c", "rm -r /etc/systemd/system/mip-drill.* /var/lib/mip-drill")
    server.run("systemctl", "daemon-reload")


ROTATION = """
import json, ssl, sys, urllib.error, urllib.request as u
def answer(authority, token):
    asked = u.Request("https://mip.hospital.example/api/v1/datasets?data_model=dementia:1.0",
                      headers={"Authorization": f"Bearer {token}"})
    context = ssl.create_default_context(cafile=authority)
    try:
        return u.urlopen(asked, context=context, timeout=20).status
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError as error:
        return type(error.reason).__name__
print(json.dumps([answer(path, sys.argv[1]) for path in sys.argv[2:]]))
"""
TOKEN = """
from pathlib import Path
from medmip.accounts.people import People
from medmip.accounts.role import Right
from medmip.accounts.tokens import Tokens
from medmip.catalogue.home import Home
from medmip.store.state import open_state
state = open_state(Home(Path("/var/lib/mip")))
(person, *_) = People(state).everybody()
print(Tokens(state).make(person.id, "notebook", [Right.EXPLORE], 3, "ada")[0])
"""


def test_rotated_secrets_are_the_only_good_ones(hospital: Hospital) -> None:
    server, new = hospital.server, "/etc/mip/installation/authority.pem"
    add_person(server, "eve")
    asked = ("runuser", "-u", "mip", "--", "/opt/mip/current/bin/python", "-c", TOKEN)
    token = server.run(*asked).stdout.strip()
    server.run("cp", new, "/srv/old.pem")
    look = ("python3", "-c", ROTATION, token, "/srv/old.pem", new)
    was = belongings(server)
    assert json.loads(server.run(*look).stdout) == [200, 200]
    told = server.run(
        MIP, "deploy", "rotate-secrets", "authority-key", "log-ins", seconds=500
    ).stdout
    assert "1 access tokens revoked" in told
    assert json.loads(server.run(*look).stdout) == ["SSLCertVerificationError", 401]
    now = belongings(server)
    changed = {name for name in was if now[name] != was[name]}
    assert changed == {
        "/etc/mip/installation/secrets/authority-key.age",
        "/etc/mip/installation/authority.pem",
        "/etc/mip/installation/portal.pem",
    }
    assert failing(server) == []


def test_a_block_that_is_answered_no_more_is_removed(hospital: Hospital) -> None:
    server = hospital.server
    fewer = ["hospital-database", "reference", "web-analytics"]
    server.run("sed", "-i", f"s/^blocks = .*/blocks = {json.dumps(fewer)}/", "/srv/answers.toml")
    server.run(MIP, "deploy", "configure", "--answers", "/srv/answers.toml")
    told = server.run(MIP, "deploy", "setup", seconds=500).stdout
    assert "removed /etc/systemd/system/mip-imaging.service" in told
    assert server.run("systemctl", "cat", "mip-imaging", check=False).returncode == 1
    assert "11112" not in server.run("nft", "list", "ruleset").stdout
    server.run("test", "-e", "/var/lib/mip/hub-closed/hub.json")
    assert failing(server) == []


def test_an_uninstallation_leaves_nothing_but_what_it_says(hospital: Hospital) -> None:
    server = hospital.server
    server.run("rm", "-f", "/srv/old.pem")
    server.run("rm", "-rf", "/srv/b")
    told = server.run(
        "bash", "-c", f"echo {NAME} | {MIP} deploy uninstall --purge-data", seconds=500
    ).stdout
    assert "packages of the distribution" in told
    after = on_the_disk(server)
    told_of = {"/srv/answers.toml"}
    assert sorted(after.keys() - hospital.before.keys()) == []
    assert sorted(hospital.before.keys() - after.keys()) == []
    differ = {path for path in after if after[path] != hospital.before[path]} - told_of
    assert differ == set()
    assert server.run("id", "mip", check=False).returncode == 1
    assert "mip" not in server.run("nft", "list", "tables").stdout
    units = server.run("systemctl", "list-units", "--all", "--no-legend", "mip*").stdout
    assert units.strip() == ""
    there = server.run("runuser", "-u", "postgres", "--", "psql", "-lqAt").stdout
    assert not [line for line in there.splitlines() if line.startswith("mip|")]
