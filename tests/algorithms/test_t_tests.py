"""The three t-tests against SciPy, split over sites, and where they have no answer."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medmip.algorithms.declaration import CannotCompute
from medmip.errors import RequestError
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.analysis import analyse

ALTERNATIVES = ("two-sided", "less", "greater")
GROUPS = {"group_a": "p", "group_b": "q"}


def cohort(records: int = 200, seed: int = 5) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    group = rng.choice(["p", "q", "r"], records, p=[0.5, 0.3, 0.2])
    y = 1e5 + rng.normal(size=records) * np.where(group == "q", 3.0, 1.0) + (group == "q") * 0.4
    return {"g": group, "y": y, "z": y + 0.2 + rng.normal(size=records)}


def independent(data: dict[str, Any], **parameters: Any) -> Any:
    return analyse("ttest_independent", data, y=["y"], x=["g"], parameters=GROUPS | parameters)


def paired(data: dict[str, Any], parts: Any = 1, **parameters: Any) -> Any:
    return analyse("ttest_paired", data, y=["y"], x=["z"], parameters=parameters, parts=parts)


def onesample(data: dict[str, Any], parts: Any = 1, **parameters: Any) -> Any:
    return analyse("ttest_onesample", data, y=["y"], parameters=parameters, parts=parts)


def compare(ours: Any, theirs: Any, confidence: float, mu: float = 0.0) -> None:
    assert ours.t == pytest.approx(theirs.statistic, rel=1e-8)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-8)
    assert ours.df == pytest.approx(theirs.df, rel=1e-8)
    limits = theirs.confidence_interval(confidence)
    assert ours.lower + mu == pytest.approx(limits.low, rel=1e-8)
    assert ours.upper + mu == pytest.approx(limits.high, rel=1e-8)


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_independent_equals_scipy(alternative: Any, equal: bool) -> None:
    data = cohort()
    a, b = (data["y"][data["g"] == name] for name in "pq")
    ours = independent(data, alternative=alternative, equal_variances=equal, confidence=0.9)

    compare(ours, stats.ttest_ind(a, b, equal_var=equal, alternative=alternative), 0.9)
    assert ours.n == a.size + b.size
    pooled = ((a.size - 1) * a.var(ddof=1) + (b.size - 1) * b.var(ddof=1)) / (ours.n - 2)
    assert ours.cohens_d == pytest.approx((a.mean() - b.mean()) / np.sqrt(pooled), rel=1e-8)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_paired_equals_scipy(alternative: Any) -> None:
    data = cohort()
    ours = paired(data, alternative=alternative, confidence=0.99)

    compare(ours, stats.ttest_rel(data["y"], data["z"], alternative=alternative), 0.99)
    step = data["y"] - data["z"]
    assert ours.cohens_d == pytest.approx(step.mean() / step.std(ddof=1), rel=1e-8)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_one_sample_equals_scipy(alternative: Any) -> None:
    data, mu = cohort(), 1e5 + 0.1
    ours = onesample(data, alternative=alternative, mu=mu)

    compare(ours, stats.ttest_1samp(data["y"], mu, alternative=alternative), 0.95, mu)
    expected = (data["y"].mean() - mu) / data["y"].std(ddof=1)
    assert ours.cohens_d == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("parts", [2, 3, 10, [range(1), range(1, 1), range(1, 200)]])
def test_federated_equals_pooled(parts: Any) -> None:
    data = cohort()
    parts = parts if isinstance(parts, int) else [np.array(rows, dtype=int) for rows in parts]
    split = analyse("ttest_independent", data, y=["y"], x=["g"], parameters=GROUPS, parts=parts)

    assert split.t == pytest.approx(independent(data).t, rel=1e-9)
    assert paired(data, parts).t == pytest.approx(paired(data).t, rel=1e-9)
    mu = {"mu": 1e5}
    assert onesample(data, parts, **mu).t == pytest.approx(onesample(data, **mu).t, rel=1e-9)


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_order_and_split_of_records_change_nothing(seed: int, parts: int) -> None:
    data = cohort(60)
    shuffled = np.random.default_rng(seed).permutation(60)
    moved = {code: values[shuffled] for code, values in data.items()}
    one = analyse("ttest_independent", data, y=["y"], x=["g"], parameters=GROUPS)
    two = analyse("ttest_independent", moved, y=["y"], x=["g"], parameters=GROUPS, parts=parts)

    assert [sd for *_, sd in two.groups] == pytest.approx([sd for *_, sd in one.groups], rel=1e-12)
    means = [mean for _, _, mean, _ in two.groups]
    assert means == pytest.approx([mean for _, _, mean, _ in one.groups], rel=1e-12)


def test_group_of_one_record_is_named() -> None:
    data = cohort()
    data["g"] = np.where(data["g"] == "q", "r", data["g"])
    data["g"][0] = "q"
    with pytest.raises(CannotCompute, match="Group q has fewer than two records"):
        independent(data)


def test_small_group_is_refused_by_name() -> None:
    data = cohort()
    data["g"] = np.where((data["g"] == "q") & (np.cumsum(data["g"] == "q") > 5), "r", data["g"])
    with pytest.raises(Refused, match="q"):
        analyse(
            "ttest_independent", data, y=["y"], x=["g"], parameters=GROUPS,
            policy=Policy(overlap="off"),
        )  # fmt: skip


def test_small_groups_that_are_not_compared_refuse_nothing() -> None:
    data = cohort()
    data["g"] = np.where((data["g"] == "r") & (np.cumsum(data["g"] == "r") > 5), "p", data["g"])
    ours = analyse(
        "ttest_independent", data, y=["y"], x=["g"], parameters=GROUPS,
        policy=Policy(overlap="off"),
    )  # fmt: skip
    assert ours.n == 195


def test_same_or_unknown_groups_are_refused() -> None:
    with pytest.raises(RequestError, match="same level"):
        independent(cohort(), group_b="p")
    with pytest.raises(RequestError, match="group_b"):
        independent(cohort(), group_b="x")


@pytest.mark.parametrize("value", [5.0, 0.1, 1e6 + 0.1])
def test_values_that_do_not_vary(value: float) -> None:
    data = cohort() | {"y": np.full(200, value), "z": np.full(200, value + 1)}
    for run in (independent, paired, onesample):
        with pytest.raises(CannotCompute, match="do not vary"):
            run(data)


def test_too_few_records() -> None:
    data = {code: values[:1] for code, values in cohort().items()}
    with pytest.raises(CannotCompute, match="at least two records"):
        paired(data)
    with pytest.raises(CannotCompute, match="at least two records"):
        onesample(data)
