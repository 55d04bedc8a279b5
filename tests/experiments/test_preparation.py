"""A prepared cohort from the request to the prediction: checks, order, validation, models."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from medmip.algorithms.registry import find
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.demo.cohorts import synthetic_cohorts
from medmip.errors import Conflict, RequestError
from medmip.experiments.experiment import Experiment, State
from medmip.experiments.preparation import Preparation, estimator
from medmip.experiments.request import Request
from medmip.experiments.service import ExperimentService
from medmip.experiments.validate import Folds, validated
from medmip.ingest.publish import bring_in
from medmip.store.engine import Partition
from tests.algorithms.preparing import variables_of
from tests.analysis import OPEN, cohort_of
from tests.experiments.test_validate import columns, folds_of

ONE, OTHER, THIRD = "edsd-synthetic", "adni-synthetic", "ppmi-synthetic"
X = ("subjectageyears", "gender", "minimentalstate")
Y = "lefthippocampus"


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder to copy, with three datasets published."""
    folder: Path = tmp_path_factory.mktemp("several")
    home = Home(folder / "home").prepare()
    model = ModelStore(home).get("dementia:1.0")
    for cohort in synthetic_cohorts():
        bring_in(home, cohort.write(folder), model, synthetic=True)
    return home.path


@pytest.fixture
def service(several: Path, tmp_path: Path) -> Iterator[ExperimentService]:
    opened = ExperimentService(Home(Path(shutil.copytree(several, tmp_path / "home"))).prepare())
    yield opened
    opened.close()


def request(
    preparation: dict[str, Any] | None,
    *,
    algorithm: str = "linear_regression",
    datasets: tuple[str, ...] = (ONE, OTHER),
    y: tuple[str, ...] = (Y,),
    x: tuple[str, ...] = X,
    parameters: dict[str, Any] | None = None,
    validation: dict[str, Any] | None = None,
) -> Request:
    data = {"data_model": "dementia:1.0", "datasets": datasets, "y": y, "x": x}
    return Request.model_validate(
        {
            "algorithm": algorithm,
            "inputdata": data,
            "parameters": parameters or {},
            "validation": validation,
            "preparation": preparation,
        }
    )


def run(service: ExperimentService, preparation: dict[str, Any] | None, **parts: Any) -> Experiment:
    done = service.run(request(preparation, **parts))
    assert done.state is State.DONE, done.problem
    return done


def applied(service: ExperimentService, done: Experiment, dataset: str) -> list[float | None]:
    snapshot = service.datasets.current("dementia:1.0", dataset)
    table = service.apply(done.id, snapshot)
    predicted: list[float | None] = table.column("predicted").to_pylist()
    return predicted


def records(service: ExperimentService, dataset: str, codes: tuple[str, ...]) -> list[Any]:
    path = service.datasets.current("dementia:1.0", dataset).path
    return duckdb.execute(f"SELECT {', '.join(codes)} FROM read_parquet('{path}')").fetchall()


def estimates(done: Experiment) -> dict[str, float]:
    assert done.result is not None
    return {row["term"]: row["estimate"] for row in done.result.data["coefficients"]}


def test_standardised_covariates_change_the_unit_and_no_prediction(
    service: ExperimentService,
) -> None:
    plain = run(service, None)
    both = run(service, {"standardise": {"variables": [Y, "subjectageyears", "minimentalstate"]}})
    covariates = run(service, {"standardise": {}})
    assert both.result is not None
    assert both.result.preparation is not None
    (step,) = both.result.preparation.model_dump()["steps"]
    scale = {part["variable"]: part["deviation"] for part in step["scales"]}
    slope = estimates(plain)["subjectageyears"]
    assert estimates(covariates)["subjectageyears"] == pytest.approx(
        slope * scale["subjectageyears"], rel=1e-9
    )
    assert estimates(both)["subjectageyears"] == pytest.approx(
        slope * scale["subjectageyears"] / scale[Y], rel=1e-9
    )
    expected = np.array(applied(service, plain, ONE), dtype=float)
    for done in (covariates, both):
        found = np.array(applied(service, done, ONE), dtype=float)
        assert found == pytest.approx(expected, rel=1e-9, nan_ok=True)
    asked = [{"subjectageyears": 70, "gender": "F", "minimentalstate": 24}]
    (one,), (other,) = service.predict(plain.id, asked), service.predict(both.id, asked)
    assert other["predicted"] == pytest.approx(one["predicted"], rel=1e-9)
    assert "Standardised" in [view.title for view in both.result.views]
    assert service.get(both.id).result == both.result


