"""Small data models and tables for the store's tests."""

import pyarrow as pa

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Enumeration, Variable, VariableType


def nominal(code, *levels):
    return Variable(
        code=code,
        label=code,
        type=VariableType.NOMINAL,
        sql_type="text",
        enumerations=tuple(Enumeration(code=level, label=level.title()) for level in levels),
    )


def real(code, minimum=None, maximum=None):
    return Variable(
        code=code,
        label=code,
        type=VariableType.REAL,
        sql_type="real",
        minimum=minimum,
        maximum=maximum,
    )


def integer(code, minimum=None, maximum=None):
    return Variable(
        code=code,
        label=code,
        type=VariableType.INTEGER,
        sql_type="int",
        minimum=minimum,
        maximum=maximum,
    )


def text(code):
    return Variable(code=code, label=code, type=VariableType.TEXT, sql_type="text")


MODEL = DataModel(
    code="toy",
    version="1.0",
    label="Toy",
    variables=(
        nominal("dataset", "north", "south"),
        text("subjectcode"),
        integer("age", 0, 120),
        real("volume", 0),
        nominal("gender", "F", "M"),
        nominal("apoe4", "0", "1", "2"),
        text("remark"),
    ),
)


def table(patients=20, shift=0):
    return pa.table(
        {
            "subjectcode": [f"p{index + shift}" for index in range(patients)],
            "age": pa.array([40 + (index % 40) for index in range(patients)], pa.int64()),
            "volume": pa.array([float(index) for index in range(patients)], pa.float64()),
            "gender": ["F" if index % 2 else "M" for index in range(patients)],
            "__patient": pa.array(range(patients), pa.int32()),
        }
    )
