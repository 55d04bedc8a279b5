"""The synthetic cohort with yearly visits: valid, the same each time, and of a plausible course."""

import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from medmip.algorithms.registry import find
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import shipped_models
from medmip.demo.cohorts import synthetic_cohorts
from medmip.demo.follow_up import MODEL, follow_up_cohort
from medmip.federation.in_process import open_cohort
from medmip.federation.site import Site
from medmip.federation.specification import CohortSpec
from medmip.ingest.publish import bring_in
from medmip.privacy.guard import Guard
from medmip.privacy.policy import Policy
from medmip.store.duckdb_engine import DuckDBEngine
from medmip.store.visits import How, Taken, Visits
from tests.analysis import ACCESS, Witnessed

STEPS = ["BL", "FL1", "FL2", "FL3", "FL4"]


def model():
    return next(model for model in shipped_models() if model.key == MODEL)


@pytest.fixture(scope="module")
def cohort():
    return follow_up_cohort()


@pytest.fixture(scope="module")
def table(cohort):
    found = pd.read_csv(io.StringIO(cohort.csv()), dtype={"apoe4": str})
    first = found.groupby("subjectid").alzheimerbroadcategory.first().rename("start")
    return found.join(first, on="subjectid")


@pytest.fixture(scope="module")
def site(cohort, tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("home")).prepare()
    path = cohort.write(tmp_path_factory.mktemp("csv"))
    report = bring_in(home, path, model(), synthetic=True)
    witness = Witnessed()
    guard = Guard(Policy(), witness, witness)
    return Site(DuckDBEngine(home.datasets), guard, tuple(report.snapshots))


def test_every_patient_comes_two_to_five_times(cohort, table):
    visits = table.groupby("subjectid").size()
    assert cohort.patients == len(visits) == 420
    assert set(visits) == {2, 3, 4, 5}
    assert not table.duplicated(["subjectid", "visitid"]).any()
    first = table.groupby("subjectid").first()
    assert (first.visitid == "BL").all()
    assert (first.timesincebaseline == 0).all()


def test_everything_a_person_sees_says_synthetic(cohort, table):
    assert "synthetic" in cohort.dataset
    assert "synthetic" in cohort.label
    assert table.subjectid.str.startswith("synthetic-").all()
    assert set(table.dataset) == {cohort.dataset}
    assert cohort.dataset not in {other.dataset for other in synthetic_cohorts()}


def test_files_are_the_same_in_every_byte(cohort):
    program = "from medmip.demo.follow_up import follow_up_cohort as c; print(c().csv(), end='')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == cohort.csv().encode()


def test_every_variable_of_the_model_is_there_and_imports_whole(cohort, site, table):
    assert list(cohort.columns) == list(model().all_variables)
    (snapshot,) = site.snapshots
    assert snapshot.synthetic
    assert (snapshot.records, snapshot.patients) == (len(table), 420)
    assert set(snapshot.variables) >= set(model().all_variables)


def test_the_codes_are_those_of_the_model_of_one_record_a_patient():
    plain = next(model for model in shipped_models() if model.key == "dementia:1.0")
    for code, variable in model().all_variables.items():
        if code in plain.all_variables:
            other = plain.variable(code)
            same = ("label", "type", "units", "levels", "minimum", "maximum")
            assert all(getattr(variable, part) == getattr(other, part) for part in same)
            assert code == "dataset" or model().path_of(code)[0] == plain.path_of(code)[0]


def test_time_age_and_visits_agree(table):
    first = table.groupby("subjectid").subjectage.transform("first")
    years = table.timesincebaseline / 12
    assert np.allclose(table.subjectage - first, years, atol=0.011)
    assert (np.floor(table.subjectage) == table.subjectageyears).all()
    assert (abs(years - table.visitid.map(STEPS.index)) < 0.4).all()
    for code in ("gender", "tiv", "apoe4"):
        assert table.groupby("subjectid")[code].nunique().max() == 1


def yearly(table, code):
    """The mean change in percent a year, by diagnosis at the first visit."""
    known = table.dropna(subset=[code])
    ends = known.groupby("subjectid").agg(
        start=("start", "first"),
        before=(code, "first"),
        after=(code, "last"),
        from_=("timesincebaseline", "first"),
        to=("timesincebaseline", "last"),
    )
    ends = ends[ends.to > ends.from_]
    rate = 100 * np.log(ends.after / ends.before) / ((ends.to - ends.from_) / 12)
    return rate.groupby(ends.start).mean()


def test_tissue_shrinks_faster_with_the_disease(table):
    for code in ("lefthippocampus", "righthippocampus"):
        rate = yearly(table, code)
        assert -1.4 < rate.CN < -0.3
        assert -3.5 < rate.MCI < -1.8
        assert -5.5 < rate.AD < -3.0
    assert yearly(table, "leftlateralventricle").AD > yearly(table, "leftlateralventricle").CN > 1
    assert yearly(table, "leftcalccalcarinecortex").AD > -1


def test_cognition_and_diagnosis_follow(table):
    slopes = {}
    for start, visits in table.dropna(subset=["minimentalstate"]).groupby("start"):
        line = np.polyfit(visits.timesincebaseline / 12, visits.minimentalstate, 1)
        slopes[start] = line[0]
    assert slopes["AD"] < slopes["CN"]
    assert -0.6 < slopes["CN"] < 0.2
    last = table.groupby("subjectid").last()
    turned = last[last.start == "MCI"].alzheimerbroadcategory
    assert 0.08 < (turned == "AD").mean() < 0.4
    order = table.alzheimerbroadcategory.map(["CN", "MCI", "AD"].index)
    assert (order.groupby(table.subjectid).diff().dropna() >= 0).all()


def cohort_of(site, y, x, visits=None):
    spec = CohortSpec(
        model(),
        ("memoryclinic-synthetic",),
        (model().variable(y),),
        tuple(model().variable(code) for code in x),
        None,
        "drop",
        visits=visits,
    )
    return open_cohort([site], spec, ACCESS)


@pytest.mark.parametrize("name", ["mixed_model", "gee"])
def test_repeated_measures_find_the_decline_under_the_default_policy(site, name):
    algorithm = find(name)
    x = ("timesincebaseline", "subjectage", "gender")
    cohort = cohort_of(site, "lefthippocampus", x)
    found = algorithm.run(cohort, algorithm.parameters())
    by_term = {row.term: row for row in found.coefficients}
    assert by_term["timesincebaseline"].estimate < 0
    assert by_term["timesincebaseline"].p_value < 1e-6
    assert found.patients > 400


def test_slopes_by_patient_differ_by_diagnosis(site):
    visits = Visits.of(model(), {"lefthippocampus": Taken(How.SLOPE)}, "timesincebaseline")
    cohort = cohort_of(site, "lefthippocampus", ("alzheimerbroadcategory",), visits)
    assert cohort.size.records == cohort.size.patients > 380
    assert cohort.y[0].units == "cm3/month"
    algorithm = find("anova_oneway")
    found = algorithm.run(cohort, algorithm.parameters())
    means = {group.group: 12 * group.mean for group in found.groups}
    assert means["AD"] < means["MCI"] < means["CN"] < 0
