"""A cohort whose quasi-identifiers, and what may be done to them, are known."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medmip.anonymise.settings import KAnonymity, QuasiIdentifier
from medmip.catalogue.data_model import DataModel
from tests.store.models import integer, nominal, real, text

COHORT = DataModel(
    code="cohort",
    version="1.0",
    label="Cohort",
    variables=(
        nominal("dataset"),
        text("subjectcode"),
        integer("subjectageyears", 0, 120),
        nominal("gender", "F", "M"),
        nominal("school", "none", "primary", "secondary", "university"),
        real("height", 0, 250),
        nominal("diagnosis", "AD", "MCI", "CN"),
        integer("score", 0, 30),
        real("volume", 0),
        text("visitdate"),
        text("remark"),
    ),
)
QUASI = {
    "subjectageyears": QuasiIdentifier(intervals=(5, 10, 20)),
    "gender": QuasiIdentifier(),
    "school": QuasiIdentifier(
        parents=({"none": "primary", "university": "secondary"}, {"primary": "secondary"})
    ),
}


def asked(**settings) -> KAnonymity:
    return KAnonymity.model_validate({"quasi_identifiers": QUASI} | settings)


def table(seed: int, patients: int, *, visits: int = 1) -> pa.Table:
    """Records of patients who are like nobody else in most of their quasi-identifiers."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(patients), visits)
    count = len(of)
    ages = rng.integers(50, 90, patients)[of] + np.tile(np.arange(visits), patients)
    missing = rng.random(count) < 0.05
    return pa.table(
        {
            "subjectcode": [f"p{index}" for index in of],
            "subjectageyears": pa.array(ages, pa.int64(), mask=missing),
            "gender": rng.choice(["F", "M"], patients)[of].tolist(),
            "school": rng.choice(["none", "primary", "secondary", "university"], count).tolist(),
            "height": rng.normal(170, 9, patients)[of],
            "diagnosis": rng.choice(["AD", "MCI", "CN"], count, p=[0.2, 0.3, 0.5]).tolist(),
            "score": pa.array(rng.integers(20, 30, count), pa.int64()),
            "dataset": ["ward"] * count,
            "__patient": pa.array(of, pa.int32()),
        }
    )


def written(folder: Path, table: pa.Table, name: str = "cohort.parquet") -> Path:
    path = folder / name
    pq.write_table(table, path)
    return path
