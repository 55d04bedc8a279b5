"""The synthetic cohorts: valid, the same each time, and shaped as published studies say."""

import csv
import hashlib
import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from medmip.catalogue.model_store import shipped_models
from medmip.catalogue.variable import VariableType
from medmip.demo.cohorts import synthetic_cohorts, write_demo_csvs
from medmip.demo.specification import specification

DIAGNOSIS = {
    "edsd-synthetic": "edsdcategory",
    "ppmi-synthetic": "ppmicategory",
    "adni-synthetic": "adnicategory",
}
DEMENTIA = ["edsd-synthetic", "adni-synthetic"]


@pytest.fixture(scope="module")
def cohorts():
    return {cohort.dataset: cohort for cohort in synthetic_cohorts()}


@pytest.fixture(scope="module")
def tables(cohorts):
    numeric = {code for code, variable in model().all_variables.items() if variable.is_numeric}
    tables = {}
    for dataset, cohort in cohorts.items():
        table = pd.read_csv(io.StringIO(cohort.csv()), dtype=str)
        for code in numeric & set(table.columns):
            table[code] = table[code].astype(float)
        tables[dataset] = table.set_index(DIAGNOSIS[dataset], drop=False)
    return tables


def model():
    return next(model for model in shipped_models() if model.key == "dementia:1.0")


def test_there_are_three_cohorts_of_500_to_1500_patients(cohorts):
    assert set(cohorts) == set(DIAGNOSIS)
    assert all(500 <= cohort.patients <= 1500 for cohort in cohorts.values())


def test_everything_a_person_sees_says_synthetic(cohorts, tmp_path):
    for cohort in cohorts.values():
        assert "synthetic" in cohort.dataset
        assert "synthetic" in cohort.label
        assert all("synthetic" in patient for patient in cohort.columns["subjectcode"])
        assert set(cohort.columns["dataset"]) == {cohort.dataset}
    assert all("synthetic" in path.name for path in write_demo_csvs(tmp_path))


def test_every_value_is_allowed_by_the_model(cohorts):
    for cohort in cohorts.values():
        for code, values in cohort.columns.items():
            variable = model().variable(code)
            present = [value for value in values if value]
            assert present, code
            if variable.is_numeric:
                numbers = np.array(present, dtype=float)
                assert np.isfinite(numbers).all()
                assert variable.minimum is None or numbers.min() >= variable.minimum
                assert variable.maximum is None or numbers.max() <= variable.maximum
                if variable.type is VariableType.INTEGER:
                    assert not any("." in value for value in present)
            elif variable.levels:
                assert set(present) <= set(variable.levels)


def test_patients_are_told_apart(cohorts):
    for cohort in cohorts.values():
        codes = cohort.columns["subjectcode"]
        assert len(set(codes)) == len(codes) == cohort.patients


def test_files_are_the_same_in_every_byte(cohorts, tmp_path):
    program = "import sys, pathlib; from medmip.demo.cohorts import write_demo_csvs;"
    program += "write_demo_csvs(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", program, tmp_path / "other"], check=True)
    for path in write_demo_csvs(tmp_path / "one"):
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()
        assert path.read_bytes() == cohorts[path.stem].csv().encode()


def test_cohorts_share_no_patient(cohorts):
    digests = {
        hashlib.sha256(",".join(cohort.columns["tiv"]).encode()).hexdigest()
        for cohort in cohorts.values()
    }
    assert len(digests) == 3


def test_a_file_is_plain_csv(cohorts):
    for cohort in cohorts.values():
        rows = list(csv.reader(io.StringIO(cohort.csv()), strict=True))
        assert rows[0] == list(cohort.columns)
        assert {len(row) for row in rows} == {len(rows[0])}
        assert '"' not in cohort.csv()


def test_all_volumes_are_there(tables):
    volumes = {code for code, v in model().all_variables.items() if v.units == "cm3"}
    for table in tables.values():
        assert volumes <= set(table.columns)


def test_the_age_band_agrees_with_the_age(tables):
    for table in tables.values():
        assert (np.floor(table.subjectage) == table.subjectageyears).all()
        lows = {"-50y": 0, "50-59y": 50, "60-69y": 60, "70-79y": 70, "+80y": 80}
        low = table.agegroup.map(lows)
        high = table.agegroup.map(dict(zip(lows, [50, 60, 70, 80, 130], strict=True)))
        assert ((low <= table.subjectageyears) & (table.subjectageyears < high)).all()


@pytest.mark.parametrize("dataset", DEMENTIA)
@pytest.mark.parametrize(
    "codes, loss",
    [
        (("lefthippocampus", "righthippocampus"), (0.17, 0.30)),
        (("leftententorhinalarea", "rightententorhinalarea"), (0.18, 0.32)),
        (("leftamygdala", "rightamygdala"), (0.15, 0.28)),
        (("leftmtgmiddletemporalgyrus", "rightmtgmiddletemporalgyrus"), (0.08, 0.22)),
        (("leftcalccalcarinecortex", "rightcalccalcarinecortex"), (-0.06, 0.08)),
    ],
)
def test_tissue_shrinks_with_the_disease(tables, dataset, codes, loss):
    means = tables[dataset].groupby(level=0)[list(codes)].mean()
    for code in codes:
        assert loss[0] < 1 - means.loc["AD", code] / means.loc["CN", code] < loss[1]
        if loss[0] > 0:
            assert means.loc["AD", code] < means.loc["MCI", code] < means.loc["CN", code]


