"""Every algorithm gives, on a prepared cohort, what it gives on records so prepared by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medmip.algorithms.declaration import Result
from medmip.algorithms.registry import find, registry
from medmip.authoring.check import Trial, _near
from medmip.experiments.preparation import Preparation, analysed, prepared_spec
from medmip.federation.in_process import open_cohort
from medmip.federation.specification import CohortSpec
from medmip.fold.block_cache import BlockCache
from tests.algorithms.preparing import completions, prepared, values
from tests.algorithms.test_imputation import asked, columns
from tests.analysis import ACCESS, OPEN, model_of, site_of


def numbers(value: Any, place: str = "") -> dict[str, float]:
    """Every number of a JSON document by its place."""
    if isinstance(value, dict):
        parts = [(f"{place}.{key}", part) for key, part in value.items()]
    elif isinstance(value, list):
        parts = [(f"{place}[{index}]", part) for index, part in enumerate(value)]
    else:
        return {place: float(value)} if isinstance(value, int | float) else {}
    return {key: found for path, part in parts for key, found in numbers(part, path).items()}


def trial_of(name: str) -> Trial:
    """A trial; of a forest without draws, which go by the values before any preparation."""
    trial = Trial.of(registry()[name])
    if name == "random_forest":
        trial.parameters["sample"] = False
    return trial


@pytest.mark.parametrize("name", sorted(registry()))
def test_means_are_imputed_before_any_algorithm(name: str) -> None:
    trial = trial_of(name)
    codes = [code for code in (trial.x or trial.y) if code != "dataset"]
    rng = np.random.default_rng(4)
    holed, filled = dict(trial.data), dict(trial.data)
    for code in codes:
        gone = rng.random(len(trial.data[code])) < 0.1
        if trial.data[code].dtype.kind == "f":
            holed[code] = np.where(gone, np.nan, trial.data[code])
            filled[code] = np.where(gone, np.nanmean(holed[code]), trial.data[code])
        else:
            levels, counts = np.unique(trial.data[code][~gone], return_counts=True)
            holed[code] = trial.data[code].astype(object)
            holed[code][gone] = None
            filled[code] = np.where(gone, levels[counts.argmax()], trial.data[code])
    expected = trial.run(data=filled, policy=OPEN)
    result, done = prepared(
        name,
        holed,
        asked("mean"),
        y=trial.y,
        x=trial.x,
        parameters=trial.parameters,
        datasets=["one", "two"],
    )
    assert [part.variable for part in done.imputed] == codes
    assert far_apart(result, expected) == []


def takes_numbers(name: str) -> bool:
    trial = Trial.of(registry()[name])
    return any(trial.data[code].dtype.kind == "f" for code in (*trial.y, *trial.x))


@pytest.mark.parametrize("name", sorted(filter(takes_numbers, registry())))
def test_volumes_are_harmonised_before_any_algorithm(name: str) -> None:
    trial = trial_of(name)
    roles = tuple(dict.fromkeys((*trial.y, *trial.x)))
    codes = [code for code in roles if trial.data[code].dtype.kind == "f"]
    # Batch and preserved variable are read beside those of the roles.
    combat = {"combat": {"preserve": ["c3"], "batch": "c2"}}
    options: Any = {"y": trial.y, "x": trial.x, "datasets": ["one", "two"]}
    cohort, (steps,) = completions(trial.data, combat, missing="keep", **options)
    raw, made = values(cohort, codes), values(cohort, codes, steps)
    assert not np.allclose(raw, made)
    # Records come by dataset, and by patient within it.
    patients = trial.data.get("subjectid", np.zeros(len(raw)))
    order = np.lexsort((patients, trial.data["dataset"]))
    assert np.array_equal(raw[:, 0], trial.data[codes[0]][order])
    rows = np.empty_like(made)
    rows[order] = made
    by_hand = trial.data | dict(zip(codes, rows.T, strict=True))
    expected = trial.run(data=by_hand, policy=OPEN)
    result, _ = prepared(name, trial.data, combat, parameters=trial.parameters, **options)
    assert far_apart(result, expected) == []


def far_apart(result: Result, expected: Result) -> list[str]:
    """Where two results differ."""
    found, wanted = (numbers(json.loads(part.model_dump_json())) for part in (result, expected))
    assert found.keys() == wanted.keys()
    scale = max((abs(value) for value in wanted.values()), default=1.0)
    return [place for place in found if not _near(found[place], wanted[place], scale)]


def test_blocks_that_are_not_kept_are_prepared_anew_to_the_same(tmp_path: Path) -> None:
    data = columns(300)
    model = model_of(data)
    known = {variable.code: variable for variable in model.variables}
    preparation = Preparation.model_validate(
        asked("multiple", imputations=2, iterations=2) | {"standardise": {}}
    )
    algorithm = find("linear_regression")
    roles = (known["y"],), tuple(known[code] for code in ("a", "b", "g"))
    spec = prepared_spec(CohortSpec(model, ("one", "two"), *roles, None, "drop"), preparation)
    site = site_of(tmp_path, model, data)
    found = []
    for capacity in (2**30, 0):
        site.cache = BlockCache(capacity)
        cohort = open_cohort([site], spec, ACCESS)
        found.append(analysed(cohort, algorithm, algorithm.parameters(), preparation, known)[0])
    assert found[0] == found[1]
