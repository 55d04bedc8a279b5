"""What regressions add up is the same however records are cut into blocks, and counts patients."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medmip.fold.block import Block, Layout
from medmip.fold.design import Design
from medmip.fold.firth import FirthState, firth_scores, likelihoods
from medmip.fold.glm import Family, GlmState, glm_step
from medmip.fold.goodness import (
    RecalibrationState,
    RiskGroups,
    recalibration_step,
    risk_ranks,
    risk_sums,
)
from medmip.fold.local import fold_blocks
from medmip.fold.logit import ClassState, LogOdds, NewtonState, newton_step
from medmip.fold.moments import MomentsState, moments
from medmip.fold.residuals import ResidualBins, Standardised, residual_sums
from medmip.fold.transform import Transform
from medmip.fold.weights import Offset, Prior, WeightState, offset_sums, weight_sums
from tests.blocks import nominal, numeric

RECORDS = 120
RNG = np.random.default_rng(4)
VALUES = np.column_stack(
    [
        RNG.normal(size=RECORDS),
        RNG.exponential(1.0, RECORDS),
        RNG.poisson(2.0, RECORDS),
        RNG.integers(0, 3, RECORDS),
    ]
)
CODES = RNG.integers(0, 2, (RECORDS, 1)).astype(np.int32)
LAYOUT = Layout(("a", "b", "y", "w"), ("died",), (("no", "yes"),))
CURVES = {"a": (Transform("spline", 1, knots=(-1.0, 0.0, 1.0)), Transform("power", 2, 0.1))}
DESIGN = Design.full([numeric("a"), numeric("b")], {}, curves=CURVES)
WITH_Y = Design.full([numeric("a"), numeric("y")], {})
CLASSES = ClassState("died", 1, "w")
POINT = NewtonState(DESIGN, np.full(4, 0.2), np.full(4, 1.5), CLASSES, np.full(5, 0.3), Offset("b"))
ODDS = LogOdds.at(NewtonState(DESIGN, np.zeros(4), np.ones(4), ClassState("died", 1), np.ones(5)))
STANDARD = Standardised(WITH_Y, (0.1, 2.0), (0.4,), ((0.01,),), 120.0, 1.4, "w")
KERNELS: dict[str, tuple[Callable[[Block, Any], Any], Any]] = {
    "weights": (weight_sums, WeightState("w", 3)),
    "offsets": (offset_sums, Offset("y", Transform("log"))),
    "moments": (moments, MomentsState(DESIGN, np.zeros(4), "w")),
    "newton": (newton_step, POINT),
    "glm": (
        glm_step,
        GlmState(
            DESIGN,
            "y",
            Family.POISSON,
            np.zeros(4),
            np.ones(4),
            np.full(5, 0.1),
            prior=Prior("w", Offset("b")),
        ),
    ),
    "likelihoods": (likelihoods, FirthState(POINT, np.array([[0.1] * 5, [0.2] * 5]))),
    "firth": (
        firth_scores,
        FirthState(POINT, np.array([[0.1] * 5, [0.2] * 5]), np.stack([np.eye(5) / 30] * 2)),
    ),
    "risk ranks": (risk_ranks, RiskGroups(ODDS, (1.0, 3.0))),
    "risk sums": (risk_sums, RiskGroups(ODDS, (1.0, 3.0))),
    "recalibration": (
        recalibration_step,
        RecalibrationState(ODDS, 1.0, 2.0, np.array([0.5, 1.0, 0.1])),
    ),
    "residuals": (residual_sums, ResidualBins(STANDARD, (-1.0, 0.0, 1.0), (1.9, 2.1))),
}


def block(rows: Any, patient: Any = None) -> Block:
    return Block(
        LAYOUT,
        np.asfortranarray(VALUES[rows]),
        np.asfortranarray(CODES[rows]),
        np.zeros(len(rows), dtype=np.int32),
        patient,
    )


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, RECORDS), max_size=5), order=st.permutations(range(RECORDS)))
def test_blocks_in_any_split_and_order_add_to_the_same(
    name: str, cuts: list[int], order: list[int]
) -> None:
    kernel, state = KERNELS[name]
    whole = kernel(block(np.arange(RECORDS)), state)
    rows, bounds = np.array(order), sorted({0, *cuts, RECORDS})
    parts = fold_blocks([block(rows[low:high]) for low, high in pairwise(bounds)], kernel, state)
    for field, value in vars(whole).items():
        scale = max(float(np.abs(value).max()), 1.0)
        assert np.asarray(getattr(parts, field)) == pytest.approx(
            np.asarray(value), rel=1e-12, abs=1e-12 * scale
        )


def test_empty_block_adds_nothing() -> None:
    for kernel, state in KERNELS.values():
        whole, none = (kernel(block(np.arange(n)), state) for n in (RECORDS, 0))
        for field, value in vars(whole + none).items():
            assert np.array_equal(value, getattr(whole, field))


def test_patients_are_counted_once() -> None:
    patient = np.repeat(np.arange(RECORDS // 4), 4)
    held = block(np.arange(RECORDS), patient)
    weighed = [
        len(np.unique(patient[VALUES[:, 3] > 0])),
        len(np.unique(patient[VALUES[:, 3] == 0])),
    ]
    assert weight_sums(held, WeightState("w", 3)).patients.tolist() == weighed[::-1]
    groups = risk_sums(held, RiskGroups(ODDS, (1.0, 3.0)))
    eta = ODDS.of(held)[:, 0]
    low = np.unique(patient[(eta <= 1.0) & (CODES[:, 0] == 1)])
    assert groups.patients[0, 1] == len(low)
    bins = residual_sums(held, KERNELS["residuals"][1])
    residual = STANDARD.of(held)[:, 0]
    assert bins.patients[0] == len(np.unique(patient[residual <= -1.0]))


def test_design_of_curves_is_named_after_its_variable() -> None:
    assert DESIGN.labels == ("a", "a'", "a^2", "b")
    both = Design.full(
        [numeric("a"), nominal("g", ("x", "y"))], {"g": ("x", "y")}, [("a", "g")], curves=CURVES
    )
    assert both.labels[-6:] == ("a:g[x]", "a:g[y]", "a':g[x]", "a':g[y]", "a^2:g[x]", "a^2:g[y]")
