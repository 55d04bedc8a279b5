"""The visits of a patient become one record: what is taken, in which order, and who is counted."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from medmip.algorithms.registry import find
from medmip.catalogue.data_model import DataModel
from medmip.errors import RequestError
from medmip.federation.in_process import open_cohort, preview_cohort
from medmip.federation.site import Site
from medmip.federation.specification import CohortSpec
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort
from medmip.fold.encoding import encoded_blocks
from medmip.fold.statistic import IntArray
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from medmip.store import selection_sql
from medmip.store.duckdb_engine import DuckDBEngine
from medmip.store.engine import Partition, Selection
from medmip.store.filters import parse_filter
from medmip.store.visits import How, Taken, Visits
from tests.analysis import ACCESS, OPEN, model_of, site_of
from tests.store.visiting import CODES, drawn, model_with


def blocks_of(folder: Path, data: Mapping[str, Any], visits: Visits, **options: Any) -> list[Block]:
    model = options.pop("model", None) or model_with(data)
    site = site_of(folder, model, data)
    return list(encoded_blocks(site.engine, selected(site, model, visits, **options), range(9)))


def selected(site: Site, model: DataModel, visits: Visits | None, **options: Any) -> Selection:
    given: dict[str, Any] = {"numeric": ("y",), "nominal": (), "complete": False} | options
    levels = {code: model.variable(code).levels for code in given["nominal"]}
    return Selection(
        model.key, site.snapshots, levels=levels, longitudinal=True, visits=visits, **given
    )


def taken_of(folder: Path, data: Mapping[str, Any], how: Taken, **options: Any) -> pd.Series:
    """What is taken of y, by patient."""
    model = options.pop("model", None) or model_with(data)
    visits = Visits.of(model, {"y": how}, options.pop("time", None))
    blocks = blocks_of(folder, data, visits, model=model, **options)
    values = np.concatenate([block.column("y") for block in blocks])
    names = data.get("dataset", np.full(len(data["y"]), "d"))
    patients = sorted(set(zip(names.tolist(), data["subjectid"].tolist(), strict=True)))
    assert all(block.patient is None for block in blocks)
    return pd.Series(values, [patient for _, patient in patients])


def expected(data: Mapping[str, Any], how: Taken, time: str | None = None) -> pd.Series:
    frame = pd.DataFrame(data)
    frame["place"] = frame.visitid.map(CODES.index)
    frame["when"] = frame[time] if time else frame.place.astype(float)
    found = {}
    for patient, visits in frame.sort_values(["when", "place"]).groupby("subjectid"):
        there = visits.dropna(subset=["y", "when"])
        at = visits.set_index("visitid").y
        match how.how:
            case How.FIRST:
                value = there.y.iloc[0] if len(there) else np.nan
            case How.LAST:
                value = there.y.iloc[-1] if len(there) else np.nan
            case How.MEAN:
                value = visits.y.mean()
            case How.CHANGE if how.visits:
                value = at.get(how.visits[1], np.nan) - at.get(how.visits[0], np.nan)
            case How.CHANGE:
                value = there.y.iloc[-1] - there.y.iloc[0] if len(there) > 1 else np.nan
            case How.SLOPE:
                several = there.when.nunique() > 1
                value = np.polyfit(there.when, there.y, 1)[0] if several else np.nan
            case How.VISIT:
                value = at.get(how.visits[0], np.nan)
        found[patient] = value
    return pd.Series(found)


@pytest.mark.parametrize("time", [None, "age"])
@pytest.mark.parametrize(
    "how",
    [
        Taken(How.FIRST),
        Taken(How.LAST),
        Taken(How.MEAN),
        Taken(How.CHANGE),
        Taken(How.CHANGE, ("BL", "FL2")),
        Taken(How.SLOPE),
        Taken(How.VISIT, ("FL1",)),
    ],
    ids=lambda how: f"{how.how}{len(how.visits)}",
)
def test_equals_pandas(tmp_path: Path, how: Taken, time: str | None) -> None:
    data = drawn()
    ours = taken_of(tmp_path, data, how, time=time)
    theirs = expected(data, how, time)
    assert 10 < theirs.notna().sum() < len(theirs) or how.how is How.MEAN
    pd.testing.assert_series_equal(
        ours.sort_index(), theirs.sort_index(), rtol=1e-10, check_names=False
    )


def test_slopes_keep_their_digits_far_from_zero(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    patient = np.repeat(np.arange(50), 4)
    time = np.tile(np.arange(4.0), 50) / 4
    slope = rng.normal(0, 1, 50)
    data = {
        "subjectid": np.array([f"p{index:03d}" for index in patient]),
        "visitid": np.array([CODES[index % 4] for index in range(200)]),
        "t": time + 2**20,
        "y": slope[patient] * time + 2.0**20,
    }
    ours = taken_of(tmp_path, data, Taken(How.SLOPE), time="t")
    # Times and values of a million keep ten digits of a slope of one.
    assert ours.to_numpy() == pytest.approx(slope, abs=2e-9)
    near = {**data, "t": time, "y": slope[patient] * time}
    again = taken_of(tmp_path / "near", near, Taken(How.SLOPE), time="t")
    assert again.to_numpy() == pytest.approx(slope, rel=1e-12)


def test_nominal_variables_have_a_first_and_a_last(tmp_path: Path) -> None:
    data = drawn()
    frame = pd.DataFrame(data).assign(place=lambda f: f.visitid.map(CODES.index))
    frame = frame.sort_values(["dataset", "subjectid", "place"]).dropna(subset=["group"])
    by_patient = frame.groupby(["dataset", "subjectid"]).group
    for how, theirs in ((How.FIRST, by_patient.first()), (How.LAST, by_patient.last())):
        model = model_with(data)
        visits = Visits.of(model, {"group": Taken(how)})
        blocks = blocks_of(tmp_path / how, data, visits, nominal=("group",), numeric=())
        codes = np.concatenate([block.levels("group") for block in blocks])
        assert codes[codes >= 0].tolist() == [("a", "b").index(value) for value in theirs]
        assert len(codes) == len(set(data["subjectid"]))


def test_a_variable_without_a_choice_is_its_first(tmp_path: Path) -> None:
    data = drawn()
    visits = Visits.of(model_with(data), {})
    (one, two) = blocks_of(tmp_path, data, visits)
    first = expected(data, Taken(How.FIRST))
    found = np.concatenate([one.column("y"), two.column("y")])
    assert sorted(found[~np.isnan(found)]) == sorted(first.dropna())


def test_visits_without_an_order_of_their_own_are_in_natural_order(tmp_path: Path) -> None:
    codes = ["V10", "V9", "V2", "month 100", "month 20", "month 3"]
    data = {
        "subjectid": np.array(["a", "a", "a", "b", "b", "b"]),
        "visitid": np.array(codes),
        "y": np.array([10.0, 9.0, 2.0, 100.0, 20.0, 3.0]),
    }
    model = model_with(data, codes=())
    found = {how: taken_of(tmp_path / how, data, Taken(how), model=model) for how in list(How)[:-1]}
    assert found[How.FIRST].tolist() == [2.0, 3.0]
    assert found[How.LAST].tolist() == [10.0, 100.0]
    # Over the first, second and third visit.
    assert found[How.SLOPE].tolist() == pytest.approx([4.0, 48.5], rel=1e-14)


def test_a_slope_over_the_models_visits_counts_those_missed(tmp_path: Path) -> None:
    data = {
        "subjectid": np.array(["a", "a"]),
        "visitid": np.array(["BL", "FL3"]),
        "y": np.array([1.0, 7.0]),
    }
    assert taken_of(tmp_path, data, Taken(How.SLOPE)).tolist() == [2.0]


def test_times_that_are_equal_give_no_slope_but_an_order(tmp_path: Path) -> None:
    data = {
        "subjectid": np.array(["a", "a", "b"]),
        "visitid": np.array(["FL1", "BL", "BL"]),
        "age": np.array([70.0, 70.0, 71.0]),
        "y": np.array([5.0, 3.0, 1.0]),
    }
    slope = taken_of(tmp_path / "s", data, Taken(How.SLOPE), time="age")
    assert slope.isna().all()
    change = taken_of(tmp_path / "c", data, Taken(How.CHANGE), time="age")
    assert change["a"] == 2.0
    assert np.isnan(change["b"])


def test_variables_that_a_dataset_lacks_are_missing(tmp_path: Path) -> None:
    data = {"subjectid": np.array(["a", "a"]), "y": np.array([1.0, 2.0])}
    model = model_of(data | {"visitid": np.array(["x", "y"]), "age": np.array([1.0, 2.0])})
    for name, visits in (
        ("row", Visits.of(model, {"y": Taken(How.LAST)})),
        ("change", Visits.of(model, {"y": Taken(How.CHANGE, ("x", "y"))})),
        ("time", Visits.of(model, {"y": Taken(How.SLOPE)}, "age")),
    ):
        (block,) = blocks_of(tmp_path / name, data, visits, model=model)
        assert block.column("y").tolist() == pytest.approx(
            [2.0 if name == "row" else np.nan], nan_ok=True
        )


def opened(
    folder: Path,
    data: Mapping[str, Any],
    visits: Visits | None,
    *,
    y: str = "y",
    x: tuple[str, ...] = (),
    policy: Policy = OPEN,
    sites: int = 1,
    **options: Any,
) -> tuple[Cohort, list[Site], CohortSpec]:
    """The cohort of the columns, patients dealt to sites."""
    model = model_with(data)
    number = np.unique(data["subjectid"], return_inverse=True)[1]
    held = [
        site_of(
            folder / str(index),
            model,
            {code: values[number % sites == index] for code, values in data.items()},
            policy,
        )
        for index in range(sites)
    ]
    spec = CohortSpec(
        model,
        tuple(sorted(set(data["dataset"].tolist()))),
        (model.variable(y),),
        tuple(model.variable(code) for code in x),
        parse_filter(options.get("filters"), model),
        options.get("missing", "drop"),
        options.get("partition"),
        visits,
    )
    return open_cohort(held, spec, ACCESS), held, spec


@pytest.mark.parametrize("sites", [1, 3])
def test_a_regression_of_slopes_equals_pandas_and_statsmodels(tmp_path: Path, sites: int) -> None:
    data = drawn()
    visits = Visits.of(
        model_with(data), {"y": Taken(How.SLOPE), "z": Taken(How.MEAN), "group": Taken(How.LAST)}
    )
    cohort, _, _ = opened(tmp_path, data, visits, x=("z", "group"), sites=sites)
    algorithm = find("linear_regression")
    ours = algorithm.run(cohort, algorithm.parameters())
    frame = pd.DataFrame(data)
    frame["place"] = frame.visitid.map(CODES.index)
    by_patient = frame.sort_values("place").groupby("subjectid")
    told = pd.DataFrame(
        {
            "y": expected(data, Taken(How.SLOPE)),
            "z": by_patient.z.mean(),
            "b": by_patient.group.last().map({"a": 0.0, "b": 1.0}),
        }
    ).dropna()
    theirs = sm.OLS(told.y, sm.add_constant(told[["z", "b"]])).fit()
    assert [row.estimate for row in ours.coefficients] == pytest.approx(theirs.params, rel=1e-8)
    assert [row.std_error for row in ours.coefficients] == pytest.approx(theirs.bse, rel=1e-8)
    patients = len(set(data["subjectid"]))
    assert (cohort.size.records, cohort.size.patients) == (len(told), len(told))
    assert cohort.size.excluded == patients - len(told)
    assert ours.n == len(told)


def test_the_filter_is_applied_to_visits_before_the_step(tmp_path: Path) -> None:
    data = drawn()
    rules = [{"field": "visitid", "operator": "not_equal", "value": "BL"}]
    rule = {"condition": "AND", "rules": rules}
    visits = Visits.of(model_with(data), {})
    cohort, sites, spec = opened(tmp_path, data, visits, filters=rule, missing="keep")
    later = {code: values[data["visitid"] != "BL"] for code, values in data.items()}
    assert cohort.size.patients == len(set(later["subjectid"]))
    selection = selected(sites[0], spec.model, visits, filter=spec.filter)
    found = np.concatenate(
        [b.column("y") for b in encoded_blocks(sites[0].engine, selection, [0, 1])]
    )
    first = expected(later, Taken(How.FIRST))
    assert sorted(found[~np.isnan(found)]) == sorted(first.dropna())
    counted = preview_cohort(sites, spec, ACCESS)
    assert sum(filter(None, counted.values())) == cohort.size.patients


def test_patients_are_held_not_single_visits(tmp_path: Path) -> None:
    data = drawn()
    visits = Visits.of(model_with(data), {"y": Taken(How.SLOPE)})
    _, (site,), spec = opened(tmp_path, data, visits)
    selection = selected(site, spec.model, visits, complete=True)
    slopes = expected(data, Taken(How.SLOPE))
    for snapshot, (held, patient) in zip(site.snapshots, site.engine.rows(selection), strict=True):
        assert patient is not None
        of = data["dataset"] == snapshot.dataset
        codes = np.array(sorted(set(data["subjectid"][of])))
        assert held.tolist() == slopes.notna()[codes[patient]].tolist()


@pytest.mark.parametrize("overlap", ["records", "selection"])
def test_a_cohort_that_differs_by_a_few_patients_is_refused(tmp_path: Path, overlap: str) -> None:
    data = drawn()
    model = model_with(data)
    policy = Policy(patients_per_parameter=0, overlap=overlap)
    first = Visits.of(model, {"y": Taken(How.FIRST)})
    mean = Visits.of(model, {"y": Taken(How.MEAN)})
    _, sites, spec = opened(tmp_path, data, first, policy=policy)
    # The mean is of the same patients; the filter takes one visit of a single patient away.
    open_cohort(sites, replace(spec, visits=mean), ACCESS)
    rules = [
        {"field": "visitid", "operator": "not_equal", "value": "BL"},
        {"field": "subjectid", "operator": "not_equal", "value": "p0005"},
    ]
    fewer = parse_filter({"condition": "OR", "rules": rules}, model)
    with pytest.raises(Refused, match="differs from an earlier one"):
        open_cohort(sites, replace(spec, visits=mean, filter=fewer), ACCESS)


def test_selections_are_told_apart_by_their_visits() -> None:
    model = model_with(drawn())
    steps = [None, Visits.of(model, {}), Visits.of(model, {}, "age")]
    steps += [Visits.of(model, {"y": Taken(how)}) for how in (How.FIRST, How.LAST, How.SLOPE)]
    plain = Selection(model.key, (), ("y",), (), {}, longitudinal=True)
    selections = [replace(plain, visits=visits) for visits in steps]
    assert len({selection.key() for selection in selections}) == len(steps)
    # Before gaps are looked for, the records are the same whatever becomes of them.
    assert len({selection.whole().key() for selection in selections}) == 1


@pytest.mark.parametrize("stratum", [None, "group"])
def test_folds_are_of_patients(tmp_path: Path, stratum: str | None) -> None:
    data = drawn()
    visits = Visits.of(model_with(data), {"y": Taken(How.MEAN)})
    partition = Partition(3, 0, "subjectid", stratum)
    cohort, (site,), spec = opened(tmp_path, data, visits, x=("group",), partition=partition)
    shares = [cohort.share([group]).size.patients for group in range(3)]
    assert sum(shares) == cohort.size.patients
    assert max(shares) - min(shares) <= 4
    # With and without the step a patient is in the same fold, unless a stratum's share is dealt.
    options = {"partition": partition, "numeric": ("z",), "complete": True}
    plain = site.engine.groups(selected(site, spec.model, None, **options), b"k")
    joined = site.engine.groups(selected(site, spec.model, visits, **options), b"k")
    if stratum is None:
        patients = [part[1] for part in site.engine.rows(selected(site, spec.model, None))]
        for records, one, patient in zip(plain, joined, patients, strict=True):
            assert patient is not None
            starts: IntArray = np.unique(patient, return_index=True)[1]
            assert records[starts].tolist() == one.tolist()


def test_shares_of_patients_that_are_sorted_apart_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = drawn()
    model = model_with(data)
    visits = Visits.of(model, {"y": Taken(How.SLOPE)}, "age")
    site = site_of(tmp_path, model, data)
    selection = selected(site, model, visits, complete=True)

    def told() -> tuple[list[float], list[list[bool]]]:
        blocks = encoded_blocks(site.engine, selection, range(2))
        values = [value for block in blocks for value in block.column("y").tolist()]
        return values, [held.tolist() for held, _ in site.engine.rows(selection)]

    whole = told()
    monkeypatch.setattr(selection_sql, "CELLS_AT_ONCE", 100)
    assert len(list(selection_sql.shares_of(selection, site.snapshots[0]))) > 3
    assert told() == whole


def test_what_does_not_fit_into_memory_stays_beside_the_data(tmp_path: Path) -> None:
    engine = DuckDBEngine(tmp_path)
    row = engine._connection.execute("SELECT current_setting('temp_directory')").fetchone()
    assert row is not None
    assert Path(row[0]).parent == tmp_path.resolve()


def test_one_block_of_a_patient_however_long_the_scan(tmp_path: Path) -> None:
    patients = 40_000
    data = {
        "subjectid": np.repeat([f"p{index:05d}" for index in range(patients)], 2),
        "visitid": np.tile(["BL", "FL1"], patients),
        "y": np.arange(2.0 * patients),
    }
    visits = Visits.of(model_with(data), {"y": Taken(How.CHANGE)})
    blocks = blocks_of(tmp_path, data, visits)
    assert sum(block.records for block in blocks) == patients
    assert all((block.column("y") == 1.0).all() for block in blocks)
    first = Visits.of(model_with(data), {})
    again = blocks_of(tmp_path / "again", data, first)
    joined = np.concatenate([block.column("y") for block in again])
    assert all(one < two for one, two in pairwise(joined.tolist()))


def test_variables_are_named_by_what_is_taken() -> None:
    data = drawn()
    model = model_with(data)
    y = model.variable("y").model_copy(update={"minimum": 0.0, "units": "points"})
    age = model.variable("age").model_copy(update={"units": "years"})
    model = model.model_copy(
        update={"variables": tuple({"y": y, "age": age}.get(v.code, v) for v in model.variables)}
    )
    slope = Visits.of(model, {"y": Taken(How.SLOPE)}, "age").variable(y)
    assert (slope.label, slope.units, slope.minimum) == ("y, slope", "points/year", None)
    mean = Visits.of(model, {"y": Taken(How.MEAN)}).variable(y)
    assert (mean.label, mean.units, mean.minimum) == ("y, mean", "points", 0.0)
    assert Visits.of(model, {}).variable(y) == y


@pytest.mark.parametrize(
    "taken, time, path, message",
    [
        ({"group": Taken(How.MEAN)}, None, "visits.taken.group", "not numeric"),
        ({"nope": Taken()}, None, "visits.taken.nope", "no variable"),
        ({"dataset": Taken(How.LAST)}, None, "visits.taken.dataset", "one dataset"),
        ({"y": Taken(How.VISIT)}, None, "visits.taken.y", "one visit"),
        ({"y": Taken(How.CHANGE, ("BL",))}, None, "visits.taken.y", "two visits"),
        ({"y": Taken(How.CHANGE, ("BL", "BL"))}, None, "visits.taken.y", "two visits"),
        ({"y": Taken(How.FIRST, ("BL",))}, None, "visits.taken.y", "no visit"),
        ({"y": Taken(How.VISIT, ("M6",))}, None, "visits.taken.y", "BL, FL1, FL2, FL3"),
        ({}, "group", "visits.time", "not numeric"),
        ({}, "when", "visits.time", "no variable"),
    ],
)
def test_what_does_not_fit_the_model_is_named(
    taken: dict[str, Taken], time: str | None, path: str, message: str
) -> None:
    with pytest.raises(RequestError) as refused:
        Visits.of(model_with(drawn()), taken, time)
    (problem,) = refused.value.fields
    assert problem.path == path
    assert message in problem.message


def test_a_model_of_one_record_a_patient_has_no_visits() -> None:
    plain = model_of({"y": np.arange(3.0)})
    with pytest.raises(RequestError) as refused:
        Visits.of(plain, {})
    assert "one record" in refused.value.fields[0].message
