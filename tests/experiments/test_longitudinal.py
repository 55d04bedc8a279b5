"""One record of a patient's visits before the analysis, from the request to the prediction."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.demo.follow_up import MODEL, follow_up_cohort
from medmip.errors import RequestError
from medmip.experiments.experiment import Experiment, State
from medmip.experiments.request import Request
from medmip.experiments.service import ExperimentService
from medmip.ingest.publish import bring_in

VOLUME, TIME = "lefthippocampus", "timesincebaseline"
SLOPE = {"longitudinal": {"taken": [{"variable": VOLUME, "how": "slope"}], "time": TIME}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place: Path = tmp_path_factory.mktemp("follow-up")
    home = Home(place / "home").prepare()
    cohort = follow_up_cohort()
    bring_in(home, cohort.write(place), ModelStore(home).get(MODEL), synthetic=True)
    return place


@pytest.fixture
def service(folder: Path) -> Iterator[ExperimentService]:
    opened = ExperimentService(Home(folder / "home").prepare())
    yield opened
    opened.close()


def asked(name: str, y: str, x: list[str], **parts: Any) -> Request:
    data = {"data_model": MODEL, "datasets": ["memoryclinic-synthetic"], "y": [y], "x": x}
    return Request.model_validate({"algorithm": name, "inputdata": data} | parts)


def run(service: ExperimentService, *args: Any, **parts: Any) -> Experiment:
    done = service.run(asked(*args, **parts))
    assert done.state is State.DONE, done.problem
    return done


def frame(folder: Path) -> pd.DataFrame:
    """A row a patient: the slope of the volume, and the first age and sex."""
    visits = pd.read_csv(folder / "memoryclinic-synthetic.csv")
    rows = []
    for code, own in visits.sort_values(TIME).groupby("subjectid"):
        known = own[[TIME, VOLUME]].dropna()
        enough = known[TIME].nunique() > 1
        slope = np.polyfit(known[TIME], known[VOLUME], 1)[0] if enough else np.nan
        first = own.apply(lambda column: column.dropna().iloc[0] if column.notna().any() else None)
        rows.append((code, slope, first["subjectageyears"], first["gender"]))
    return pd.DataFrame(rows, columns=["code", "slope", "age", "sex"]).astype({"age": float})


def test_a_regression_on_slopes_is_statsmodels(service: ExperimentService, folder: Path) -> None:
    done = run(
        service, "linear_regression", VOLUME, ["subjectageyears", "gender"], preparation=SLOPE
    )
    assert done.result is not None
    theirs = smf.ols("slope ~ age + C(sex, Treatment('M'))", frame(folder)).fit()
    found = [row["estimate"] for row in done.result.data["coefficients"]]
    names = ["Intercept", "age", "C(sex, Treatment('M'))[T.F]"]
    assert found == pytest.approx([theirs.params[name] for name in names], rel=1e-8)
    assert done.result.data["n"] == int(theirs.nobs)
    assert done.provenance is not None
    assert done.provenance.records == done.provenance.patients
    titles = [view.title for view in done.result.views]
    assert "Coefficients for Left hippocampus, slope" in titles


def test_folds_keep_patients_whole_and_models_predict_patients(
    service: ExperimentService, folder: Path
) -> None:
    done = run(
        service,
        "linear_regression",
        VOLUME,
        ["subjectageyears", "gender"],
        preparation=SLOPE,
        validation={"kind": "folds", "folds": 4},
    )
    assert done.result is not None
    assert done.result.validation is not None
    assert done.result.validation.n == done.result.data["n"]
    snapshot = service.datasets.current(MODEL, "memoryclinic-synthetic")
    table = service.apply(done.id, snapshot)
    people = frame(folder).set_index("code")
    assert sorted(table.column("subjectid").to_pylist()) == sorted(people.index)
    term = {row["term"]: row["estimate"] for row in done.result.data["coefficients"]}
    female = next(name for name in term if name.startswith("gender["))
    for code, predicted in zip(
        table.column("subjectid").to_pylist(), table.column("predicted").to_pylist(), strict=True
    ):
        age, sex = people.loc[code, ["age", "sex"]]
        expected = term["Intercept"] + term["subjectageyears"] * age + term[female] * (sex == "F")
        assert predicted == pytest.approx(expected, rel=1e-9)


def test_it_goes_before_the_other_parts(service: ExperimentService) -> None:
    parts = SLOPE | {"standardise": {}, "imputation": {"method": "mean"}}
    done = run(
        service,
        "linear_regression",
        VOLUME,
        ["subjectageyears", "minimentalstate"],
        preparation=parts,
    )
    assert done.result is not None
    assert done.result.preparation is not None
    assert len(done.result.preparation.steps) == 2


@pytest.mark.parametrize(
    "name, y, part, path, says",
    [
        ("mixed_model", VOLUME, {}, "preparation.longitudinal", "apart"),
        (
            "linear_regression",
            VOLUME,
            {"taken": [{"variable": "gender", "how": "slope"}]},
            "preparation.longitudinal.taken[0]",
            "not numeric",
        ),
        (
            "linear_regression",
            VOLUME,
            {"taken": [{"variable": "tiv", "how": "first"}]},
            "preparation.longitudinal.taken[0].variable",
            "not part of the analysis",
        ),
        (
            "linear_regression",
            VOLUME,
            {"time": "gender"},
            "preparation.longitudinal.time",
            "not numeric",
        ),
        (
            "linear_regression",
            VOLUME,
            {"taken": [{"variable": VOLUME, "how": "visit", "visits": ["FL9"]}]},
            "preparation.longitudinal.taken[0]",
            "no visit FL9",
        ),
    ],
)
def test_what_does_not_fit_is_named(
    service: ExperimentService, name: str, y: str, part: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(RequestError) as wrong:
        service.run(
            asked(name, y, ["subjectageyears", "gender"], preparation={"longitudinal": part})
        )
    told = {problem.path: problem.message for problem in wrong.value.fields}
    assert says in told.get(path, str(told))
    assert path in told
