"""The model store: whole files only, and no change under published datasets."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medmip.catalogue.atomic_file import write_atomically
from medmip.catalogue.cdes import read_cdes
from medmip.catalogue.errors import CatalogueError, ModelExists, ModelInUse, UnknownModel
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore, shipped_models
from medmip.store.snapshots import Datasets
from tests.catalogue.models import small
from tests.store.models import table

ROOT = Path(__file__).parents[2]


SHIPPED = ["dementia:1.0", "dementia_longitudinal:1.0"]


def toy(**changes):
    return read_cdes(json.dumps(small() | changes))


@pytest.fixture
def store(home):
    return ModelStore(home)


def test_the_shipped_models_are_there_from_the_start(store):
    assert [model.key for model in store.list()] == SHIPPED
    assert store.get("dementia:1.0") == shipped_models()[0]


def test_an_added_model_is_listed_and_exported(store, home):
    store.add(toy())
    assert [model.key for model in store.list()] == [*SHIPPED, "toy:1.0"]
    assert read_cdes(store.export("toy:1.0")) == toy()
    assert ModelStore(home).get("toy:1.0") == toy()


def test_adding_the_same_again_changes_nothing(store):
    store.add(toy())
    assert store.add(toy()) == toy()


def test_another_model_of_the_same_key_is_refused_unless_replaced(store):
    store.add(toy())
    with pytest.raises(ModelExists, match="new version"):
        store.add(toy(label="Other"))
    assert store.get("toy:1.0").label == "Toy"
    store.add(toy(label="Other"), replace=True)
    assert store.get("toy:1.0").label == "Other"


def test_versions_stand_beside_each_other(store):
    store.add(toy())
    store.add(toy(version="1.1"))
    store.remove("toy:1.0")
    assert [model.key for model in store.list()] == [*SHIPPED, "toy:1.1"]


def test_a_model_that_breaks_the_format_is_not_kept(store, home):
    with pytest.raises(CatalogueError, match="subjectcode"):
        store.add(toy().model_copy(update={"variables": ()}))
    assert list(home.models.iterdir()) == []


@pytest.mark.parametrize("key", ["toy", "toy:2", "../../etc/passwd", "", "dementia:1"])
def test_an_unknown_model_is_told(store, key):
    for action in (store.get, store.export, store.remove):
        with pytest.raises(UnknownModel, match=r"dementia:1\.0"):
            action(key)


def test_a_model_with_published_datasets_stays_as_it_is(store, home):
    store.add(toy())
    datasets = Datasets(home)
    datasets.publish(table(20), "toy:1.0", "north", "north.csv")
    with pytest.raises(ModelInUse, match="dataset north"):
        store.remove("toy:1.0")
    with pytest.raises(ModelInUse, match="new version"):
        store.add(toy(label="Other"), replace=True)
    datasets.remove("toy:1.0", "north")
    store.remove("toy:1.0")
    assert [model.key for model in store.list()] == SHIPPED


def test_a_shipped_model_cannot_be_removed_only_replaced(store):
    with pytest.raises(ModelInUse, match="comes with the software"):
        store.remove("dementia:1.0")
    shipped = store.get("dementia:1.0")
    store.add(shipped.model_copy(update={"label": "Ours"}), replace=True)
    assert store.get("dementia:1.0").label == "Ours"
    store.remove("dementia:1.0")
    assert store.get("dementia:1.0") == shipped


def test_a_damaged_file_is_named(store, home):
    (home.models / "toy_1.0.json").write_text('{"code":')
    with pytest.raises(CatalogueError, match=r"toy_1\.0\.json: Not JSON: line 1"):
        store.list()


def test_a_write_that_fails_leaves_the_former_file(tmp_path):
    path = tmp_path / "model.json"
    write_atomically(path, b"former")
    with pytest.raises(TypeError):
        write_atomically(path, "text is not bytes")
    assert path.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_at_any_moment_leaves_a_whole_model(home):
    lucky = random.Random(5)
    script = Path(__file__).with_name("endless_replacing.py")
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, script, home.path], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout.readline() == "ready\n"
            time.sleep(lucky.uniform(0.01, 0.15))
            child.send_signal(signal.SIGKILL)
        model = ModelStore(home).get("dementia:1.0")
        assert model.label in ("even", "odd", "Dementia")
        assert model.all_variables == shipped_models()[0].all_variables
    assert model.label in ("even", "odd")


def test_the_home_is_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MIP_HOME", str(tmp_path / "here"))
    assert Home.default().path == tmp_path / "here"
    monkeypatch.setenv("MIP_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Home.default().path == tmp_path / ".local/share/mip"


def test_the_home_is_for_its_owner_alone(tmp_path):
    home = Home(tmp_path / "deep" / "home").prepare().prepare()
    folders = (home.path, home.models, home.datasets, home.inbox, home.keys, home.logs)
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}
