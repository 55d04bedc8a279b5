"""Whoever asks the same of the same data is told what was released, and the ledger says so."""

import pytest

from medmip.catalogue.model_store import ModelStore
from medmip.errors import RequestError
from medmip.experiments.request import Request
from medmip.experiments.service import ExperimentService
from medmip.ingest.publish import bring_in
from medmip.stewardship.access import Reader
from medmip.store.snapshots import Datasets
from tests.ingest.files import WARD

POLICY = '[access]\nroles = []\nusers = ["ada@hospital.example"]\n'


def content(patients):
    lines = [f"p{i},{20 + i % 60},{i % 50}.5,{'FM'[i % 2]}" for i in range(patients)]
    return "\n".join(["subjectcode,age,volume,gender", *lines, ""])


@pytest.fixture
def publish(home, tmp_path):
    ModelStore(home).add(WARD)
    path = home.dataset_policy(WARD.key, "ward")
    path.parent.mkdir(parents=True)
    path.write_text(POLICY)

    def publishing(patients):
        (tmp_path / "ward.csv").write_text(content(patients))
        bring_in(home, tmp_path / "ward.csv", WARD, "ward")

    publishing(60)
    return publishing


@pytest.fixture
def service(home, publish):
    opened = ExperimentService(home)
    yield opened
    opened.close()


def asked(bins=10, **inputs):
    data = {"data_model": WARD.key, "datasets": ["ward"], "y": ["volume"]} | inputs
    return Request.model_validate(
        {"algorithm": "histogram", "inputdata": data, "parameters": {"bins": bins}}
    )


def test_the_second_is_told_what_the_first_was(service):
    first = service.explore(asked(), "ada")
    before = service.ledger.rows()
    assert service.explore(asked(), "bob") == first
    again, *rest = service.ledger.rows()
    assert rest == before
    assert (again.user, again.verdict, again.statistic) == ("bob", "released", "histogram")
    assert again.reason == f"told again, as released in {before[0].experiment}"
    assert again.snapshots == before[0].snapshots
    assert service.ledger.verify() is None


@pytest.mark.parametrize(
    "other",
    [
        asked(bins=12),
        asked(y=["age"]),
        asked(
            filters={
                "condition": "AND",
                "rules": [{"field": "age", "operator": "greater", "value": 30}],
            }
        ),
    ],
)
def test_another_question_is_asked_of_the_records(service, other):
    first = service.explore(asked())
    assert service.explore(other) != first
    assert "told again" not in service.ledger.rows()[0].reason


def test_a_new_version_and_a_changed_model_are_asked_anew(home, service, publish):
    first = service.explore(asked())
    publish(90)
    second = service.explore(asked())
    assert second != first
    # The former version's answer is still known, were it made current again.
    Datasets(home).rollback(WARD.key, "ward", 1)
    assert service.explore(asked()) == first
    changed = tuple(
        one.model_copy(update={"label": "Volume of all"}) if one.code == "volume" else one
        for one in WARD.variables
    )
    Datasets(home).remove(WARD.key, "ward")
    ModelStore(home).add(WARD.model_copy(update={"variables": changed}), replace=True)
    publish(60)
    assert "Volume of all" in service.explore(asked()).model_dump_json()


def test_whoever_may_not_see_the_dataset_is_told_nothing(service):
    ada, bob = (Reader.of([f"{who}@hospital.example"], []) for who in ("ada", "bob"))
    service.explore(asked(), "ada", reader=ada)
    with pytest.raises(RequestError):
        service.explore(asked(), "bob", reader=bob)