@pytest.mark.parametrize("method", ["mean", "regression"])
def test_imputed_covariates_are_imputed_for_predictions_too(
    service: ExperimentService, method: str
) -> None:
    done = run(service, {"imputation": {"method": method}})
    plain = run(service, None)
    assert done.provenance is not None
    assert plain.provenance is not None
    assert done.provenance.records > plain.provenance.records
    assert done.result is not None
    assert done.result.preparation is not None
    steps = done.result.preparation.model_dump()["steps"]
    (mean,) = [
        part["number"] for part in steps[0]["values"] if part["variable"] == "minimentalstate"
    ]
    held = [
        row[0]
        for dataset in (ONE, OTHER)
        for row in records(service, dataset, ("minimentalstate", Y))
        if None not in row
    ]
    assert mean == pytest.approx(np.mean(held), rel=1e-12)
    estimate = estimates(done)
    sex = next(term for term in estimate if term.startswith("gender["))
    rows = records(service, ONE, X)
    checked = 0
    for (age, gender, score), predicted in zip(rows, applied(service, done, ONE), strict=True):
        given = score
        if score is None:
            given = mean if method == "mean" else None
        if method == "regression" and score is None:
            (model,) = steps[1]["models"]
            assert model["variable"] == "minimentalstate"
            given = model["intercepts"][0] + sum(
                term["weights"][0]
                * ((age if term["level"] is None else gender == term["level"]) - term["centre"])
                for term in model["terms"]
            )
        checked += score is None
        expected = (
            estimate["Intercept"]
            + estimate["subjectageyears"] * age
            + estimate[sex] * (sex == f"gender[{gender}]")
            + estimate["minimentalstate"] * given
        )
        assert predicted == pytest.approx(expected, rel=1e-9)
    assert checked > 10
    index = next(place for place, row in enumerate(rows) if row[2] is None)
    (row,) = service.predict(
        done.id, [{"subjectageyears": rows[index][0], "gender": rows[index][1]}]
    )
    assert row["predicted"] == pytest.approx(applied(service, done, ONE)[index], rel=1e-12)
    with pytest.raises(RequestError) as wrong:
        service.predict(done.id, [{"gender": "F", "subjectageyears": "old"}, {"gender": 3}])
    assert [problem.path for problem in wrong.value.fields] == [
        "records[0].subjectageyears",
        "records[1].gender",
    ]


def test_harmonised_covariates_are_harmonised_for_predictions_too(
    service: ExperimentService,
) -> None:
    volumes = ("righthippocampus", "rightamygdala", "subjectageyears")
    combat = {"preserve": ["subjectageyears"]}
    done = run(service, {"combat": combat, "standardise": {}}, x=volumes)
    assert done.result is not None
    assert done.result.preparation is not None
    combat_step, scaled = done.result.preparation.model_dump()["steps"]
    assert set(combat_step["variables"]) == {Y, "righthippocampus", "rightamygdala"}
    batch = next(part for part in combat_step["batches"] if part["level"] == ONE)
    scales = {part["variable"]: part for part in scaled["scales"]}
    (term,) = combat_step["expected"]["terms"]
    estimate = estimates(done)
    predicted = applied(service, done, ONE)
    rows = records(service, ONE, volumes)
    for row, found in zip(rows, predicted, strict=True):
        if None in row:
            assert found is None
            continue
        values = dict(zip(volumes, row, strict=True))
        total = estimate["Intercept"]
        for code in volumes:
            value = values[code]
            if code in combat_step["variables"]:
                index = combat_step["variables"].index(code)
                deviation = combat_step["deviations"][index]
                expected = combat_step["expected"]["intercepts"][index] + term["weights"][index] * (
                    values["subjectageyears"] - term["centre"]
                )
                value = (value - expected) / deviation
                value = (value - batch["shifts"][index]) / batch["ratios"][index]
                value = value * deviation + expected
            value = (value - scales[code]["mean"]) / scales[code]["deviation"]
            total += estimate[code] * value
        assert found == pytest.approx(total, rel=1e-9)
    known = next(place for place, row in enumerate(rows) if None not in row)
    asked = dict(zip(volumes, rows[known], strict=True)) | {"dataset": ONE}
    (one,) = service.predict(done.id, [asked])
    assert one["predicted"] == pytest.approx(predicted[known], rel=1e-12)
    with pytest.raises(RequestError) as wrong:
        service.predict(done.id, [asked | {"dataset": THIRD}])
    assert [problem.path for problem in wrong.value.fields] == ["records[0].dataset"]
    with pytest.raises(Conflict, match=THIRD):
        applied(service, done, THIRD)
    titles = [view.title for view in done.result.views]
    assert titles[-4:] == [
        "Preparation", "What ComBat took out", "Shifts by Dataset", "Standardised"
    ]  # fmt: skip


