"""The design matrix is the one that statsmodels makes of the same formula."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols

from medmip.algorithms.registry import find
from medmip.fold.design import Design
from medmip.fold.moments import MomentsState, moments
from tests.blocks import Blocks, cohort_over

LEVELS: Mapping[str, Sequence[str]] = {
    "group": ("low", "mid", "high"),
    "sex": ("M", "F"),
    "site": ("z", "y", "x", "w"),
}
"""In an order that is not the alphabet's: the data model decides."""
NUMERIC = ("age", "volume")


def records(
    number: int, seed: int = 0, empty: Mapping[str, str] | None = None
) -> dict[str, np.ndarray]:
    """Made-up records; nobody has the levels that empty names."""
    rng = np.random.default_rng(seed)
    data: dict[str, np.ndarray] = {code: rng.normal(2, 3, number) for code in NUMERIC}
    for code, levels in LEVELS.items():
        had = [index for index, level in enumerate(levels) if level != (empty or {}).get(code)]
        data[code] = rng.choice(had, number)
    return data


def cohort_of(data: Mapping[str, np.ndarray], x: Sequence[str], **more: Any) -> Any:
    return cohort_over(
        {code: data[code] for code in NUMERIC} | more.pop("columns", {}),
        codes={code: (data[code], LEVELS[code]) for code in LEVELS},
        y=more.pop("y", []),
        x=x,
        **more,
    )


def frame(data: Mapping[str, np.ndarray], **empty: str) -> pd.DataFrame:
    """The same records with categories in the model's order, without the empty ones."""
    columns: dict[str, Any] = {code: data[code] for code in NUMERIC}
    for code, levels in LEVELS.items():
        had = [level for level in levels if level != empty.get(code)]
        columns[code] = pd.Categorical([levels[index] for index in data[code]], had)
    return pd.DataFrame(columns)


def encoded(cohort: Any, interactions: Sequence[Sequence[str]]) -> tuple[Design, np.ndarray]:
    """The columns that a model with intercept can estimate, and their matrix."""
    full = cohort.design(cohort.x, interactions)
    design = full.select(full.estimable(cohort.fold(moments, MomentsState(full)).cells))
    assert isinstance(cohort.transport, Blocks)
    return design, np.vstack([block.matrix(design) for block in cohort.transport.blocks])


