"""What the tests of scans share."""

from pathlib import Path

import pytest

from medmip.imaging.adding import add
from medmip.imaging.identity import Identity
from tests.conftest import missing

KEY = b"k" * 32


@pytest.fixture
def home(home):
    """A home that keeps faces: what most tests bring in is no head, whose face could be found."""
    home.configuration.write_text("[imaging]\nkeep_faces = true\n")
    return home


@pytest.fixture
def identity():
    return Identity.of_site(KEY)


@pytest.fixture
def added(home, identity):
    """Adds paths; returns what became of them."""

    def adding(*paths, again=False):
        return list(add(home, paths, identity, again=again))

    return adding


@pytest.fixture
def reason(added):
    """The one reason why the only scan of a path is not taken."""

    def asking(path, verdict="refused"):
        (one,) = added(path)
        assert one.record.verdict == verdict, one.record
        assert one.record.patient is None
        return one.record.reason

    return asking


@pytest.fixture(scope="session")
def colin():
    """Colin27, a real head; Debian's package mricron-data has it."""
    path = Path("/usr/share/mricron/templates/ch2.nii.gz")
    if not path.exists():
        missing("mricron-data, which has a real head, is not installed")
    return path
