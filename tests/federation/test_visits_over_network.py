"""Patients with several visits, and prepared records, over three hospitals in processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medmip.algorithms.registry import registry
from medmip.authoring.check import Trial
from medmip.experiments.preparation import Preparation, analysed
from medmip.federation.transport import Members
from tests.analysis import cohort_of
from tests.federation.federation import Federation, federation
from tests.federation.recording import LEVELS
from tests.federation.test_pooled import apart, split

REPEATED = sorted(name for name, algorithm in registry().items() if algorithm.repeated)
DATASETS = ("one", "two")
PARTS = [slice(0, 12), slice(12, 100), slice(100, None)]
KEY = b"the same at each hospital, so that draws for a patient are those of the pooled records"
ONE_RECORD = {"taken": [{"variable": "v1", "how": "slope"}, {"variable": "v2", "how": "mean"}]}
PREPARATIONS: dict[str, dict[str, Any]] = {
    "means": {"imputation": {"method": "mean"}},
    "regressions": {"imputation": {"method": "regression"}},
    "draws": {"imputation": {"method": "multiple", "imputations": 2, "iterations": 2}},
    "ComBat": {"combat": {"batch": "c2"}},
    "ComBat between hospitals": {"combat": {}},
    "standardised": {"standardise": {}},
    "one record a patient": {"longitudinal": ONE_RECORD},
    "all of it": {
        "longitudinal": ONE_RECORD,
        "imputation": {"method": "regression"},
        "combat": {"batch": "c2"},
        "standardise": {},
    },
}


def visits() -> Trial:
    """Three visits a patient, some values missing."""
    trial = Trial.of(registry()[REPEATED[0]])
    trial.data["v2"] = trial.data["v2"].copy()
    trial.data["v2"][::7] = np.nan
    return trial


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """All visits of a patient lie at one hospital."""
    trial = visits()
    folder: Path = tmp_path_factory.mktemp("visits")
    parts = split(trial, PARTS)
    with federation(folder, trial.data, parts, levels=LEVELS, datasets=DATASETS, key=KEY) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("name", REPEATED)
def test_repeated_records_over_the_network_equal_pooled(name: str, three: Federation) -> None:
    algorithm = registry()[name]
    trial = Trial.of(algorithm)
    trial.data = visits().data
    cohort = three.cohort([name], y=trial.y, x=trial.x, missing=algorithm.missing)
    assert isinstance(cohort.transport, Members)
    assert cohort.transport.aggregation.secure
    result: Any = algorithm.run(cohort, algorithm.parameters(**trial.parameters))
    assert list(apart(trial.run().model_dump(), result.model_dump())) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PREPARATIONS))
def test_prepared_records_over_the_network_equal_pooled(name: str, three: Federation) -> None:
    algorithm = registry()["linear_regression"]
    preparation = Preparation.model_validate(PREPARATIONS[name])
    parameters, known = algorithm.parameters(), three.model.all_variables
    roles: dict[str, Any] = {"y": ["v1"], "x": ["v2", "v3", "c1"], "preparation": preparation}
    pooled_cohort = cohort_of(
        visits().data, model=three.model, levels=LEVELS, datasets=DATASETS, key=KEY, **roles
    )
    pooled = analysed(pooled_cohort, algorithm, parameters, preparation, known)
    cohort = three.cohort(["linear_regression"], **roles)
    found = analysed(cohort, algorithm, parameters, preparation, known)
    for there, here in zip(found, pooled, strict=True):
        assert list(apart(here.model_dump(), there.model_dump())) == []
