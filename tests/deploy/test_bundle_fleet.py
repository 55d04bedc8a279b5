"""A bare Debian server with no road to anywhere: a bundle refused, and one to a running MIP."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from medmip.deploy.bundle import Bundle, make_bundle
from medmip.deploy.debian_package import WHEELS
from medmip.deploy.encryption import make_identity
from tests.deploy import booted, kept
from tests.deploy.signers import signer
from tests.deploy.test_fleet import ANSWERS, NAME, failing, killed

NETWORK = "mipcut"
"""Another than that of test_fleet, which may run at the same time."""

SETUP = ("/usr/local/bin/mip", "deploy", "setup")
KILLS, LATEST = 10, 24.0
"""How often a set-up is killed, and after how many seconds at the latest."""
CUTS = (3, 7)
"""Which of these kills are power cuts: every process of the server at once, and a boot."""
INSTALLATIONS, LATEST_INSTALLATION = ("all", "main", "power"), 12.0
"""Who is killed in the middle of the installer, and after how many seconds at the latest."""
HALVES = """
import pathlib, subprocess
for top in ("/etc", "/opt/mip", "/usr/local/bin", "/var/backups", "/var/lib/mip"):
    for path in pathlib.Path(top).rglob("*"):
        if path.name.endswith((".partial", ".dpkg-new", ".dpkg-tmp")) or "ansible_tmp" in path.name:
            print(path)
print(subprocess.run(["dpkg", "--audit"], capture_output=True, text=True).stdout, end="")
"""
"""Prints what is half-written."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@dataclass(frozen=True)
class Cut:
    """A server without any network, and the bundle that it sees in /media/mip."""

    server: booted.Server
    bundle: Bundle

    @property
    def installer(self) -> tuple[str, ...]:
        """The installer with what it is meant to install."""
        script, bundle = "/media/mip/install-mip.sh", f"/media/mip/{self.bundle.path.name}"
        return ("sh", script, bundle, "/media/mip/mip.gpg")

    def install(self, bundle: str = "", key: str = "mip.gpg") -> subprocess.CompletedProcess[str]:
        words = list(self.installer)
        words[2] = f"/media/mip/{bundle}" if bundle else words[2]
        words[3] = f"/media/mip/{key}"
        return self.server.run(*words, check=False, seconds=400)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cut]:
    """A server with hardly anything, beside a bundle."""
    booted.refuse_where_none_can_boot()
    folder = tmp_path_factory.mktemp("cut")
    out = folder / "out"
    with ThreadPoolExecutor() as both, signer(folder / "gnupg") as key:
        making = both.submit(kept.root, booted.FEWEST)
        made = make_bundle(kept.wheels(folder / "wheels"), out, key, print)
        root = making.result()
    with signer(folder / "another") as other:
        stranger = subprocess.run(["gpg", "--export", other], check=True, capture_output=True)
        (out / "stranger.gpg").write_bytes(stranger.stdout)
    with booted.network(NETWORK), booted.layered(root, folder / "layers") as disk:
        booted.prepare(disk, NAME)
        answers = ANSWERS.format(name=NAME, recipient=make_identity(folder / "person.txt"))
        (disk / "srv/answers.toml").write_text(answers.replace("/media/mip", WHEELS))
        with booted.booted(disk, NETWORK, out, folder / "console") as server:
            server.wait()
            yield Cut(server, made)


def interrupted_after(server: booted.Server, seconds: float, who: str, *command: str) -> None:
    """Kills a command after so long: all its processes, the main one, or the whole server."""
    if who != "power":
        killed(server, seconds, who, *command)
        return
    server.run("systemd-run", "--quiet", "--collect", *command)
    time.sleep(seconds)
    server.cut_power()
    server.boot()


def test_what_is_not_as_it_was_signed_is_refused(cut: Cut) -> None:
    path = cut.bundle.path
    tampered = path.with_name("tampered.tar")
    shutil.copyfile(path, tampered)
    with tampered.open("r+b") as file:
        file.seek(-200_000, os.SEEK_END)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    unsigned = cut.install("tampered.tar")
    shutil.copyfile(cut.bundle.signature, path.with_name("tampered.tar.asc"))
    wrong = cut.install("tampered.tar")
    stranger = cut.install(key="stranger.gpg")
    tampered.unlink()
    assert (unsigned.returncode, wrong.returncode, stranger.returncode) == (1, 1, 1)
    assert "the signature /media/mip/tampered.tar.asc is missing" in unsigned.stderr
    assert "not what was signed" in wrong.stderr
    assert "not what was signed" in stranger.stderr
    assert cut.server.run("test", "-e", "/var/lib/mip-packages", check=False).returncode == 1


def test_another_debian_is_refused(cut: Cut) -> None:
    server = cut.server
    # It is a link to the distribution's own file, which apt would not put back.
    server.run("cp", "--remove-destination", "/usr/lib/os-release", "/etc/os-release")
    server.run("sed", "-i", "s/^VERSION_CODENAME=.*/VERSION_CODENAME=trixie/", "/etc/os-release")
    refused = cut.install()
    server.run("ln", "-sf", "../usr/lib/os-release", "/etc/os-release")
    assert refused.returncode == 1
    assert "for Debian's bookworm, and this is trixie" in refused.stderr


def test_a_server_without_internet_is_set_up_and_validated_however_often_it_is_killed(
    cut: Cut,
) -> None:
    server = cut.server
    seed = time.time_ns()
    print("The moments of", seed)
    moments = Random(seed)
    for who in INSTALLATIONS:
        interrupted_after(server, moments.uniform(0.5, LATEST_INSTALLATION), who, *cut.installer)
    installed = cut.install()
    assert installed.returncode == 0, installed.stdout + installed.stderr
    server.run("mip", "deploy", "configure", "--answers", "/srv/answers.toml")
    kept_secrets = ("bash", "-c", "sha256sum /etc/mip/installation/{identity.txt,secrets/*}")
    secrets = server.run(*kept_secrets).stdout
    # Whatever a kill leaves, the next run goes on; none says so if it is not at the right place.
    for number in range(KILLS):
        who = "power" if number in CUTS else moments.choice(("all", "main"))
        interrupted_after(server, moments.uniform(0.5, LATEST), who, *SETUP)
    server.run(*SETUP, seconds=500)
    assert server.run(*SETUP, seconds=500).stdout.splitlines()[-1].endswith(", 0 changed")
    assert server.run(*kept_secrets).stdout == secrets
    assert server.run("python3", "-c", HALVES).stdout == ""
    assert failing(server) == []


PAGE = """
import re, socket, ssl, sys
from http.client import HTTPSConnection
name, address, authority = sys.argv[1:]
context = ssl.create_default_context(cafile=authority)
def got(path):
    connection = HTTPSConnection(name, timeout=20)
    raw = socket.create_connection((address, 443), 20)
    connection.sock = context.wrap_socket(raw, server_hostname=name)
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    print(answer.status, answer.headers.get_content_type(), len(content) > 100)
    return content
for path in re.findall(rb'(?:src|href)="(/[^"]+)"', got("/")):
    got(path.decode())
"""


def test_an_outsider_sees_the_portal(cut: Cut, tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text(cut.server.run("cat", "/etc/mip/installation/authority.pem").stdout)
    told = subprocess.run(
        [
            *("ip", "netns", "exec", NETWORK, sys.executable, "-c", PAGE),
            *(NAME, booted.ADDRESS, str(authority)),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert told == [
        "200 text/html True",
        "200 image/svg+xml True",
        "200 text/javascript True",
        "200 text/css True",
    ]
