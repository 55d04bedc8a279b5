"""A trained model predicts for this hospital's records, and for values that a person gives."""

import duckdb
import numpy as np
import pytest

from medmip.errors import Conflict, RequestError
from medmip.experiments.experiment import Experiment, State
from medmip.experiments.request import InputData, Request
from medmip.experiments.service import ExperimentService

X = ("subjectageyears", "gender", "righthippocampus")


def trained(
    service: ExperimentService, name: str = "linear_regression", **parameters: object
) -> Experiment:
    y = "lefthippocampus" if name == "linear_regression" else "gender"
    data = InputData(
        data_model="dementia:1.0",
        datasets=("edsd-synthetic",),
        y=(y,),
        x=X if y != "gender" else ("righthippocampus", "subjectageyears"),
    )
    done = service.run(Request(algorithm=name, inputdata=data, parameters=parameters))
    assert done.state is State.DONE, done.problem
    return done


def test_predictions_of_a_dataset_are_the_regression_line(service: ExperimentService) -> None:
    done = trained(service)
    assert done.result is not None
    snapshot = service.datasets.current("dementia:1.0", "edsd-synthetic")
    table = service.apply(done.id, snapshot)
    assert table.column_names == ["subjectcode", "predicted"]
    asked = f"SELECT subjectcode, {', '.join(X)} FROM read_parquet('{snapshot.path}')"
    rows = duckdb.execute(asked).fetchall()
    estimate = {row["term"]: row["estimate"] for row in done.result.data["coefficients"]}
    sex = next(term for term in estimate if term.startswith("gender["))
    for (patient, age, gender, volume), code, predicted in zip(
        rows, *(table.column(name).to_pylist() for name in table.column_names), strict=True
    ):
        assert patient == code
        if None in (age, gender, volume):
            assert predicted is None
            continue
        expected = (
            estimate["Intercept"]
            + estimate["subjectageyears"] * age
            + estimate["righthippocampus"] * volume
            + estimate[sex] * (sex == f"gender[{gender}]")
        )
        assert predicted == pytest.approx(expected, rel=1e-12)
    assert service.ledger.rows(1)[0].statistic == "predictions"


def test_given_values_are_predicted_without_being_kept(service: ExperimentService) -> None:
    done = trained(service, "logistic_regression", positive_class="F")
    before = service.ledger.count()
    (row,) = service.predict(done.id, [{"righthippocampus": 3.1, "subjectageyears": 70}])
    assert row["chance of F"] + row["chance of M"] == pytest.approx(1.0)
    assert row["predicted"] == ("F" if row["chance of F"] > 0.5 else "M")
    assert service.ledger.count() == before


def test_wrong_values_are_named_by_record_and_variable(service: ExperimentService) -> None:
    done = trained(service)
    with pytest.raises(RequestError) as wrong:
        service.predict(
            done.id,
            [
                {"subjectageyears": 70, "gender": "F", "righthippocampus": 3},
                {"subjectageyears": "old", "gender": "X", "height": 1, "righthippocampus": np.nan},
            ],
        )
    assert [problem.path for problem in wrong.value.fields] == [
        "records[1].height",
        "records[1].subjectageyears",
        "records[1].righthippocampus",
        "records[1].gender",
    ]


def test_only_a_model_predicts(service: ExperimentService) -> None:
    data = InputData(
        data_model="dementia:1.0", datasets=("edsd-synthetic",), y=("lefthippocampus",)
    )
    described = service.run(Request(algorithm="describe", inputdata=data))
    with pytest.raises(Conflict, match="predicts nothing"):
        service.predict(described.id, [{}])
    refused = service.run(
        Request(
            algorithm="linear_regression",
            inputdata=data.model_copy(
                update={
                    "x": X,
                    "filters": {
                        "condition": "AND",
                        "rules": [
                            {"field": "subjectageyears", "operator": "greater", "value": 120}
                        ],
                    },
                }
            ),
        )
    )
    with pytest.raises(Conflict, match="no result"):
        service.predict(refused.id, [{}])


def test_a_validated_experiment_shows_how_well_it_predicts(service: ExperimentService) -> None:
    data = InputData(
        data_model="dementia:1.0", datasets=("edsd-synthetic",), y=("gender",), x=X[::2]
    )
    done = service.run(
        Request.model_validate(
            {
                "algorithm": "logistic_regression",
                "inputdata": data.model_dump(),
                "parameters": {"positive_class": "F"},
                "validation": {"kind": "folds", "folds": 4},
            }
        )
    )
    assert done.result is not None
    assert done.result.validation is not None
    assert 0.5 < (done.result.validation.measure("AUC").value or 0) <= 1
    titles = [view.title for view in done.result.views]
    assert titles[:2] == ["Validation", "Held-out records by class"]
    assert {"ROC curve", "Calibration", "Validation by part", "Coefficients"} <= set(titles)
    assert service.get(done.id).result == done.result


def test_what_predicts_nothing_cannot_be_validated(service: ExperimentService) -> None:
    data = InputData(
        data_model="dementia:1.0", datasets=("edsd-synthetic",), y=("lefthippocampus",)
    )
    for name, validation, path in (
        ("describe", {"kind": "folds"}, "validation"),
        ("linear_regression", {"kind": "leave_one_dataset_out"}, "validation.kind"),
        ("linear_regression", {"kind": "hold_out", "dataset": "ppmi"}, "validation.kind"),
    ):
        asked = {
            "algorithm": name,
            "inputdata": data.model_dump() | {"x": [] if name == "describe" else X},
            "validation": validation,
        }
        with pytest.raises(RequestError) as wrong:
            service.run(Request.model_validate(asked))
        assert path in [problem.path for problem in wrong.value.fields]
