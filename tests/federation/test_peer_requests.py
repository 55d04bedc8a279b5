"""The peer suite's requests: over three hospitals under masks as over one."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.registry import find
from medmip.authoring.analysis import OPEN
from medmip.catalogue.home import Home
from medmip.federation.coordinator import Timing
from medmip.federation.remote import close_all
from medmip.ingest import import_file
from tests.as_it_is import as_it_is
from tests.federation.federation import Federation
from tests.federation.test_pooled import apart
from tests.peer.conftest import SUITE, PeerHospital

MODEL = "dementia:0.1"
NAMES = ("Hospital 01", "Hospital 02", "Hospital 03")
TIMING = Timing(silence=30.0, grace=5.0, deadline=120.0, again=5.0)
EACH = 2
"""Requests of each of the peer's files, those over the fewest datasets; and one with a filter."""
Asked = Mapping[str, Any]


def no_parameters(_: Asked) -> dict[str, Any]:
    return {}


def confidence(asked: Asked) -> dict[str, Any]:
    return {"confidence": 1 - asked["alpha"]}


def alternative(asked: Asked) -> dict[str, Any]:
    return {"alternative": asked["alt_hypothesis"]}


REQUESTS: dict[str, tuple[str, Callable[[Asked], dict[str, Any]]]] = {
    "anova": ("anova_twoway", lambda asked: {"type": asked["sstype"]}),
    "anova_oneway": ("anova_oneway", no_parameters),
    "descriptive_stats": ("describe", no_parameters),
    "kmeans": ("kmeans", lambda asked: {"k": asked["k"]}),
    "linear_regression": ("linear_regression", no_parameters),
    "logistic_regression": (
        "logistic_regression",
        lambda asked: {"positive_class": asked["positive_class"]},
    ),
    "multiple_histograms": ("histogram", lambda asked: {"bins": asked.get("bins", 20)}),
    "naive_bayes_categorical_fit": ("naive_bayes", no_parameters),
    "naive_bayes_gauss_fit": ("naive_bayes", no_parameters),
    "pca": ("pca", no_parameters),
    "pca_with_transformation": ("pca", lambda asked: dict(asked["data_transformation"])),
    "pearson_correlation": ("pearson_correlation", confidence),
    "svm_scikit": ("linear_svm", lambda asked: {"penalty": asked["C"]}),
    "ttest_independent": (
        "ttest_independent",
        lambda asked: alternative(asked) | {"group_a": asked["groupA"], "group_b": asked["groupB"]},
    ),
    "ttest_onesample": ("ttest_onesample", lambda asked: alternative(asked) | {"mu": asked["mu"]}),
    "ttest_paired": ("ttest_paired", alternative),
}
"""Our algorithm and its parameters for the peer's."""


class Spread:
    """The same datasets over three hospitals: every third patient of each is at one of them."""

    def __init__(self, folder: Path, whole: PeerHospital) -> None:
        self.whole = whole
        self.made = Federation(folder, whole.model(MODEL), (), TIMING)
        self._imported: set[str] = set()

    def bring(self, dataset: str) -> None:
        """Imports a third of a dataset at each hospital, where it is not there yet."""
        if dataset in self._imported:
            return
        self._imported.add(dataset)
        source = self.whole.folder / "datasets" / "dementia_v_0_1" / f"{dataset}.csv"
        header, *rows = list(csv.reader(source.read_text().splitlines()))
        place = header.index("subjectcode")
        patients = {code: i for i, code in enumerate(dict.fromkeys(row[place] for row in rows))}
        for index, home in enumerate(self.made.homes.values()):
            part = home.path / f"{dataset}.csv"
            with part.open("w", newline="") as file:
                held = (row for row in rows if patients[row[place]] % len(NAMES) == index)
                csv.writer(file).writerows([header, *held])
            import_file(home, part, self.made.model)

    def run(self, algorithm: str, data: Asked, parameters: Asked, **variables: Any) -> Any:
        """The result over the three of them, under masks."""
        for dataset in data["datasets"]:
            self.bring(dataset)
        declared = find(algorithm)
        self.made.datasets = tuple(data["datasets"])
        cohort: Any = self.made.cohort(
            [algorithm], missing=declared.missing, filters=data.get("filters"), **variables
        )
        assert cohort.transport.aggregation.secure
        try:
            return declared.run(cohort, declared.parameters(**parameters))
        finally:
            close_all(cohort.transport.members)


@pytest.fixture(scope="module")
def spread(peer_suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spread]:
    home = as_it_is(Home(tmp_path_factory.mktemp("one")).prepare())
    whole = PeerHospital(peer_suite, home)
    found = Spread(tmp_path_factory.mktemp("three"), whole)
    with found.made.background:
        try:
            for name in NAMES:
                as_it_is(found.made.add_site(name, {}))
                found.made.start_site(name)
            found.made.wait_for_sites()
            yield found
        finally:
            found.made.stop()


def chosen() -> Iterator[Any]:
    """A few requests of each file of the suite."""
    for name in REQUESTS:
        file = SUITE / "cases" / f"{name}.json"
        if not file.is_file():
            yield pytest.param(name, {}, id=f"{name}-absent")
            continue
        cases = [case["input"] for case in json.loads(file.read_text())["test_cases"]]
        ours = [case for case in cases if case["inputdata"]["data_model"] == MODEL]
        ours.sort(key=lambda case: len(case["inputdata"]["datasets"]))
        filtered = [case for case in ours if case["inputdata"].get("filters")][:1]
        for number, case in enumerate([*filtered, *ours[1 : 1 + EACH]]):
            yield pytest.param(name, case, id=f"{name}-{number}")


@pytest.mark.slow
@pytest.mark.parametrize("name, case", chosen())
def test_a_request_over_three_hospitals_under_masks_equals_one(
    name: str, case: Asked, spread: Spread
) -> None:
    algorithm, parameters_of = REQUESTS[name]
    data, parameters = case["inputdata"], parameters_of(case["parameters"])
    y, x = data["y"] or (), data.get("x") or ()
    if algorithm == "ttest_paired":
        y, x = x, y
    elif algorithm == "describe":
        y, x = (*y, *(code for code in x if code != "dataset")), ()
    expected = told(lambda: spread.whole.run(algorithm, data, parameters, y=y, x=x, policy=OPEN))
    found = told(lambda: spread.run(algorithm, data, parameters, y=y, x=x))
    assert list(apart(expected, found)) == []


def told(run: Callable[[], Any]) -> Any:
    """A result's figures, or the words of an analysis that cannot be done."""
    try:
        return run().model_dump()
    except CannotCompute as error:
        return error.what
