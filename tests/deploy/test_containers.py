"""MIP in containers: built without a registry, and run as the compose file says."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from medmip.deploy import portal_certificate
from medmip.deploy.encryption import make_identity
from medmip.deploy.verification import verify_backup
from tests.deploy import booted, kept
from tests.project.tree import ROOT

NETWORK, NAME, PORT = "mippods", "mip.hospital.example", "8443"
STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "{0}/images"\nrunroot = "{0}/state"\n'
# What the machines that tests run on do not allow: limits of memory, and raising their own.
ENGINE = """
[containers]
cgroups = "disabled"
default_ulimits = ["nofile=16384:20000", "nproc=8192:8192"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_ALONE = """
umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount -t tmpfs tmpfs /run
exec sleep infinity
"""
PEOPLE = """
import socket, ssl, sys
from http.client import HTTPSConnection
name, authority, asked = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
for path in ("/", "/api/v1/datasets"):
    connection = HTTPSConnection(name, timeout=20)
    raw = socket.create_connection(("10.77.0.1", 8443), 20)
    connection.sock = context.wrap_socket(raw, server_hostname=asked)
    connection.request("GET", path)
    answer = connection.getresponse()
    print(answer.status, connection.sock.version(), answer.getheader("strict-transport-security"))
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Pods:
    """An engine with images of its own, in a network that leads nowhere."""

    folder: Path
    inside: int

    def run(
        self, *command: str, check: bool = True, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command in that network, beside the compose file."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
        }
        ended = subprocess.run(
            [
                *("nsenter", "-t", str(self.inside), "-m", "-n", "-C"),
                f"--wd={self.folder}/context/deploy/containers",
                *command,
            ],
            env=environment | more,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        if check:
            assert ended.returncode == 0, f"{command}\n{ended.stdout}\n{ended.stderr[-3000:]}"
        return ended

    def compose(self, *words: str, **more: str) -> str:
        command = (sys.executable, "-m", "podman_compose", *words)
        return self.run(*command, check=True, **more).stdout

    def up(self) -> None:
        """Starts what the compose file says, until the node is healthy."""
        self.compose("up", "--detach")
        until = time.monotonic() + 60
        check = ("podman", "healthcheck", "run", "mip_node_1")
        while self.run(*check, check=False).returncode:
            assert time.monotonic() < until, self.run("podman", "logs", "mip_node_1").stderr
            time.sleep(0.5)
        self.run("podman", "healthcheck", "run", "mip_proxy_1")


@pytest.fixture(scope="module")
def pods(tmp_path_factory: pytest.TempPathFactory, need: Callable[..., str]) -> Iterator[Pods]:
    """Both images, built on a root of Debian, and containers of them."""
    booted.refuse_where_none_can_boot()
    need("podman")
    folder = tmp_path_factory.mktemp("pods")
    context = folder / "context"
    shutil.copytree(ROOT / "deploy", context / "deploy")
    shutil.copy(ROOT / ".containerignore", context)
    kept.wheels(context / "wheels")
    (folder / "storage.conf").write_text(STORAGE.format(folder))
    (folder / "containers.conf").write_text(ENGINE)
    make_identity(folder / "person.txt")
    given(folder, context / "deploy/containers")
    with booted.network(NETWORK), booted.apart(NETWORK, _ALONE) as inside:
        running = Pods(folder, inside)
        build(running)
        try:
            running.up()
            yield running
        finally:
            running.run("podman", "rm", "--all", "--force", "--time", "5", check=False)
    shutil.rmtree(folder / "images")


def given(folder: Path, place: Path) -> None:
    """What a hospital puts beside the compose file: a name, a certificate and its key."""
    now = datetime.now(UTC)
    key, signer = portal_certificate.new_key(), portal_certificate.new_key()
    issuer = portal_certificate.authority(signer, NAME, now)
    (folder / "authority.pem").write_bytes(issuer)
    (place / "secrets").mkdir()
    for name, content in {
        "portal.pem": portal_certificate.signed(key, signer, issuer, NAME, now),
        "portal-key.pem": key,
    }.items():
        path = place / "secrets" / name
        path.write_bytes(content)
        path.chmod(0o400)
        os.chown(path, 10002, 10002)
    (place / ".env").write_text(f"MIP_NAME={NAME}\nMIP_PUBLISH={PORT}\n")


def build(pods: Pods) -> None:
    """Builds both images on a root that was made here: no registry is named or reached."""
    archive = pods.folder / "root.tar"
    root = kept.root()
    subprocess.run(
        ["tar", "-C", str(root), "--exclude=./var/cache/apt", "-cf", str(archive), "."], check=True
    )
    pods.run("podman", "import", str(archive), "localhost/debian")
    archive.unlink()
    for target in ("node", "proxy"):
        pods.run(
            "podman", "build", "--isolation=chroot", "--pull=never", "--target", target,
            "--build-arg=BASE=localhost/debian", f"--tag=localhost/mip-{target}",
            f"--file={pods.folder}/context/deploy/containers/Containerfile",
            str(pods.folder / "context"),
        )  # fmt: skip


def test_people_reach_the_portal_over_tls_by_its_name_and_nobody_enters(pods: Pods) -> None:
    look = (sys.executable, "-c", PEOPLE, NAME, str(pods.folder / "authority.pem"))
    hsts = "max-age=63072000"
    assert pods.run(*look, NAME).stdout.splitlines() == [
        f"200 TLSv1.3 {hsts}",
        f"401 TLSv1.3 {hsts}",
    ]
    assert "SSL" in pods.run(*look, "other.example", check=False).stderr
    listened = pods.run("podman", "port", "--all").stdout
    assert {line.split(" -> ")[1] for line in listened.splitlines()} == {f"0.0.0.0:{PORT}"}


@pytest.mark.parametrize("name, account", [("mip_node_1", "10001"), ("mip_proxy_1", "10002")])
def test_a_container_has_an_account_without_rights_and_a_root_that_is_read_only(
    pods: Pods, name: str, account: str
) -> None:
    told = pods.run(
        "podman", "exec", name, "sh", "-c", "id -u; cat /proc/1/status; touch /x", check=False
    )
    assert "Read-only file system" in told.stderr
    lines = dict(line.split(":", 1) for line in told.stdout.splitlines()[1:])
    assert told.stdout.splitlines()[0] == account
    assert lines["Uid"].split()[0] == account
    assert lines["NoNewPrivs"].strip() == "1"
    assert {int(lines[f"Cap{which}"], 16) for which in ("Prm", "Eff", "Bnd", "Amb")} == {0}


def test_data_outlive_the_containers_and_are_backed_up_without_a_network(pods: Pods) -> None:
    add = "echo wind over seven bridges | mip user add ada --role researcher --password-stdin"
    pods.run("podman", "exec", "mip_node_1", "sh", "-c", add)
    pods.compose("down")
    pods.up()
    assert "ada" in pods.run("podman", "exec", "mip_node_1", "mip", "user", "list").stdout
    identity = pods.folder / "person.txt"
    recipient = identity.read_text().splitlines()[0].removeprefix("# public key: ")
    pods.compose("--profile", "backup", "run", "--rm", "backup", MIP_RECIPIENT=recipient)
    place = pods.run("podman", "volume", "inspect", "mip_backups", "--format", "{{.Mountpoint}}")
    (made,) = Path(place.stdout.strip()).glob("mip-*.tar.age")
    assert verify_backup(made, identity).people == 1


def test_a_node_that_lets_everybody_in_does_not_start(pods: Pods) -> None:
    settings = pods.folder / "open.toml"
    settings.write_text('[login]\nkind = "open"\n')
    ended = pods.run(
        "podman", "run", "--rm", "--read-only", "--network=none", "--tmpfs=/tmp",
        "--volume=open:/var/lib/mip", f"--volume={settings}:/var/lib/mip/mip.toml:ro",
        "localhost/mip-node", check=False,
    )  # fmt: skip
    assert ended.returncode != 0
    assert "Log-in is off" in ended.stderr


def test_a_proxy_without_a_name_says_so(pods: Pods) -> None:
    run = ("podman", "run", "--rm", "--read-only", "--network=none", "--tmpfs=/tmp")
    for name in ("", "a;b", "{}"):
        ended = pods.run(*run, f"--env=MIP_NAME={name}", "localhost/mip-proxy", check=False)
        assert ended.returncode == 1
        assert "MIP_NAME is the name that people type" in ended.stderr
