"""Labels in the place of codes, never two things by one name."""

import pytest

from medmip.algorithms.names import CODES, Names
from medmip.catalogue.variable import Enumeration, Variable, VariableType


def variable(code, label, units="", levels=()):
    kind = VariableType.NOMINAL if levels else VariableType.REAL
    return Variable(
        code=code,
        label=label,
        type=kind,
        sql_type="text" if levels else "real",
        units=units,
        enumerations=tuple(Enumeration(code=key, label=text) for key, text in levels),
    )


NAMES = Names(
    [
        variable("hippocampus", "Left hippocampus", "cm³"),
        variable("sex", "Sex", levels=[("F", "female"), ("M[1]", "male")]),
        variable("age_1", "Age"),
        variable("age_2", "Age"),
        variable("bare", ""),
    ]
)


@pytest.mark.parametrize(
    "text, told",
    [
        ("Intercept", "Intercept"),
        ("hippocampus", "Left hippocampus"),
        ("sex[F]", "Sex: female"),
        ("sex[M[1]]", "Sex: male"),
        ("sex[F]:hippocampus", "Sex: female × Left hippocampus"),
        ("hippocampus:sex[M[1]]:bare", "Left hippocampus × Sex: male × bare"),
        ("age_1", "Age (age_1)"),
        ("", ""),
    ],
)
def test_terms_are_told_by_labels(text, told):
    assert NAMES.term(text) == told


def test_axes_have_units():
    assert NAMES.axis("hippocampus") == "Left hippocampus (cm³)"
    assert NAMES.axis("age_2") == "Age (age_2)"


def test_what_is_unknown_stays_a_code():
    assert NAMES.level("sex", "X") == "X"
    assert NAMES.level("dataset", "edsd") == "edsd"
    assert CODES.term("sex[F]:age") == "sex: F × age"
