"""Every algorithm at the edges of what data can be: a right answer or a clear sentence, always.

Never a traceback, a warning of NumPy's, a figure that is not a number, or a last iterate that is
told as if it were the answer.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from medmip.algorithms import gee, glm, mixed_model
from medmip.algorithms.declaration import CannotCompute, Result
from medmip.algorithms.registry import find, registry
from medmip.algorithms.role import Kind
from medmip.algorithms.views import Table
from medmip.authoring.check import Trial, _collect, _difference
from medmip.errors import MipError
from medmip.fold import cox, descent, firth, newton, shrinkage
from medmip.fold import glm as glm_fold
from medmip.fold.encoding import TooLarge

RECORDS = 150
NAMES = sorted(registry())
VALIDATED = sorted(name for name in NAMES if registry()[name].predicts)


def trial_of(name: str) -> Trial:
    algorithm = registry()[name]
    # Patients come three times where an algorithm needs that.
    return Trial.of(algorithm, 3 * RECORDS if algorithm.repeated else RECORDS)


def numeric(trial: Trial) -> list[str]:
    return [code for code in (*trial.y, *trial.x) if code.startswith("v")]


def nominal(trial: Trial) -> list[str]:
    return [code for code in (*trial.y, *trial.x) if code.startswith("c")]


def missing_figures(result: Result) -> set[str]:
    found: set[str] = set()
    _collect(result.model_dump(), "result", found)
    return found


def answered(trial: Trial, allowed: set[str], **options: Any) -> Result | MipError:
    """The answer, which is held to what every answer must be."""
    answer = attempt(trial, **options)
    if isinstance(answer, MipError):
        assert answer.status < 500
        assert len(answer.what.split()) >= 4, "an error is a sentence"
        assert not {"nan", "inf"} & set(answer.what.lower().replace(",", " ").split())
    else:
        assert missing_figures(answer) <= allowed
        json.loads(answer.model_dump_json())
        assert any(isinstance(view, Table) for view in answer.views())
    return answer


def attempt(trial: Trial, **options: Any) -> Result | MipError:
    try:
        return trial.run(**options)
    except MipError as error:
        return error


@pytest.fixture
def trial(request: pytest.FixtureRequest) -> Trial:
    return trial_of(request.param)


@cache
def missing_on_good_data(name: str) -> frozenset[str]:
    return frozenset(missing_figures(trial_of(name).run()))


@pytest.fixture
def allowed(trial: Trial) -> set[str]:
    """Figures that are not a number on good data too, such as a test of one group."""
    return set(missing_on_good_data(trial.algorithm.name))


every = pytest.mark.parametrize("trial", NAMES, indirect=True)


@every
def test_a_constant_column(trial: Trial, allowed: set[str]) -> None:
    for code in (*trial.y, *trial.x):
        values = trial.data[code]
        flat = np.full(len(values), 5.0) if code in numeric(trial) else np.full_like(values, "a")
        if code in nominal(trial):
            flat = np.full_like(values, values[0])
        answered(trial, allowed, data=trial.data | {code: flat})


def collinear_trials() -> Iterator[Any]:
    """Lists whose last role takes two numeric variables or more."""
    for name in NAMES:
        for place in ("y", "x"):
            last = [*getattr(registry()[name], place)][-1:]
            if last and last[0].maximum != 1 and Kind.NUMERIC in last[0].kinds:
                yield pytest.param((name, place), id=f"{name}-{place}")


@pytest.mark.parametrize("case", collinear_trials())
@pytest.mark.parametrize("factor", [2.0, 1.0 + 1e-13])
def test_collinear_columns(case: tuple[str, str], factor: float) -> None:
    name, place = case
    trial = trial_of(name)
    first = getattr(trial.algorithm, place).split(getattr(trial, place))[:-1]
    kept = tuple(code for part in first for code in part)
    others = {*(trial.y if place == "x" else trial.x), *kept}
    two = tuple(code for code in ("v1", "v2", "v3", "v4") if code not in others)[:2]
    chosen = (*kept, *two)
    trial = replace(trial, y=chosen) if place == "y" else replace(trial, x=chosen)
    allowed = missing_figures(trial.run())
    data = trial.data | {two[1]: trial.data[two[0]] * factor}
    answer = answered(trial, allowed, data=data)
    if name in {"linear_regression", "logistic_regression", "glm", "cox", "gee", "mixed_model",
                "multinomial_regression", "ordinal_regression", "discriminant"}:  # fmt: skip
        assert isinstance(answer, CannotCompute)
        assert two[0] in answer.what
        assert two[1] in answer.what


@pytest.mark.parametrize("name", [name for name in VALIDATED if trial_of(name).y[0] == "c1"])
def test_classes_told_apart_without_error(name: str) -> None:
    trial = trial_of(name)
    trial = replace(trial, x=("v1", "v2"))
    allowed = missing_figures(trial.run())
    levels = np.unique(trial.data["c1"])
    cuts = np.quantile(trial.data["v1"], np.linspace(0, 1, len(levels) + 1)[1:-1])
    split = levels[np.searchsorted(cuts, trial.data["v1"])]
    answer = answered(trial, allowed, data=trial.data | {"c1": split})
    if name in {"logistic_regression", "multinomial_regression", "ordinal_regression", "gee"}:
        assert isinstance(answer, CannotCompute)
        assert "v1" in answer.what


@every
def test_a_level_with_no_patient_at_one_hospital(trial: Trial, allowed: set[str]) -> None:
    for code in nominal(trial):
        held, place = trial.data[code].copy(), _places(trial)
        levels = np.unique(held)
        held[(place == 0) & (held == levels[-1])] = levels[0]
        data = trial.data | {code: held}
        parts = [np.flatnonzero(place == index) for index in (0, 1)]
        split, pooled = (
            answered(trial, allowed, data=data, parts=parts),
            answered(trial, allowed, data=data),
        )
        _same(split, pooled)


@every
def test_a_hospital_with_no_complete_case(trial: Trial, allowed: set[str]) -> None:
    place = _places(trial)
    data = dict(trial.data)
    for code in (*trial.y, *trial.x):
        values = data[code].astype(object)
        values[place == 0] = None
        data[code] = values.astype(float) if code in numeric(trial) else values
    there = {code: values[place == 1] for code, values in trial.data.items()}
    answer = answered(
        trial, allowed, data=data, parts=[np.flatnonzero(place == index) for index in (0, 1)]
    )
    if trial.algorithm.missing == "drop":
        assert isinstance(answer, Result)
        alone = trial.run(data=there)
        _same(answer, alone, besides=("excluded",))


@every
def test_fewer_records_than_columns(trial: Trial, allowed: set[str]) -> None:
    for records in (1, 2, 3, 5):
        rows = 3 * records if trial.algorithm.repeated else records
        answered(trial, allowed, data={code: part[:rows] for code, part in trial.data.items()})
    last = [*trial.algorithm.x][-1:]
    if last and (last[0].maximum or 9) > 2 and Kind.NUMERIC in last[0].kinds:
        more = tuple(code for code in ("v2", "v3", "v4") if code not in (*trial.y, *trial.x))
        wide = replace(trial, x=(*trial.x, *more))
        answered(wide, allowed | missing_figures(wide.run()),
                 data={code: part[:5] for code, part in trial.data.items()})  # fmt: skip


@every
@pytest.mark.parametrize("value", [-np.inf, 1e300])
def test_endless_values(trial: Trial, value: float) -> None:
    for code in numeric(trial)[:1]:
        spoilt = trial.data[code].copy()
        spoilt[7] = value
        with pytest.raises(TooLarge, match=f"{code} has values that are infinite or beyond"):
            trial.run(data=trial.data | {code: spoilt})


@every
def test_values_of_the_smallest_and_of_large_size(trial: Trial, allowed: set[str]) -> None:
    for code in numeric(trial)[:2]:
        for scale in (1e-300, 1e-30, 1e20):
            answered(trial, allowed, data=trial.data | {code: trial.data[code] * scale})


WEIGHTED = [name for name in NAMES if "weights" in registry()[name].parameters.model_fields]


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_of_zero(name: str) -> None:
    plain = trial_of(name)
    trial = replace(
        plain,
        x=(*plain.x, "v4"),
        parameters=plain.parameters | {"weights": "v4"},
    )
    count = np.arange(len(plain.data["v4"]))
    half = np.where(count % 3 == 0, 0.0, 1.0)
    allowed = missing_figures(trial.run())
    found = answered(trial, allowed, data=trial.data | {"v4": half})
    assert isinstance(found, Result)
    kept = {code: values[half > 0] for code, values in plain.data.items()}
    alone: Any = plain.run(data=kept)
    for one, other in zip(found.model_dump()["coefficients"], alone.coefficients, strict=True):
        assert one["estimate"] == pytest.approx(other.estimate, rel=1e-6)
    nobody = answered(trial, allowed, data=trial.data | {"v4": 0.0 * half})
    negative = answered(trial, allowed, data=trial.data | {"v4": half - 0.5})
    assert isinstance(nobody, MipError)
    assert isinstance(negative, MipError)
    assert "v4" in negative.what


IMPATIENT: list[tuple[str, dict[str, Any], list[tuple[Any, str]]]] = [
    ("logistic_regression", {}, [(newton, "MAX_ROUNDS")]),
    ("logistic_regression", {"penalty": "firth"}, [(firth, "ROUNDS")]),
    ("multinomial_regression", {}, [(newton, "MAX_ROUNDS")]),
    ("ordinal_regression", {}, [(newton, "MAX_ROUNDS")]),
    ("glm", {}, [(glm_fold, "MAX_ROUNDS")]),
    ("glm", {"family": "gamma"}, [(glm_fold, "MAX_ROUNDS")]),
    ("glm", {"family": "negative binomial"}, [(glm, "_THETA_ROUNDS")]),
    ("cox", {}, [(cox, "MAX_ROUNDS")]),
    ("gee", {"structure": "exchangeable"}, [(gee, "_ROUNDS")]),
    ("mixed_model", {}, [(mixed_model, "_ROUNDS")]),
    ("linear_svm", {}, [(descent, "MAX_ROUNDS")]),
    ("elastic_net", {"steps": 10}, [(shrinkage, "_ROUNDS")]),
    ("kmeans", {"max_iterations": 1, "tolerance": 0.0}, []),
    ("gaussian_mixture", {"max_iterations": 1, "tolerance": 1e-12}, []),
]


@pytest.mark.parametrize(
    "name, asked, limits", IMPATIENT, ids=[f"{name} {asked}" for name, asked, _ in IMPATIENT]
)
def test_an_estimate_that_does_not_settle_is_never_told(
    name: str,
    asked: dict[str, Any],
    limits: list[tuple[Any, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial = trial_of(name)
    trial = replace(trial, parameters=trial.parameters | asked)
    for module, constant in limits:
        monkeypatch.setattr(module, constant, 1)
    with pytest.raises(CannotCompute, match=r"settle|rest|move|still changes"):
        trial.run()


def test_every_iterated_algorithm_is_held_to_that() -> None:
    """Of those that tell rounds, one says in its result how it ended; one's are its trees."""
    told = {name for name, _, _ in IMPATIENT}
    rounds = {
        name for name in NAMES if {"iterations", "rounds"} & set(find(name).result.model_fields)
    }
    assert rounds - told == {"perceptron", "gradient_boosting"}


def _places(trial: Trial) -> Any:
    """Which of two hospitals each record is at; all of a patient's at one."""
    people = trial.data.get("subjectid", np.arange(len(trial.data["dataset"])))
    numbers = np.unique(people, return_inverse=True)[1]
    return (numbers % 2).astype(int)


def _same(one: Result | MipError, other: Result | MipError, besides: tuple[str, ...] = ()) -> None:
    if isinstance(one, MipError) or isinstance(other, MipError):
        assert str(one) == str(other)
        return
    left, right = ({k: v for k, v in part.model_dump().items() if k not in besides}
                   for part in (one, other))  # fmt: skip
    assert _difference(left, right, "result") is None
