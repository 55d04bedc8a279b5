"""Patients who come several times, some visits left out and some values missing."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Enumeration, Variable, VariableType
from tests.analysis import model_of

CODES = ("BL", "FL1", "FL2", "FL3")


def model_with(data: Mapping[str, Any], codes: tuple[str, ...] = CODES) -> DataModel:
    """The columns' model, whose visits have these codes in this order."""
    plain = model_of(data)
    visit = Variable(
        code="visitid",
        label="Visit",
        type=VariableType.NOMINAL if codes else VariableType.TEXT,
        sql_type="text",
        enumerations=tuple(Enumeration(code=code, label=code) for code in codes),
    )
    variables = tuple(visit if v.code == "visitid" else v for v in plain.variables)
    return plain.model_copy(update={"variables": variables})


def drawn(patients: int = 120, seed: int = 3) -> dict[str, Any]:
    """Visits in random order, some left out, with missing values and missing times."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"p{patient:04d}", visit)
        for patient in range(patients)
        for visit in range(4)
        if rng.random() < 0.7
    ]
    records = len(rows)
    place = np.array([visit for _, visit in rows])
    number = np.array([int(patient[1:]) for patient, _ in rows])
    age = 60 + number % 20 + place * 0.9 + rng.normal(0, 0.05, records)
    y = 25 + 0.1 * (number % 7) - 0.8 * place + rng.normal(0, 0.5, records)
    holes = rng.random((2, records)) < 0.15
    group = rng.choice(np.array(["a", "b", None]), records, p=[0.5, 0.35, 0.15])
    data = {
        "subjectid": np.array([patient for patient, _ in rows]),
        "visitid": np.array([CODES[visit] for _, visit in rows]),
        "age": np.where(holes[0], np.nan, age),
        "y": np.where(holes[1], np.nan, y),
        "z": rng.normal(size=records),
        "group": group,
        "dataset": np.where(number % 3 == 0, "one", "two"),
    }
    order = rng.permutation(records)
    return {code: values[order] for code, values in data.items()}
