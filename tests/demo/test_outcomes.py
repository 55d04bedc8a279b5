"""What becomes of the synthetic patients and what scans them, as published studies say."""

import io

import numpy as np
import pandas as pd
import pytest

from medmip.demo.cohorts import synthetic_cohorts
from medmip.demo.outcomes import outcomes, shifted

GROUP = "neurodegenerativescategories"


@pytest.fixture(scope="module")
def tables():
    return {
        cohort.dataset: pd.read_csv(
            io.StringIO(cohort.csv()), dtype={"cdrglobal": str, "apoe4": str}
        )
        for cohort in synthetic_cohorts()
    }


def yearly(table, status="dementia"):
    """Events by year of follow-up, by diagnosis."""
    came = table.followupstatus.eq(status).groupby(table[GROUP]).sum()
    return 12 * came / table.followupmonths.groupby(table[GROUP]).sum()


def test_a_tenth_of_mild_impairment_has_dementia_a_year_later(tables):
    for dataset in ("edsd-synthetic", "adni-synthetic"):
        found = yearly(tables[dataset])
        assert 0.08 < found["MCI"] < 0.20
        assert 0.005 < found["CN"] < 0.03
    assert yearly(tables["ppmi-synthetic"])["PD"] < 0.05


def test_who_has_dementia_is_not_followed(tables):
    for table in tables.values():
        followed = table.followupmonths.notna()
        assert (followed == (table[GROUP] != "AD")).all()
        assert (followed == table.followupstatus.notna()).all()
        assert table.followupmonths.dropna().between(0.1, 96).all()
        assert set(table.followupstatus.dropna()) == {"censored", "dementia", "death"}


def test_atrophy_foretells_dementia(tables):
    table = tables["adni-synthetic"]
    impaired = table[table[GROUP] == "MCI"]
    small = impaired.lefthippocampus < impaired.lefthippocampus.median()
    assert yearly(impaired[small])["MCI"] > 1.2 * yearly(impaired[~small])["MCI"]
    assert yearly(table, "death")["CN"] > 0.008


def test_falls_vary_more_than_chance_does(tables):
    table = tables["ppmi-synthetic"]
    falls = table.groupby(GROUP).fallspastyear
    assert falls.mean()["PD"] > 2 * falls.mean()["CN"]
    assert falls.var()["PD"] > 1.3 * falls.mean()["PD"]
    assert 0.3 < (table.fallspastyear[table[GROUP] == "PD"] > 0).mean() < 0.6


def test_the_clinical_rating_follows_the_diagnosis(tables):
    table = tables["adni-synthetic"]
    grades = table.cdrglobal.astype(float).groupby(table[GROUP]).mean()
    assert grades["CN"] < 0.1 < grades["MCI"] < 0.5 < grades["AD"]
    assert (table.cdrglobal.value_counts() >= 30).sum() == 4


def test_neurofilament_is_skewed_and_rises_with_the_disease(tables):
    table = tables["adni-synthetic"]
    means = table.groupby(GROUP).plasma_nfl.mean()
    assert means["CN"] < means["MCI"] < means["AD"]
    assert table.plasma_nfl.skew() > 1
    assert (table.plasma_nfl.dropna() > 0).all()


def test_scanners_shift_volumes_alike_in_every_cohort(tables):
    spread = outcomes().scanners.spread
    shifts = {}
    for dataset in ("edsd-synthetic", "adni-synthetic"):
        table = tables[dataset]
        assert (table.scanner.notna() == table.tiv.notna()).all()
        logs = np.log(table[["leftputamen", "rightthalamusproper", "leftcuncuneus", "brainstem"]])
        means = logs.groupby(table.scanner).mean()
        shifts[dataset] = (means.loc["siemens_3t"] - means.loc["ge_15t"]).to_numpy()
    one, other = shifts.values()
    assert np.abs(one).max() < 5 * spread / 100
    assert np.abs(one - other).max() < 0.025
    brains = {"tiv": np.ones(2), "brainstem": np.ones(2)}
    seen = shifted(brains, ["siemens_3t", "ge_3t"], spread)
    assert (seen["tiv"] == 1).all()
    assert seen["brainstem"][0] != seen["brainstem"][1]


def test_only_whoever_was_rated_has_a_rating(tables):
    assert "cdrglobal" not in tables["ppmi-synthetic"]
    assert tables["edsd-synthetic"].cdrglobal.notna().mean() == pytest.approx(0.96, abs=0.02)
