"""A hospital on two bare Debian servers, the database on the second, set up from a third machine.

What the readers' database is filled with goes from one to the other, and nothing else goes there.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from medmip.deploy.encryption import make_identity
from tests.deploy import booted, kept
from tests.deploy.test_fleet import MIP, healthy
from tests.project.tree import ROOT

NETWORK = "mipsplit"
NODE, DATABASE = booted.ADDRESS, "10.77.0.11"
MACHINES = {"node": ("mipsn", NODE), "database": ("mipsd", DATABASE)}
"""Of each server the machine's name and address."""
OTHERS = {"node": "postgresql", "database": "nginx"}
"""What the root that is kept has installed, and this server would not have."""
ANSWERS = """
name = "{node}"
recipients = ["{recipient}"]
demo = true
wheels = "{wheels}"
[servers.node]
address = "{node}"
blocks = ["reference", "web-analytics"]
key = "{key}"
host_key = "{node_key}"
[servers.database]
address = "{database}"
blocks = ["hospital-database"]
key = "{key}"
host_key = "{database_key}"
[who]
maintainers = ["{outside}"]
people = ["{outside}"]
"""
SCAN = """
import concurrent.futures as f, socket, sys
def up(port):
    try: socket.create_connection((sys.argv[1], port), 0.5).close()
    except OSError: return
    print(port)
up(22)
ports = [*range(1, 1025), 4222, 5432, 8080, 8222, 11112, 31432, 31555]
f.ThreadPoolExecutor(200).map(up, ports)
"""
COME_IN = """
import psycopg, sys
try:
    with psycopg.connect(sys.argv[1], connect_timeout=5) as connection:
        print("in as", connection.execute("SELECT current_user").fetchone()[0])
except psycopg.Error as error:
    print("refused:", error)
"""
"""Of an address of libpq, whether it lets in."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@dataclass(frozen=True)
class Split:
    """Two servers, and an administrator's machine from which they are reached."""

    servers: dict[str, booted.Server]
    folder: Path

    @property
    def node(self) -> booted.Server:
        return self.servers["node"]

    @property
    def database(self) -> booted.Server:
        return self.servers["database"]

    def mip(self, *words: str, seconds: float = 400) -> subprocess.CompletedProcess[str]:
        """Runs `mip deploy` on the administrator's machine."""
        return self.outside(
            str(Path(sys.executable).with_name("mip")),
            *("deploy", *words, "--folder", str(self.folder / "installation")),
            seconds=seconds,
        )

    def outside(self, *words: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Runs a command on that machine, which is an outsider in the servers' network."""
        return subprocess.run(
            ["ip", "netns", "exec", NETWORK, *words],
            env=os.environ
            | {
                "HOME": str(self.folder),
                "PYTHONPATH": str(ROOT / "src"),
                "PATH": f"{self.folder}/ansible/bin:{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def failing(self) -> list[str]:
        """What fails in the acceptance test; of the disk that tests run on it says nothing."""
        ended = self.mip("validate", "--json")
        assert ended.stdout, ended.stderr
        return [
            f"{one['name']}: {one['found']}"
            for one in json.loads(ended.stdout)["checks"]
            if not one["passed"] and ": disk of" not in one["name"]
        ]

    def as_mip(self, *words: str, given: str = "") -> str:
        """Runs a command on the node's server by the node's account."""
        script = f"echo '{given}' | \"$@\"" if given else '"$@"'
        return self.node.run(
            "runuser", "-u", "mip", "--", "bash", "-c", script, "as-mip", *words
        ).stdout


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory, need: Callable[..., str]) -> Iterator[Split]:
    """Both servers, bare, as two layers over one root."""
    booted.refuse_where_none_can_boot()
    need("ssh")
    folder = tmp_path_factory.mktemp("split")
    with ThreadPoolExecutor() as both:
        making = both.submit(kept.root)
        wheels = kept.wheels(folder / "wheels")
        root = making.result()
    ansible = folder / "ansible"
    subprocess.run([sys.executable, "-m", "venv", str(ansible)], check=True)
    pip = (str(ansible / "bin/pip"), "install", "--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, "--no-index", f"--find-links={wheels}", "ansible-core"], check=True)
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with ExitStack() as stack:
        stack.enter_context(booted.network(NETWORK))
        host_keys, servers = {}, {}
        for name, (machine, address) in MACHINES.items():
            disk = stack.enter_context(booted.layered(root, folder / name))
            booted.prepare(disk, f"{name}.hospital.example", address)
            (disk / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
            shutil.copy(f"{key}.pub", disk / "root/.ssh/authorized_keys")
            (disk / f"etc/systemd/system/{OTHERS[name]}.service").symlink_to("/dev/null")
            # The root that is kept has keys of its own, which would be the same for both.
            own = disk / "etc/ssh/ssh_host_ed25519_key"
            for path in (own, own.with_suffix(".pub")):
                path.unlink()
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(own)], check=True
            )
            host_keys[f"{name}_key"] = own.with_suffix(".pub").read_text().strip()
            servers[name] = stack.enter_context(
                booted.booted(disk, machine, folder, folder / f"console-{name}", within=NETWORK)
            )
        for server in servers.values():
            server.wait()
        made = Split(servers, folder)
        answers = ANSWERS.format(
            node=NODE,
            database=DATABASE,
            outside=booted.OUTSIDE,
            recipient=make_identity(folder / "person.txt"),
            wheels=wheels,
            key=key,
            **host_keys,
        )
        (folder / "answers.toml").write_text(answers)
        ended = made.mip("configure", "--answers", str(folder / "answers.toml"))
        assert ended.returncode == 0, ended.stderr
        yield made


def test_two_servers_are_set_up_and_a_second_run_changes_nothing(split: Split) -> None:
    first = split.mip("setup")
    assert first.returncode == 0, first.stdout[-6000:] + first.stderr
    second = split.mip("setup")
    assert second.returncode == 0, second.stdout[-6000:] + second.stderr
    assert second.stdout.splitlines()[-1].endswith(", 0 changed"), second.stdout


def test_both_are_judged_and_looked_after_by_name(split: Split) -> None:
    assert split.failing() == []
    status = split.mip("status")
    assert status.returncode == 0, status.stdout + status.stderr
    for line in ("database: postgresql.service (hospital-database)", "node: mip.service"):
        assert line in status.stdout
    assert "node: postgresql.service" not in status.stdout
    assert "database: mip-backup.timer" not in status.stdout
    stopped = split.mip("stop", "hospital-database")
    assert stopped.stdout == "Stopped: database: postgresql.service\n", stopped.stderr
    failed = " ".join(split.failing())
    assert "database: service postgresql.service" in failed
    assert "node: database on another server" in failed
    assert split.mip("restart", "database").returncode == 0
    assert "systemd" in split.mip("logs", "hospital-database").stdout
    ready = "until runuser -u postgres -- psql -qAtc 'SELECT 1' mip; do sleep 0.2; done"
    split.database.run("bash", "-c", f"cd / && {ready}", seconds=30)


def test_each_server_has_what_its_blocks_need_and_no_more(split: Split) -> None:
    node, database = split.node, split.database
    assert database.run("ls", "/etc/mip/secrets").stdout == ""
    owners = ("stat", "-c", "%n %U %a")
    assert database.run(*owners, "/etc/mip/database/server-key.pem").stdout.endswith(
        " postgres 600\n"
    )
    assert node.run(*owners, "/etc/mip/database/client-key.pem").stdout.endswith(" mip 600\n")
    for server, absent in (
        (database, ("/var/lib/mip", "/var/backups/mip", "/etc/nginx/sites-enabled/mip.conf",
                    "/etc/systemd/system/mip.service", "/etc/mip/database/client-key.pem")),
        (node, ("/etc/mip/database/server-key.pem",)),
    ):  # fmt: skip
        for path in absent:
            assert server.run("test", "-e", path, check=False).returncode == 1, path
    assert database.run("id", "mip", check=False).returncode == 1


def read_by(split: Split, name: str) -> str:
    """Makes somebody a reader of rows; what they put before a query on the database's server."""
    home = ("--home", "/var/lib/mip")
    role = ("--role", "data_manager", "--password-stdin")
    split.as_mip(MIP, "user", "add", name, *role, *home, given="wind over seven bridges")
    told = split.as_mip(MIP, "ldsm", "add-reader", name, *home)
    assert "On the server of the database" in told
    password = told.partition("its password ")[2].split()[0]
    where = told.partition('psql "')[2].partition('"')[0]
    return f"PGPASSWORD={password} psql -XqAt '{where}'"


def test_published_rows_are_read_on_the_second_server(split: Split) -> None:
    split.as_mip(MIP, "ldsm", "sync", "--home", "/var/lib/mip")
    begun = read_by(split, "ada")
    count = "SELECT count(*) > 100 FROM mip_local_features"
    assert split.database.run("bash", "-c", f'{begun} -c "{count}"').stdout == "t\n"
    refused = split.database.run("bash", "-c", f'{begun} -c "DROP VIEW x"', check=False)
    assert refused.returncode
    # What was asked there is in the ledger here.
    split.as_mip(MIP, "ldsm", "sync", "--home", "/var/lib/mip")
    rows = split.as_mip(MIP, "audit", "export", "--home", "/var/lib/mip").splitlines()
    assert any("mip_local_features" in row for row in rows if "ada" in row)


def found(run: Callable[..., subprocess.CompletedProcess[str]], python: str, at: str) -> set[int]:
    """Which ports of an address answer whom."""
    return {int(line) for line in run(python, "-c", SCAN, at).stdout.split()}


def test_everybody_finds_the_allowed_ports_alone(split: Split) -> None:
    assert found(split.outside, sys.executable, NODE) == {22, 443}
    assert found(split.outside, sys.executable, DATABASE) == {22}
    assert found(split.node.run, "python3", DATABASE) == {5432}
    assert found(split.database.run, "python3", NODE) == set()


def test_nobody_gets_in_without_the_certificate_or_from_elsewhere(split: Split) -> None:
    python = "/opt/mip/current/bin/python"
    trust = "/etc/mip/database"
    shown = f"sslcert={trust}/client.pem sslkey={trust}/client-key.pem"
    good = f"host={DATABASE} dbname=mip user=postgres sslmode=verify-full "
    good += f"sslrootcert={trust}/authority.pem "
    node = ("runuser", "-u", "mip", "--", python)

    def here(at: str) -> str:
        return split.node.run(*node, "-c", COME_IN, at).stdout

    assert here(good + shown) == "in as postgres\n"
    assert "refused" in here(good + "sslcert=/none sslkey=/none")
    assert "refused" in here((good + shown).replace("verify-full", "disable"))
    assert "refused" in here((good + shown).replace("user=postgres", "user=mip_reader_ada"))
    assert "refused" in here((good + shown).replace("dbname=mip", "dbname=postgres"))
    # By a key of one's own, which another authority vouches for.
    own = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
           "-nodes", "-subj", "/CN=mip-node", "-keyout", "/tmp/k", "-out", "/tmp/c")  # fmt: skip
    split.as_mip(*own)
    assert "refused" in here(good + "sslcert=/tmp/c sslkey=/tmp/k")
    # Were the firewall not there, whoever stole the key would be refused elsewhere.
    for name in ("client.pem", "client-key.pem", "authority.pem"):
        path = split.folder / name
        path.write_text(split.node.run("cat", f"{trust}/{name}").stdout)
        path.chmod(0o600)
    stolen = (good + shown).replace(trust, str(split.folder))
    assert "refused" in split.outside(sys.executable, "-c", COME_IN, stolen).stdout
    split.database.run("systemctl", "stop", "nftables")
    try:
        told = split.outside(sys.executable, "-c", COME_IN, stolen).stdout
    finally:
        split.database.run("systemctl", "start", "nftables")
    assert "no pg_hba.conf entry" in told


def settled(split: Split, seconds: float = 60) -> Sequence[str]:
    """What still fails in the acceptance test after so long at the most."""
    until = time.monotonic() + seconds
    while failed := split.failing():
        if time.monotonic() > until:
            return failed
        time.sleep(1)
    return []


def test_a_power_cut_of_the_node_heals(split: Split) -> None:
    split.node.cut_power()
    split.node.boot()
    healthy(split.node, 60)
    assert settled(split) == []


def test_a_database_without_power_is_told_as_such_and_heals(split: Split) -> None:
    split.database.cut_power()
    status = split.mip("status")
    assert status.returncode == 1
    assert "unknown   database: every unit: The server cannot be reached" in status.stdout
    assert "active    node: mip.service" in status.stdout
    failed = split.failing()
    assert [one for one in failed if one.startswith("database: it is asked")]
    assert [one for one in failed if one.startswith("node: database on another server")]
    split.database.boot()
    assert settled(split) == []
    told = split.as_mip(MIP, "ldsm", "sync", "--home", "/var/lib/mip")
    assert "0 datasets copied" in told