def test_covariates_prepared_by_the_outcome_predict_nothing(service: ExperimentService) -> None:
    combat = {"preserve": ["gender"], "variables": ["righthippocampus", "rightamygdala"]}
    done = run(
        service,
        {"combat": combat},
        algorithm="logistic_regression",
        y=("gender",),
        x=("righthippocampus", "rightamygdala"),
        parameters={"positive_class": "F"},
    )
    with pytest.raises(Conflict, match="outcome gender"):
        applied(service, done, ONE)


def test_multiple_imputation_is_pooled_and_predicts_nothing(service: ExperimentService) -> None:
    done = run(service, {"imputation": {"method": "multiple", "imputations": 3, "iterations": 2}})
    assert done.result is not None
    assert done.result.data["imputations"] == 3
    assert all(row["missing_information"] > 0 for row in done.result.data["coefficients"])
    titles = [view.title for view in done.result.views]
    assert titles == [
        "Pooled coefficients",
        "Pooled coefficients for Left hippocampus",
        "Pooling",
        "Preparation",
        "Imputed values",
    ]
    again = run(service, {"imputation": {"method": "multiple", "imputations": 3, "iterations": 2}})
    assert again.result is not None
    assert again.result.data == done.result.data
    with pytest.raises(Conflict, match="several imputations"):
        service.predict(done.id, [{}])


def test_a_part_may_be_left_out_by_null(service: ExperimentService) -> None:
    empty = {"imputation": None, "combat": None, "standardise": None}
    assert estimates(run(service, empty)) == estimates(run(service, None))


MULTIPLE = {"imputation": {"method": "multiple"}}
FOLDS = {"kind": "folds", "folds": 3}
WRONG: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (MULTIPLE, {"algorithm": "pca", "y": X[::2], "x": ()}, "preparation.imputation.method"),
    (MULTIPLE, {"validation": FOLDS}, "validation"),
    (
        {"imputation": {"variables": ["gender", Y]}},
        {"validation": FOLDS},
        "preparation.imputation.variables[1]",
    ),
    ({"imputation": {"variables": ["rightamygdala"]}}, {}, "preparation.imputation.variables[0]"),
    ({"imputation": {}}, {"x": ("dataset",)}, "preparation.imputation.variables"),
    ({"standardise": {"variables": [X[0], X[0]]}}, {}, "preparation.standardise.variables[1]"),
    ({"standardise": {"variables": ["gender"]}}, {}, "preparation.standardise.variables[0]"),
    ({"standardise": {}}, {"x": ("gender",)}, "preparation.standardise.variables"),
    ({"combat": {}}, {"datasets": (ONE,)}, "preparation.combat.batch"),
    ({"combat": {"batch": X[0]}}, {}, "preparation.combat.batch"),
    ({"combat": {"batch": "nosuchvariable"}}, {}, "preparation.combat.batch"),
    (
        {"combat": {}},
        {"validation": {"kind": "leave_one_dataset_out"}},
        "preparation.combat.batch",
    ),
    (
        {"combat": {}},
        {"validation": {"kind": "hold_out", "dataset": ONE}},
        "preparation.combat.batch",
    ),
    ({"combat": {"preserve": [X[0], X[0]]}}, {}, "preparation.combat.preserve[1]"),
    ({"combat": {"preserve": ["dataset"]}}, {}, "preparation.combat.preserve[0]"),
    ({"combat": {"preserve": ["height"]}}, {}, "preparation.combat.preserve[0]"),
    (
        {"combat": {"preserve": [X[0]], "variables": [X[0]]}},
        {},
        "preparation.combat.preserve[0]",
    ),
    (
        {"combat": {"preserve": [Y]}},
        {"validation": FOLDS},
        "preparation.combat.preserve[0]",
    ),
    ({"combat": {"variables": ["gender"]}}, {}, "preparation.combat.variables[0]"),
    (
        {"combat": {"preserve": [Y, X[0]]}},
        {"x": (X[0], "gender")},
        "preparation.combat.variables",
    ),
]


