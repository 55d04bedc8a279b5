"""Debian 13: a bare server, from answers to a validated installation."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from medmip.deploy.encryption import make_identity
from tests.deploy import booted, kept
from tests.deploy.test_fleet import ANSWERS, FIRST, MIP, NAME, failing

NETWORK = "miptrixie"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def trixie(tmp_path_factory: pytest.TempPathFactory) -> Iterator[booted.Server]:
    """A server of Debian 13, and wheels for its Python."""
    booted.refuse_where_none_can_boot()
    folder = tmp_path_factory.mktemp("trixie")
    with ThreadPoolExecutor() as both:
        making = both.submit(kept.root, booted.PACKAGES, "trixie")
        wheels = kept.wheels(folder / "wheels", "3.13")
        root = making.result()
    answers = ANSWERS.format(name=NAME, recipient=make_identity(folder / "person.txt"))
    with booted.network(NETWORK), booted.layered(root, folder / "layers") as disk:
        booted.prepare(disk, NAME)
        (disk / "srv/answers.toml").write_text(answers)
        with booted.booted(disk, NETWORK, wheels, folder / "console") as server:
            server.wait()
            yield server


def test_debian_13_is_set_up_and_validated(trixie: booted.Server) -> None:
    assert "trixie" in trixie.run("cat", "/etc/os-release").stdout
    trixie.run("python3", "-m", "venv", FIRST)
    trixie.run(
        *(f"{FIRST}/bin/pip", "install", "--quiet", "--no-index", "--find-links", "/media/mip"),
        "medmip[deploy]",
        seconds=400,
    )
    trixie.run(f"{FIRST}/bin/mip", "deploy", "configure", "--answers", "/srv/answers.toml")
    trixie.run(f"{FIRST}/bin/mip", "deploy", "setup", seconds=500)
    assert failing(trixie) == []
    second = trixie.run(MIP, "deploy", "setup", seconds=500).stdout
    assert second.splitlines()[-1].endswith(", 0 changed")
    for unit in ("mip", "mip-imaging", "mip-backup"):
        trixie.run("systemd-analyze", "security", "--no-pager", "--threshold=25", f"{unit}.service")
