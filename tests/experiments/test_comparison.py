"""Several analyses of one cohort in one request, side by side."""

import json
from typing import Any

import pytest

from medmip.algorithms.views import Chart, Table
from medmip.errors import Conflict, RequestError
from medmip.experiments.experiment import Experiment, Outcome, State
from medmip.experiments.request import Request
from medmip.experiments.service import ExperimentService

DATA = {
    "data_model": "dementia:1.0",
    "datasets": ["edsd-synthetic"],
    "y": ["lefthippocampus"],
    "x": ["subjectageyears", "righthippocampus"],
}


def asked(**parts: Any) -> Request:
    return Request.model_validate({"algorithm": "linear_regression", "inputdata": DATA} | parts)


def run(service: ExperimentService, **parts: Any) -> Experiment:
    return service.run(asked(**parts))


def outcome(done: Experiment) -> Outcome:
    assert done.state is State.DONE, done.problem
    assert done.result is not None
    return done.result


def test_analyses_are_compared_over_the_same_folds(service: ExperimentService) -> None:
    folds = {"kind": "folds", "folds": 3}
    found = outcome(
        run(
            service,
            validation=folds,
            compare=[
                {"algorithm": "elastic_net", "parameters": {"penalty": 0.01}},
                {"algorithm": "elastic_net", "grid": {"penalty": [0.01, 0.3]}},
            ],
        )
    )
    shown, drawn = found.comparison
    assert isinstance(shown, Table)
    assert isinstance(drawn, Chart)
    assert len({row["analysis"] for row in shown.rows}) == 3
    place = {column.label: column.key for column in shown.columns}
    alone = outcome(run(service, validation=folds))
    assert alone.validation is not None
    assert shown.rows[0][place["RMSE"]] == alone.validation.measure("RMSE").value
    assert found.data == alone.data
    assert found.compared[1].tuning is not None
    assert found.compared[0].tuning is None
    assert found.compared[1].data["penalty"] == 0.01


def test_without_validation_the_fits_are_compared(service: ExperimentService) -> None:
    found = outcome(run(service, compare=[{"algorithm": "elastic_net"}]))
    (shown,) = found.comparison
    assert isinstance(shown, Table)
    place = {column.label: column.key for column in shown.columns}
    assert shown.rows[0][place["R²"]] == found.data["r_squared"]
    assert shown.rows[1][place["R²"]] == found.compared[0].data["r_squared"]


def test_one_without_an_answer_leaves_the_others(service: ExperimentService) -> None:
    # Volumes are no counts, but positive: Poisson's law takes them; theta is infinite.
    bad = {"algorithm": "glm", "parameters": {"family": "negative binomial"}}
    done = run(service, compare=[bad])
    found = outcome(done)
    assert found.problem is None
    reason = found.compared[0].problem
    assert reason is not None
    assert "theta is infinite" in reason.detail
    (shown,) = found.comparison
    assert isinstance(shown, Table)
    assert "theta is infinite" in str(shown.rows[1]["problem"])
    first = outcome(run(service, **bad, compare=[{"algorithm": "linear_regression"}]))
    assert first.problem is not None
    assert first.data == {}
    assert first.compared[0].data == found.data
    failed = run(service, **bad, compare=[bad])
    assert failed.state is State.FAILED


def test_each_analysis_predicts_by_its_own_model(service: ExperimentService) -> None:
    done = run(service, compare=[{"algorithm": "elastic_net", "parameters": {"penalty": 0.4}}])
    record = [{"subjectageyears": 71, "righthippocampus": 2.8}]
    (line,), (shrunken,) = service.predict(done.id, record), service.predict(done.id, record, 2)
    assert line["predicted"] != pytest.approx(shrunken["predicted"], rel=1e-6)
    alone = run(service, algorithm="elastic_net", parameters={"penalty": 0.4})
    assert service.predict(alone.id, record) == [shrunken]
    with pytest.raises(Conflict, match="no analysis 3"):
        service.predict(done.id, record, 3)


@pytest.mark.parametrize(
    "parts, path, says",
    [
        ({"compare": [{"algorithm": "describe"}]}, "compare[0].algorithm", "keeps records"),
        ({"compare": [{"algorithm": "nothing"}]}, "compare[0].algorithm", "not known"),
        ({"compare": [{"algorithm": "naive_bayes"}]}, "compare[0].algorithm", "takes nominal"),
        (
            {"compare": [{"algorithm": "elastic_net", "parameters": {"penalty": -1}}]},
            "compare[0].parameters.penalty",
            "greater than 0",
        ),
        (
            {"algorithm": "elastic_net", "grid": {"penalty": [0.1, 1]}},
            "grid",
            "needs a validation",
        ),
        (
            {
                "algorithm": "elastic_net",
                "grid": {"penalty": [0.1, -1]},
                "validation": {"kind": "folds", "folds": 3},
            },
            "parameters.penalty",
            "greater than 0",
        ),
        (
            {
                "algorithm": "elastic_net",
                "grid": {"penalty": [0.1, 1]},
                "validation": {"kind": "folds", "folds": 2},
            },
            "grid",
            "needs 3 folds",
        ),
        (
            {
                "algorithm": "elastic_net",
                "grid": {"penalty": [0.1 * k for k in range(1, 100)]},
                "validation": {"kind": "folds", "folds": 20},
            },
            "grid",
            "trainings",
        ),
        (
            {
                "algorithm": "elastic_net",
                "parameters": {"penalty": 1},
                "grid": {"penalty": [0.1, 1]},
                "validation": {"kind": "folds", "folds": 3},
            },
            "grid.penalty",
            "has a value",
        ),
    ],
)
def test_what_cannot_be_compared_or_chosen_is_named(
    service: ExperimentService, parts: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(RequestError) as wrong:
        run(service, **parts)
    told = {problem.path: problem.message for problem in wrong.value.fields}
    assert says in told.get(path, json.dumps(told))
    assert path in told
