"""Debian 13: a bare server, from answers to a validated installation, and a certificate by ACME."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from medmip.deploy.encryption import make_identity
from tests.deploy import booted, kept
from tests.deploy.authority import Signer, signer
from tests.deploy.test_fleet import ANSWERS, FIRST, MIP, NAME, failing

NETWORK = "miptrixie"
KNOWN_BY = "/srv/known.pem"
BY_ACME = """
[certificate]
kind = "acme"
terms_agreed = true
directory = "{directory}"
authorities = "{known_by}"
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@dataclass(frozen=True)
class Trixie:
    """A server, its answers, and an authority on its network."""

    server: booted.Server
    disk: Path
    answers: str
    by: Signer

    def set_up(self, more: str = "") -> str:
        """Sets it up with more answers, and returns what was said last."""
        (self.disk / "srv/answers.toml").write_text(self.answers + more)
        mip = MIP if (self.disk / MIP.removeprefix("/")).exists() else f"{FIRST}/bin/mip"
        self.server.run(mip, "deploy", "configure", "--answers", "/srv/answers.toml")
        told = self.server.run(mip, "deploy", "setup", seconds=500).stdout
        return told.splitlines()[-1]

    def said_at_80(self) -> str:
        """What an outsider is told at port 80, empty where nobody is let in."""
        script = (
            "import http.client as h, sys\n"
            "c = h.HTTPConnection(sys.argv[1], 80, timeout=2)\n"
            "try: c.request('GET', '/x', headers={'Host': sys.argv[2]})\n"
            "except OSError: sys.exit()\n"
            "a = c.getresponse(); print(a.status, a.getheader('location'))\n"
        )
        asked = [*("ip", "netns", "exec", NETWORK, sys.executable), "-c", script]
        return subprocess.run(
            [*asked, booted.ADDRESS, NAME], capture_output=True, text=True, check=True
        ).stdout.strip()

    def serial(self) -> str:
        """Of the certificate that nginx shows."""
        asked = f"openssl s_client -connect 127.0.0.1:443 -servername {NAME} </dev/null 2>/dev/null"
        told = f"{asked} | openssl x509 -noout -serial -issuer"
        return self.server.run("bash", "-c", told).stdout


@pytest.fixture(scope="module")
def trixie(tmp_path_factory: pytest.TempPathFactory, need: Callable[..., str]) -> Iterator[Trixie]:
    """A server of Debian 13, and wheels for its Python."""
    booted.refuse_where_none_can_boot()
    need("pebble")
    folder = tmp_path_factory.mktemp("trixie")
    with ThreadPoolExecutor() as both:
        making = both.submit(kept.root, booted.PACKAGES, "trixie")
        wheels = kept.wheels(folder / "wheels", "3.13")
        root = making.result()
    answers = ANSWERS.format(name=NAME, recipient=make_identity(folder / "person.txt"))
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{booted.ADDRESS} {NAME}\n")
    named = ("unshare", "--mount", "sh", "-c", f'mount --bind {hosts} /etc/hosts; exec "$@"', "sh")
    within = ("ip", "netns", "exec", NETWORK, *named)
    with (
        booted.network(NETWORK),
        booted.layered(root, folder / "layers") as disk,
        signer(folder / "authority", booted.OUTSIDE, (14000, 15000, 80), within) as by,
    ):
        booted.prepare(disk, NAME)
        (disk / KNOWN_BY.removeprefix("/")).write_bytes(by.known_by.read_bytes())
        with booted.booted(disk, NETWORK, wheels, folder / "console") as server:
            server.wait()
            yield Trixie(server, disk, answers, by)


def test_debian_13_is_set_up_and_validated(trixie: Trixie) -> None:
    server = trixie.server
    assert "trixie" in server.run("cat", "/etc/os-release").stdout
    server.run("python3", "-m", "venv", FIRST)
    server.run(
        *(f"{FIRST}/bin/pip", "install", "--quiet", "--no-index", "--find-links", "/media/mip"),
        "medmip[deploy]",
        seconds=400,
    )
    trixie.set_up()
    assert failing(server) == []
    # That a second run changes nothing is seen below, with a block more.
    for unit in ("mip", "mip-imaging", "mip-backup"):
        server.run("systemd-analyze", "security", "--no-pager", "--threshold=25", f"{unit}.service")


def test_a_certificate_comes_by_acme_through_port_80_and_is_renewed(trixie: Trixie) -> None:
    server, start = trixie.server, ("systemctl", "start", "mip-certificate")
    more = BY_ACME.format(directory=trixie.by.directory, known_by=KNOWN_BY)
    assert trixie.said_at_80() == ""
    assert not trixie.set_up(more).endswith(" 0 changed")
    assert trixie.said_at_80() == f"301 https://{NAME}/x"
    assert failing(server) == []
    first = trixie.serial()
    assert "Pebble" in first
    assert trixie.set_up(more).endswith(", 0 changed")
    server.run(*start)
    assert trixie.serial() == first
    # As if it were of another authority: the timer's next run orders one, and nginx shows it.
    server.run("rm", "/etc/mip/portal.from")
    assert failing(server) == ["the certificate by ACME"]
    server.run(*start)
    second = trixie.serial()
    assert ("Pebble" in second, second == first) == (True, False)
    assert failing(server) == []
    unit = "mip-certificate.service"
    server.run("systemd-analyze", "security", "--no-pager", "--threshold=25", unit)


def test_an_authority_that_cannot_come_is_told_of_and_the_portal_goes_on(trixie: Trixie) -> None:
    server, shown = trixie.server, trixie.serial()
    server.run("rm", "/etc/mip/portal.from")
    server.run("nft", "insert", "rule", "inet", "mip", "input", "tcp", "dport", "80", "drop")
    begun = server.run("systemctl", "start", "mip-certificate", check=False, seconds=300)
    assert begun.returncode == 1
    told = server.run("journalctl", "-u", "mip-certificate", "-o", "cat").stdout
    assert "The authority gave no certificate: " in told
    assert trixie.serial() == shown
    assert {"the certificate by ACME", "no failed unit"} <= set(failing(server))
    failed = server.run("systemctl", "--failed", "--plain", "--no-legend").stdout
    # Who is told was told.
    assert [line.split()[0] for line in failed.splitlines()] == ["mip-certificate.service"]
    server.run("systemctl", "reset-failed", "mip-certificate")


def test_port_80_is_shut_again_by_an_authority_of_our_own(trixie: Trixie) -> None:
    server = trixie.server
    trixie.set_up()
    assert trixie.said_at_80() == ""
    assert failing(server) == []
    assert "Pebble" not in trixie.serial()
    left = server.run("bash", "-c", "ls -d /etc/mip/portal* /var/lib/mip-* /var/lib/private/*",
                      check=False).stdout.split()  # fmt: skip
    assert "/etc/mip/portal.pem" in left
    assert not [path for path in left if "certificate" in path or "interim" in path]
