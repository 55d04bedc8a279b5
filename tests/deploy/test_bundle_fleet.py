"""A bare Debian server with no road to anywhere refuses a bundle that is not what was signed."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from medmip.deploy.bundle import Bundle, make_bundle
from medmip.deploy.debian_package import WHEELS
from medmip.deploy.encryption import make_identity
from tests.deploy import booted
from tests.deploy.signers import signer
from tests.deploy.test_fleet import ANSWERS, NAME, wheels

NETWORK = "mipcut"
"""Another than that of test_fleet, which may run at the same time."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Cut:
    """A server without any network, and the bundle that it sees in /media/mip."""

    server: booted.Server
    bundle: Bundle

    def install(self, bundle: str = "", key: str = "mip.gpg") -> subprocess.CompletedProcess[str]:
        return self.server.run(
            "sh", "/media/mip/install-mip.sh", f"/media/mip/{bundle or self.bundle.path.name}",
            f"/media/mip/{key}", check=False, seconds=400,
        )  # fmt: skip


def fewest(folder: Path) -> Path:
    """The root of a server with hardly anything: MIP_TEST_FEWEST, or made now."""
    if named := os.environ.get("MIP_TEST_FEWEST"):
        return Path(named)
    with booted.root_in_the_making(folder, booted.FEWEST) as process:
        assert process.wait(300) == 0
    return folder


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cut]:
    """A server with hardly anything, beside a bundle."""
    booted.refuse_where_none_can_boot()
    folder = tmp_path_factory.mktemp("cut")
    out = folder / "out"
    with ThreadPoolExecutor() as both, signer(folder / "gnupg") as key:
        making = both.submit(fewest, folder / "root")
        made = make_bundle(wheels(folder / "wheels"), out, key, print)
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