@pytest.mark.parametrize("preparation, parts, path", WRONG)
def test_what_does_not_fit_is_named(
    service: ExperimentService, preparation: dict[str, Any], parts: dict[str, Any], path: str
) -> None:
    with pytest.raises(RequestError) as wrong:
        service.run(request(preparation, **parts))
    assert [problem.path for problem in wrong.value.fields] == [path]


def test_a_validated_experiment_prepares_its_records(service: ExperimentService) -> None:
    done = run(
        service,
        {"imputation": {"method": "regression"}, "combat": {}, "standardise": {}},
        validation=FOLDS,
    )
    assert done.result is not None
    assert done.result.validation is not None
    assert 0 < (done.result.validation.measure("R²").value or 0) < 1


def test_held_out_records_are_prepared_by_the_training_alone() -> None:
    data = columns()
    # So few and so far out that a mean with the held-out part in it would be quite another.
    data["a"] = np.where(np.arange(len(data["a"])) % 97 == 0, 40.0, data["a"])
    data["a"][::5] = np.nan
    data["b"] = data["b"] + np.where(data["dataset"] == "two", 5.0, 0.0)
    asked = Preparation.model_validate({"imputation": {}, "standardise": {"variables": ["y", "a"]}})
    cohort = cohort_of(
        data,
        y=["y"],
        x=["a", "b"],
        partition=Partition(4, 1, "subjectcode"),
        policy=OPEN,
        preparation=asked,
    )
    algorithm = find("linear_regression")
    found = validated(
        cohort,
        algorithm,
        algorithm.parameters(),
        Folds(folds=4),
        estimator(asked, variables_of(data)),
    )
    folds = folds_of(cohort, data, "y")
    for fold in range(4):
        train, test = folds != fold, folds == fold
        a = np.where(np.isnan(data["a"]), np.nanmean(data["a"][train]), data["a"])
        a = (a - a[train].mean()) / a[train].std(ddof=1)
        y = (data["y"] - data["y"][train].mean()) / data["y"][train].std(ddof=1)
        x = np.column_stack([np.ones(len(a)), a, data["b"]])
        slopes = np.linalg.lstsq(x[train], y[train], rcond=None)[0]
        error = y[test] - x[test] @ slopes
        assert found.measure("RMSE").folds[fold] == pytest.approx(
            (error**2).mean() ** 0.5, rel=1e-9
        )


def test_batches_of_held_out_records_are_those_of_the_training() -> None:
    data = columns()
    data["b"] = data["b"] * np.where(data["dataset"] == "two", 2.0, 1.0)
    asked = Preparation.model_validate({"combat": {"empirical_bayes": False, "variables": ["b"]}})
    cohort = cohort_of(
        data,
        y=["y"],
        x=["a", "b"],
        partition=Partition(3, 1, "subjectcode"),
        preparation=asked,
    )
    algorithm = find("linear_regression")
    found = validated(
        cohort,
        algorithm,
        algorithm.parameters(),
        Folds(folds=3),
        estimator(asked, variables_of(data)),
    )
    folds = folds_of(cohort, data)
    for fold in range(3):
        train, test = folds != fold, folds == fold
        b = data["b"].copy()
        mean = b[train].mean()
        parts = [data["dataset"] == name for name in ("one", "two", "three")]
        within = sum(b[train & part].var() * (train & part).sum() for part in parts)
        deviation = (within / train.sum()) ** 0.5
        for part in parts:
            own = b[train & part]
            b[part] = (b[part] - own.mean()) / own.std(ddof=1) * deviation + mean
        x = np.column_stack([np.ones(len(b)), data["a"], b])
        slopes = np.linalg.lstsq(x[train], data["y"][train], rcond=None)[0]
        error = data["y"][test] - x[test] @ slopes
        assert found.measure("RMSE").folds[fold] == pytest.approx(
            (error**2).mean() ** 0.5, rel=1e-9
        )
