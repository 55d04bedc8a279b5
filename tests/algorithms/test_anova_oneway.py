"""One-way ANOVA against SciPy and statsmodels, split over sites, and where it has no answer."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multicomp import pairwise_tukeyhsd
from statsmodels.stats.oneway import anova_oneway as reference

from medmip.algorithms.declaration import CannotCompute
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.analysis import analyse


def cohort(records: int = 300, seed: int = 2, mean: float = 50.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    group = rng.choice(["p", "q", "r", "s"], records, p=[0.5, 0.2, 0.2, 0.1])
    y = mean + 3 * rng.normal(size=records) + np.where(group == "q", 2.0, 0.0)
    return {"g": group, "y": y}


def fit(data: dict[str, Any], **options: Any) -> Any:
    return analyse("anova_oneway", data, y=["y"], x=["g"], **options)


def test_equals_scipy_and_statsmodels() -> None:
    data = cohort()
    ours = fit(data)
    parts = [data["y"][data["g"] == name] for name in "pqrs"]
    f, p = stats.f_oneway(*parts)
    theirs = reference(parts, use_var="equal")

    assert ours.f_statistic == pytest.approx(f, rel=1e-8)
    assert ours.p_value == pytest.approx(p, rel=1e-8)
    assert (ours.df_between, ours.df_within) == (theirs.df_num, theirs.df_denom)
    whole = ((data["y"] - data["y"].mean()) ** 2).sum()
    assert ours.ss_between + ours.ss_within == pytest.approx(whole, rel=1e-8)
    assert ours.eta_squared == pytest.approx(ours.ss_between / whole, rel=1e-8)
    omega = (ours.ss_between - 3 * ours.ms_within) / (whole + ours.ms_within)
    assert ours.omega_squared == pytest.approx(omega, rel=1e-8)
    for row, part in zip(ours.groups, parts, strict=True):
        assert (row.n, row.mean) == (part.size, pytest.approx(part.mean(), rel=1e-12))
        assert row.sd == pytest.approx(part.std(ddof=1), rel=1e-8)
        reach = stats.t.ppf(0.975, ours.df_within) * np.sqrt(ours.ms_within / part.size)
        assert (row.lower, row.upper) == pytest.approx((part.mean() - reach, part.mean() + reach))


def test_tukeys_comparisons_equal_statsmodels_and_scipy() -> None:
    data = cohort()
    ours = fit(data).comparisons
    theirs = pairwise_tukeyhsd(data["y"], data["g"])
    scipys = stats.tukey_hsd(*(data["y"][data["g"] == name] for name in "pqrs"))
    intervals: Any = scipys.confidence_interval(0.95)

    # statsmodels takes B minus A.
    assert [row.difference for row in ours] == pytest.approx(-theirs.meandiffs, rel=1e-8)
    for row in ours:
        place = "pqrs".index(row.group_a), "pqrs".index(row.group_b)
        assert row.difference == pytest.approx(scipys.statistic[place], rel=1e-8)
        assert row.p_value == pytest.approx(scipys.pvalue[place], rel=1e-6, abs=1e-12)
        assert row.lower == pytest.approx(intervals.low[place], rel=1e-6)
        assert row.upper == pytest.approx(intervals.high[place], rel=1e-6)


@pytest.mark.parametrize("parts", [2, 3, 10, [range(2), range(2, 2), range(2, 300)]])
@pytest.mark.parametrize("mean", [0.0, 1e9])
def test_federated_equals_pooled(parts: Any, mean: float) -> None:
    data = cohort(mean=mean)
    parts = parts if isinstance(parts, int) else [np.array(rows, dtype=int) for rows in parts]
    pooled, federated = fit(data), fit(data, parts=parts)

    for name in ("ss_between", "ss_within", "f_statistic", "p_value"):
        assert getattr(federated, name) == pytest.approx(getattr(pooled, name), rel=1e-9)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_order_and_split_of_records_change_nothing(seed: int, parts: int) -> None:
    data = cohort(80)
    shuffled = np.random.default_rng(seed).permutation(80)
    one = fit(data)
    other = fit({code: values[shuffled] for code, values in data.items()}, parts=parts)

    assert other.ss_within == pytest.approx(one.ss_within, rel=1e-12)
    assert other.ss_between == pytest.approx(one.ss_between, rel=1e-12)


def test_single_group_is_named() -> None:
    with pytest.raises(CannotCompute, match="g has fewer than two groups"):
        fit({"g": np.array(["p"] * 20), "y": np.arange(20.0)})


def test_levels_nobody_has_are_left_out() -> None:
    ours = fit(cohort(), levels={"g": ("none", "p", "q", "r", "s")})
    assert [row.group for row in ours.groups] == ["p", "q", "r", "s"]
    assert ours.df_between == 3


def test_constant_outcome_is_named() -> None:
    with pytest.raises(CannotCompute, match="y is constant"):
        fit(cohort() | {"y": np.full(300, 4.0)})


def test_single_records_leave_nothing_to_compare_with() -> None:
    with pytest.raises(CannotCompute, match="single record"):
        fit({"g": np.array(["p", "q", "r"]), "y": np.array([1.0, 2.0, 4.0])})


def test_small_group_is_refused_by_name() -> None:
    data = cohort()
    data["g"] = np.where(np.arange(300) < 4, "tiny", data["g"])
    with pytest.raises(Refused, match="tiny"):
        fit(data, policy=Policy(overlap="off"))
