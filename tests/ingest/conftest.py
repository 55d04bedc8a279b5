"""What the tests of importing share."""

import pyarrow.parquet as pq
import pytest

from medmip.catalogue.home import Home
from medmip.ingest import Options, check
from medmip.ingest.publish import bring_in
from tests.as_it_is import as_it_is
from tests.ingest.files import WARD


@pytest.fixture
def home(tmp_path):
    """A home that publishes what it reads as it is; what is done to it has tests of its own."""
    return as_it_is(Home(tmp_path / "home").prepare())


@pytest.fixture
def write(tmp_path):
    """Writes a file of text (UTF-8) or bytes; returns its path."""

    def writing(content, name="ward.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return writing


@pytest.fixture
def checked(write, home):
    """The report of a content, and its problems as kind → (column, count, rows)."""

    def checking(content, model=WARD, dataset="ward", **options):
        return check(write(content), model, dataset, Options(**options), home=home)

    return checking


@pytest.fixture
def imported(write, home):
    """The columns of what a content is published as."""

    def importing(content, model=WARD, dataset="ward", **options):
        options = Options(**options)
        done = bring_in(home, write(content), model, dataset, options, allow_small_change=True)
        (snapshot,) = done.snapshots
        return pq.read_table(snapshot.path).to_pydict()

    return importing