def expected(data: pd.DataFrame, terms: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
    """The columns of statsmodels' matrix for these terms, but those that are zero throughout."""
    formula = " + ".join(":".join(term) for term in terms)
    model = ols(f"age ~ {formula}", data)
    names = [name.replace("[T.", "[") for name in model.exog_names]
    columns = zip(names, model.exog.T, strict=True)
    return {name: column for name, column in columns if name != "Intercept" and column.any()}


TWO_WAY = [
    ["age", "volume"],
    ["age", "group"],
    ["sex", "volume"],
    ["group", "sex"],
    ["site", "group"],
]
THREE_WAY = [["age", "group", "sex"], ["group", "sex", "site"], ["volume", "age", "site"]]


def below(interaction: Sequence[str]) -> list[list[str]]:
    """Every pair of an interaction, then itself."""
    pairs = [[one, other] for one, other in combinations(interaction, 2)]
    return [*pairs, list(interaction)] if len(interaction) > 2 else pairs


@pytest.mark.parametrize(
    "x, interactions",
    [
        (["age", "volume"], []),
        (["group"], []),
        (["site", "age", "sex", "group"], []),
        *[(interaction, below(interaction)) for interaction in TWO_WAY + THREE_WAY],
        (["age", "group", "sex", "site"], [*below(["age", "group", "sex"]), ["site", "age"]]),
    ],
    ids=lambda names: (
        "+".join(":".join(name) if isinstance(name, list) else name for name in names) or "none"
    ),
)
@pytest.mark.parametrize(
    "empty",
    [{}, {"group": "low"}, {"group": "mid"}, {"site": "z"}, {"group": "high", "sex": "M"}],
    ids=str,
)
def test_columns_are_those_of_the_formula(
    x: list[str], interactions: list[list[str]], empty: dict[str, str]
) -> None:
    data = records(60, 4, empty)
    design, matrix = encoded(cohort_of(data, x, cuts=(11, 40)), interactions)
    theirs = expected(frame(data, **empty), [[code] for code in x] + interactions)
    assert sorted(design.labels) == sorted(theirs)
    for label, column in zip(design.labels, matrix.T, strict=True):
        assert np.array_equal(column, theirs[label]), label


def test_the_reference_is_the_first_level_of_the_model_that_anybody_has() -> None:
    for empty, reference in ({}, "low"), ({"group": "low"}, "mid"):
        cohort = cohort_of(records(40, empty=empty), ["group", "age"])
        full = cohort.design(cohort.x)
        cells = cohort.fold(moments, MomentsState(full)).cells
        assert full.references(cells) == {"group": reference}


def test_combinations_that_nobody_has_drop_out() -> None:
    data = records(80)
    nobody = (data["group"] == 1) & (data["sex"] == 1)
    data["sex"] = np.where(nobody, 0, data["sex"])
    interactions = below(["age", "group", "sex"])
    cohort = cohort_of(data, ["age", "group", "sex"])
    design, matrix = encoded(cohort, interactions)
    assert "group[mid]:sex[F]" not in design.labels
    assert "age:group[mid]:sex[F]" not in design.labels
    assert "group[high]:sex[F]" in design.labels
    assert np.linalg.matrix_rank(matrix) == matrix.shape[1]


@pytest.mark.parametrize("interactions", [[["age", "group"]], below(["age", "group", "sex"])])
def test_a_regression_passes_over_levels_that_nobody_has(interactions: list[list[str]]) -> None:
    data = records(90, 2, {"group": "mid"})
    data["score"] = 1 + data["age"] + data["volume"] * 0.1 + data["group"]
    data["score"] += np.random.default_rng(1).normal(size=90)
    x = ["age", "group", "sex"]
    cohort = cohort_of(data, x, y=["score"], columns={"score": data["score"]})
    fit = find("linear_regression")
    found = fit.run(cohort, fit.parameters(interactions=interactions))

    formula = " + ".join([*x, *(":".join(term) for term in interactions)])
    table = frame(data, group="mid").assign(score=data["score"])
    theirs = ols(f"score ~ {formula}", table).fit()
    names = {name.replace("[T.", "["): value for name, value in theirs.params.items()}
    ours = {row.term: row.estimate for row in found.coefficients}
    assert len(ours) == len(names)
    for name, value in names.items():
        if name != "Intercept":
            assert ours[name] == pytest.approx(value, rel=1e-9)


def test_a_slope_within_a_combination_rests_on_the_patients_who_have_it() -> None:
    """So that the guard sees how few they are, though no other column is of that combination."""
    data = records(30)
    data["group"][:], data["sex"][:] = 0, 0
    data["group"][:7], data["sex"][4:] = 1, 1
    patient = np.array([0, 0, *range(1, 29)])
    for visits, few in (None, 4), (patient, 3):
        cohort = cohort_of(data, ["age", "group", "sex"], patient=visits, cuts=(2,))
        full = cohort.design(cohort.x, [["age", "group", "sex"]])
        cells = cohort.fold(moments, MomentsState(full)).cells
        found = dict(zip(full.labels, cells.tolist(), strict=True))
        assert found["age:group[mid]:sex[M]"] == few
        assert found["age:group[mid]:sex[F]"] == 3
        assert found["age:group[high]:sex[M]"] == 0
        assert found["age"] == (30 if visits is None else 29)


def test_missing_values_stay_missing() -> None:
    data = records(6)
    data["age"][1] = np.nan
    data["group"][2] = -1
    cohort = cohort_of(data, ["age", "group"])
    full = cohort.design(cohort.x, [["age", "group"]])
    matrix = cohort.transport.blocks[0].matrix(full)
    missing = np.isnan(matrix)
    numeric = [not column.is_indicator for column in full.columns]
    assert missing[1].tolist() == numeric
    levels = [any(factor.level is not None for factor in column.factors) for column in full.columns]
    assert missing[2].tolist() == levels
    assert not missing[[0, 3, 4, 5]].any()


def test_equal_designs_are_one_in_a_blocks_memory() -> None:
    cohort = cohort_of(records(9), ["age", "group"])
    block = cohort.transport.blocks[0]
    full = cohort.design(cohort.x)
    first = block.matrix(full)
    assert block.matrix(cohort.design(cohort.x)) is first
    fewer = full.select([0, 2])
    assert np.array_equal(block.matrix(fewer), first[:, [0, 2]])
    assert fewer.labels == ("age", "group[mid]")
    assert full.columns_of(1) == [1, 2, 3]
