"""What the quality control measures, against values planted or computed anew."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from medmip.catalogue.data_model import DataModel
from medmip.ingest.session import Session
from medmip.quality.columns import Columns
from medmip.quality.consistency import changing, falling
from medmip.quality.norms import against, made_by
from medmip.quality.repetition import repeated_across, repeated_within
from medmip.quality.report import number
from medmip.quality.thresholds import Norms
from medmip.quality.values import outliers, psi, psi_of_numbers, variable_quality
from tests.store.models import integer, nominal, real, text

BRAIN = DataModel(
    code="brain",
    version="1.0",
    label="Brain",
    variables=(
        nominal("dataset"),
        text("subjectcode"),
        real("subjectage", 0, 130),
        nominal("gender", "F", "M"),
        *(
            real(name, 0).model_copy(update={"units": "cm3"})
            for name in ("tiv", "hippocampus", "amygdala", "caudate", "putamen")
        ),
        integer("score", 0, 30),
    ),
)


def brains(seed, count, *, shrunk=0, first=0):
    """Patients whose volumes follow age, sex and head; those first `shrunk` lost six spreads."""
    rng = np.random.default_rng(seed)
    age, male = rng.uniform(55, 85, count), rng.random(count) < 0.5
    tiv = rng.normal(1400 + 130 * male, 90)
    columns = {"subjectcode": [f"p{first + i}" for i in range(count)], "subjectage": age}
    columns |= {"gender": np.where(male, "M", "F").tolist(), "tiv": tiv}
    for name, size in (("hippocampus", 3.4), ("amygdala", 0.9), ("caudate", 3.0), ("putamen", 4.0)):
        usual = size + 0.001 * (tiv - 1400) - 0.015 * (age - 70) - 0.0004 * (age - 70) ** 2
        volume = usual + rng.normal(0, 0.1, count)
        volume[:shrunk] -= 0.6
        columns[name] = volume
    columns["score"] = pa.array(rng.integers(20, 31, count), pa.int64())
    columns["__patient"] = pa.array(range(count), pa.int32())
    return pa.table(columns)


@pytest.fixture
def file(tmp_path):
    def writing(table, name="x"):
        path = tmp_path / f"{name}.parquet"
        pq.write_table(table, path)
        return Columns(path)

    return writing


@pytest.fixture
def session(tmp_path):
    opened = Session(tmp_path, "256MB")
    yield opened
    opened.close()


def test_norms_find_the_patients_whose_volumes_shrank(file):
    norms = Norms(reference="r")
    made = made_by(file(brains(1, 500), "r"), BRAIN, norms)
    assert {*made} == {"hippocampus", "amygdala", "caudate", "putamen"}
    assert made["caudate"].spread == pytest.approx(0.1, rel=0.1)
    found = {norm.code: norm for norm in against(file(brains(2, 200, shrunk=30)), norms, made, 10)}
    assert found["hippocampus"].beyond.told == pytest.approx(30, abs=1)
    usual = {norm.code: norm for norm in against(file(brains(3, 200)), norms, made, 10)}
    assert all(norm.beyond.told in (0, None) for norm in usual.values())
    assert all(abs(norm.mean) < 0.3 for norm in usual.values())


def test_a_norm_is_made_of_the_healthy_alone_and_not_of_few(file):
    reference = file(brains(1, 150), "r")
    norms = Norms(reference="r", healthy={"gender": "F"})
    assert made_by(reference, BRAIN, norms) == {}
    assert made_by(file(brains(1, 90), "s"), BRAIN, Norms(reference="r")) == {}
    assert made_by(file(brains(1, 300).drop(["tiv"]), "t"), BRAIN, Norms(reference="r")) == {}


def test_outliers_are_those_beyond_the_robust_z():
    values = np.concatenate([np.random.default_rng(1).normal(0, 1, 1000), [9.0, -11.0, 5.0]])
    spread = stats.median_abs_deviation(values, scale="normal")
    expected = int((np.abs(values - np.median(values)) > 6 * spread).sum())
    assert outliers(values, 6.0) == expected == 2
    assert outliers(np.zeros(100), 6.0) == 0


def test_drift_is_nothing_for_the_same_and_much_for_a_shift():
    rng = np.random.default_rng(2)
    old = rng.normal(size=20_000)
    assert psi_of_numbers(old, rng.normal(size=20_000)) < 0.01
    # of two normal distributions with means one standard deviation apart it is 1
    assert psi_of_numbers(old, rng.normal(1, 1, 20_000)) == pytest.approx(1, abs=0.15)
    assert psi(np.array([50.0, 50.0]), np.array([50.0, 50.0])) == 0
    by_hand = (0.7 - 0.5) * np.log(0.7 / 0.5) + (0.3 - 0.5) * np.log(0.3 / 0.5)
    assert psi(np.array([5.0, 5.0]), np.array([7.0, 3.0])) == pytest.approx(by_hand)


def test_repeated_records_are_found_within_and_across(file, session):
    table = brains(4, 100)
    twins = table.slice(0, 12).set_column(0, "subjectcode", [[f"q{i}" for i in range(12)]])
    both = pa.concat_tables([table, twins]).set_column(
        table.column_names.index("__patient"), "__patient", [pa.array(range(112), pa.int32())]
    )
    assert repeated_within(session, file(both), BRAIN) == 24
    assert repeated_within(session, file(table, "alone"), BRAIN) == 0
    other = file(pa.concat_tables([brains(5, 40), table.slice(20, 15)]), "other")
    told = repeated_across(session, file(table, "alone"), {"other": other.path}, BRAIN)
    assert told == {"other": 15}


def test_visits_that_contradict_each_other_are_counted_by_patient(file, session):
    table = pa.table(
        {
            "gender": ["F", "F", "F", "M", "M", "M"],
            "subjectage": [60.0, 61.0, 70.0, 69.0, 50.0, None],
            "__patient": pa.array([0, 0, 1, 1, 2, 2], pa.int32()),
        }
    )
    here = file(table)
    assert changing(session, here, ("gender", "apoe4")) == {"gender": 1}
    assert falling(session, here, ("subjectage",)) == {"subjectage": 1}


def test_small_numbers_and_few_values_are_withheld(file):
    assert (number(0, 10).told, number(9, 10).told, number(10, 10).told) == (0, None, 10)
    few = variable_quality(file(brains(6, 9)), None, BRAIN.variable("tiv"), 6.0, 10)
    assert (few.present, few.quartiles, few.outliers) == (1.0, None, None)
    levels = variable_quality(file(brains(6, 25)), None, BRAIN.variable("gender"), 6.0, 10).levels
    assert all(one.told is None or one.told >= 10 for one in levels.values())
