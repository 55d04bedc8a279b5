"""What every test may ask for: a home folder, real programs, the peer suite."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings

from medmip.catalogue.home import Home

ROOT = Path(__file__).resolve().parent.parent
EVERYTHING = os.environ.get("MIP_TEST_ALL") == "1"
"""Whether a missing program fails its tests; elsewhere it skips them, saying why."""

settings.register_profile("explore", deadline=None)
settings.register_profile(
    "repeat",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("repeat" if EVERYTHING else "explore")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A fresh, prepared home folder."""
    return Home(tmp_path / "home").prepare()


@pytest.fixture(scope="session")
def clinics() -> Iterator[Callable[[str], Any]]:
    """A hospital's own database: clinics("bundled") or, in the system's server, "system"."""
    from tests.sources.clinic import servers

    with servers() as started:
        yield started


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A bucket of a real S3-compatible object store."""
    from tests.store.in_object_store import running

    with running(tmp_path_factory.mktemp("object_store")) as store:
        yield store


@pytest.fixture(scope="session")
def need() -> Callable[..., str]:
    """Finds a program by one of its names: need("Rscript"), need("chromium", "google-chrome")."""

    def find(*names: str) -> str:
        for name in names:
            if path := shutil.which(name):
                return path
        return missing(f"{' or '.join(names)} is not installed")

    return find


@pytest.fixture(scope="session")
def peer_suite() -> Path:
    """The folder of the peer suite: MIP_PEER_SUITE, or ../shared/peer-suite beside the checkout."""
    named = os.environ.get("MIP_PEER_SUITE")
    folder = Path(named) if named else ROOT.parent / "shared" / "peer-suite"
    if (folder / "cases").is_dir():
        return folder
    return missing(f"the peer suite is not at {folder}; MIP_PEER_SUITE names its folder")


def missing(what: str) -> NoReturn:
    """Skips the test that needs what is not here, or fails it where everything must be here."""
    if EVERYTHING:
        pytest.fail(f"{what}, and MIP_TEST_ALL=1 asks for every test")
    pytest.skip(what)


@pytest.fixture
def unproven(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of MIP whose volumes miss a mark of accuracy."""
    from medmip.imaging.volumetry import proof

    found = proof.Proof(missed=("deep in %: 3.1, mark 2",))
    monkeypatch.setattr(proof, "proof", lambda: found)