@pytest.mark.parametrize("dataset", DEMENTIA)
@pytest.mark.parametrize("code", ["leftlateralventricle", "rightinflatvent", "_3rdventricle"])
def test_ventricles_widen_with_the_disease(tables, dataset, code):
    means = tables[dataset].groupby(level=0)[code].mean()
    assert means["AD"] > 1.2 * means["CN"]
    assert means["AD"] > means["MCI"] > means["CN"]


@pytest.mark.parametrize("dataset", DIAGNOSIS)
def test_the_spreads_stay_near_what_is_published(tables, dataset):
    within = tables[dataset].groupby(level=0)
    for code, low, high in (
        ("lefthippocampus", 0.07, 0.17),
        ("rightmfgmiddlefrontalgyrus", 0.08, 0.20),
        ("tiv", 0.06, 0.12),
        ("leftlateralventricle", 0.30, 0.65),
    ):
        variation = within[code].std() / within[code].mean()
        assert variation.between(low, high).all(), (code, variation)


@pytest.mark.parametrize("dataset", DIAGNOSIS)
def test_the_two_sides_go_together(tables, dataset):
    table = tables[dataset]
    correlations = []
    for region in specification().regions:
        if region.asymmetry is not None:
            left, right = region.columns
            correlations.append(table[left].corr(table[right]))
    assert 0.85 < np.mean(correlations) < 0.97
    assert min(correlations) > 0.8


@pytest.mark.parametrize("dataset", DIAGNOSIS)
def test_big_heads_hold_big_regions(tables, dataset):
    table = tables[dataset]
    assert table.groupby("gender").tiv.mean().diff()["M"] > 100
    assert table.tiv.corr(table.leftcerebralwhitematter) > 0.4
    assert table.lefthippocampus.corr(table.leftputamen) > 0.15


@pytest.mark.parametrize("dataset", DIAGNOSIS)
def test_brains_shrink_with_age(tables, dataset):
    table = tables[dataset].loc[[{"ppmi-synthetic": "HC"}.get(dataset, "CN")]]
    assert table.subjectage.corr(table.lefthippocampus / table.tiv) < -0.1
    assert table.subjectage.corr(table.leftlateralventricle / table.tiv) > 0.2


@pytest.mark.parametrize("dataset", DEMENTIA)
def test_cognition_follows_the_disease(tables, dataset):
    table = tables[dataset]
    means = table.groupby(level=0).minimentalstate.mean()
    assert 20 < means["AD"] < 24.5 < means["MCI"] < 27.5 < means["CN"] < 29.8
    assert 0.4 < table.minimentalstate.corr(table.lefthippocampus) < 0.8
    assert table.loc["AD"].minimentalstate.corr(table.loc["AD"].lefthippocampus) > 0.15


@pytest.mark.parametrize("dataset", DEMENTIA)
def test_biomarkers_and_genes_follow_the_disease(tables, dataset):
    table = tables[dataset]
    carriers = table.apoe4.dropna().isin(["1", "2"]).groupby(level=0).mean()
    assert 0.2 < carriers["CN"] < carriers["MCI"] < carriers["AD"] < 0.75
    means = table.groupby(level=0)[["ab1_42", "t_tau", "p_tau"]].mean()
    assert means.ab1_42["AD"] < means.ab1_42["MCI"] < means.ab1_42["CN"]
    for tau in ("t_tau", "p_tau"):
        assert means[tau]["AD"] > means[tau]["MCI"] > means[tau]["CN"]
    assert table.t_tau.corr(table.p_tau) > 0.7


def test_pet_follows_the_disease(tables):
    means = tables["adni-synthetic"].groupby(level=0)[["av45", "fdg"]].mean()
    assert means.av45["AD"] > means.av45["MCI"] > means.av45["CN"]
    assert means.fdg["AD"] < means.fdg["MCI"] < means.fdg["CN"]


def test_parkinson_s_disease_is_seen_in_movement_not_in_the_hippocampus(tables):
    table = tables["ppmi-synthetic"]
    assert set(table.ppmicategory) == {"PD", "HC", "GENPD"}
    means = table.groupby(level=0)[["updrstotal", "lefthippocampus", "leftputamen"]].mean()
    assert means.updrstotal["HC"] < 8 < 24 < means.updrstotal["PD"] < 40
    assert means.lefthippocampus["PD"] > 0.88 * means.lefthippocampus["HC"]
    assert means.leftputamen["PD"] < means.leftputamen["HC"]
    staged = table.loc["PD"].dropna(subset=["updrshy", "updrstotal"])
    by_stage = staged.groupby("updrshy").updrstotal.mean()
    assert by_stage["1"] < by_stage["2"] < by_stage["3"]
    assert table.loc["HC"].updrshy.isna().all()


def test_sites_differ_a_little(tables):
    normal = [tables[dataset].loc["CN"].rightthalamusproper.mean() for dataset in DEMENTIA]
    assert 0 < abs(np.log(normal[0] / normal[1])) < 0.08


@pytest.mark.parametrize("spec", specification().cohorts, ids=lambda spec: spec.dataset)
def test_missing_values_come_in_panels(tables, spec):
    table = tables[spec.dataset]
    scanned = table.tiv.notna()
    assert scanned.mean() == pytest.approx(spec.measured["mri"], abs=0.03)
    assert (table.lefthippocampus.notna() == scanned).all()
    assert (table.ab1_42.notna() == table.t_tau.notna()).all()
    assert table[["subjectage", "gender", DIAGNOSIS[spec.dataset]]].notna().all(axis=None)
