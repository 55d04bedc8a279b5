"""Roles share a list of a request in their turn, whatever order the variables were chosen in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.algorithms.declaration import Parameters, Result, algorithm, level_of
from medmip.algorithms.registry import registry
from medmip.algorithms.role import ANY, NOMINAL, NUMERIC, Roles, many, one, roles_of
from medmip.catalogue.variable import Enumeration, Variable, VariableType
from medmip.fold.cohort import Cohort

STATUS_THEN_COVARIATES = Roles((one(NOMINAL, "Event status"), many(ANY, "Covariates")))
LEVEL = Enumeration(code="a", label="A")


def numeric(code: str) -> Variable:
    return Variable(code=code, label=code, type=VariableType.REAL, sql_type="real")


def nominal(code: str) -> Variable:
    return Variable(
        code=code, label=code, type=VariableType.NOMINAL, sql_type="text", enumerations=(LEVEL,)
    )


@pytest.mark.parametrize("number, shares", [(0, (0, 0)), (1, (1, 0)), (2, (1, 1)), (5, (1, 4))])
def test_each_role_takes_its_least_first(number: int, shares: tuple[int, ...]) -> None:
    assert STATUS_THEN_COVARIATES.shares(number) == shares


def test_an_optional_role_takes_what_is_left_and_the_last_what_is_too_much() -> None:
    roles = Roles((one(NOMINAL, "Status"), many(NOMINAL, "Groups", at_least=0, at_most=1)))
    assert [roles.split("abc"[:number]) for number in range(4)] == [
        ((), ()), (("a",), ()), (("a",), ("b",)), (("a",), ("b", "c")),
    ]  # fmt: skip
    problems = [role.problem(share) for role, share in zip(roles, roles.shares(3), strict=True)]
    assert problems == [None, "takes at most 1 nominal variable"]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 3)), max_size=4),
    st.integers(0, 12),
)
def test_shares_are_the_whole_list(bounds: list[tuple[int, int | None]], number: int) -> None:
    roles = roles_of(
        many(ANY, f"R{place}", at_least=least, at_most=None if more is None else least + more)
        for place, (least, more) in enumerate(bounds)
    )
    shares = roles.shares(number)
    assert sum(shares) == (number if roles else 0)
    if number >= roles.minimum:
        assert all(share >= role.minimum for share, role in zip(shares, roles, strict=True))


def test_variables_are_arranged_by_kind_and_else_stay_as_they_were() -> None:
    age, volume, sex, status = numeric("age"), numeric("volume"), nominal("sex"), nominal("status")
    arranged = STATUS_THEN_COVARIATES.arranged
    assert arranged([age, status, volume]) == (status, age, volume)
    assert arranged([status, sex, age]) == (status, sex, age)
    assert arranged([age, volume]) == (age, volume)
    mixed = Roles((many(ANY, "Any", at_most=1), one(NUMERIC, "Number")))
    assert mixed.arranged([age, sex]) == (sex, age)


def test_a_parameter_of_no_role_is_refused_at_the_declaration() -> None:
    class Lost(Parameters):
        level: str = level_of("event", "Level", "Of a role that there is not.")

    def run(cohort: Cohort, parameters: Lost) -> Result:
        raise NotImplementedError

    declared = algorithm(
        "lost",
        label="Lost",
        question="Describe",
        description="",
        discloses="",
        parameters=Lost,
        y=one(NOMINAL, "Event status"),
    )
    with pytest.raises(ValueError, match="event, which is no role; known are event_status, x, y"):
        declared(run)


def test_roles_of_every_algorithm_have_names_of_their_own() -> None:
    for found in registry().values():
        names = [role.name for role in (*found.y, *found.x)]
        assert len(set(names)) == len(names), found.name
        assert all(name.isidentifier() for name in names), found.name
