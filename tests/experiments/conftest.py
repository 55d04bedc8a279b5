"""A service over a home with one synthetic dataset."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.demo.cohorts import write_demo_csvs
from medmip.experiments.service import ExperimentService
from medmip.ingest.publish import bring_in

DATASET = "edsd-synthetic"


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder to copy, with the dataset published."""
    folder: Path = tmp_path_factory.mktemp("published")
    home = Home(folder / "home").prepare()
    model = ModelStore(home).get("dementia:1.0")
    (path,) = [path for path in write_demo_csvs(folder) if DATASET in path.name]
    bring_in(home, path, model, synthetic=True)
    return home.path


@pytest.fixture
def filled(published: Path, tmp_path: Path) -> Home:
    """A home of its own with the dataset published."""
    return Home(Path(shutil.copytree(published, tmp_path / "filled"))).prepare()


@pytest.fixture
def service(filled: Home) -> Iterator[ExperimentService]:
    opened = ExperimentService(filled)
    yield opened
    opened.close()
