"""What the tests of scans share."""

import pytest

from medmip.imaging.adding import add
from medmip.imaging.identity import Identity

KEY = b"k" * 32


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
