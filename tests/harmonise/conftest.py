"""What the tests of mappings share."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medmip.catalogue.home import Home
from medmip.catalogue.model_store import shipped_models
from medmip.harmonise import coverage, harmonise, parse_mapping, read_mapping
from tests.as_it_is import as_it_is
from tests.harmonise.models import unitless

MODELS = {model.key: model for model in shipped_models()}


@pytest.fixture(params=["1.0", "0.1"])
def dementia(request):
    """The shipped model, and as the peers write it."""
    shipped = MODELS["dementia:1.0"]
    return shipped if request.param == "1.0" else unitless(shipped)


@pytest.fixture
def home(tmp_path):
    """A home that publishes what a mapping makes as it is; anonymising has tests of its own."""
    return as_it_is(Home(tmp_path / "home").prepare())


@pytest.fixture
def longitudinal():
    return MODELS["dementia_longitudinal:1.0"]


@pytest.fixture
def folder(tmp_path):
    """Where a hospital's export lies."""
    path = tmp_path / "export"
    path.mkdir()
    return path


@pytest.fixture
def published(home, folder):
    """The columns of what the export is published as through a shipped mapping."""

    def publishing(name, model, **options):
        done = harmonise(
            home,
            [folder],
            read_mapping(Path(name)),
            model,
            "ward",
            allow_small_change=True,
            **options,
        )
        table = pq.read_table(done.snapshots[0].path)
        key = model.patient_column
        order = [key] if model.visit_column is None else [key, model.visit_column]
        return table.sort_by([(name, "ascending") for name in order]).to_pydict()

    return publishing


@pytest.fixture
def covered(home, folder):
    """The coverage of the export by a mapping given as YAML."""

    def covering(text, model, **options):
        mapping = parse_mapping(text.encode(), "mapping.yaml")
        return coverage([folder], mapping, model, "ward", home=home, **options)

    return covering
