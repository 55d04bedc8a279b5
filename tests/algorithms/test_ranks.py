"""Rank tests and rank correlation against SciPy; exact on shared values, near it on others."""

from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from medmip.algorithms.declaration import CannotCompute
from medmip.errors import RequestError
from medmip.fold.ranks import rank_borders
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.analysis import analyse, cohort_of

GUARDED = Policy(overlap="off")


def cohort(records: int = 900, seed: int = 6, *, whole: bool = True) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    group = rng.choice(["a", "b", "c"], records, p=[0.5, 0.3, 0.2])
    shift = 0.4 * (group == "b") + 0.9 * (group == "c")
    score = np.exp(rng.normal(size=records) + shift) * 3
    other = score * 0.5 + rng.exponential(2, records)
    if whole:
        score, other = np.minimum(np.round(score), 25), np.minimum(np.round(other), 15)
    return {"score": score, "other": other, "group": group}


def by_group(data: dict[str, Any]) -> list[Any]:
    return [data["score"][data["group"] == level] for level in "abc"]


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
@pytest.mark.parametrize("whole", [True, False])
def test_mann_whitney_equals_scipy(alternative: Any, whole: bool) -> None:
    data = cohort(records=300, whole=whole)
    a, b, _ = by_group(data)
    theirs = stats.mannwhitneyu(a, b, alternative=alternative, method="asymptotic")
    ours = analyse(
        "mann_whitney",
        data,
        y=["score"],
        x=["group"],
        parameters={"group_a": "a", "group_b": "b", "alternative": alternative},
    )
    assert ours.u == pytest.approx(theirs.statistic, rel=1e-12)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert ours.n == len(a) + len(b)
    assert ours.superiority == pytest.approx(
        np.mean(a[:, None] > b) + np.mean(a[:, None] == b) / 2, rel=1e-12
    )


def test_kruskal_wallis_equals_scipy() -> None:
    data = cohort()
    theirs = stats.kruskal(*by_group(data))
    ours = analyse("kruskal_wallis", data, y=["score"], x=["group"])
    assert ours.h == pytest.approx(theirs.statistic, rel=1e-10)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert ours.df == 2
    raw = [part.p_value for part in ours.comparisons]
    assert [part.adjusted for part in ours.comparisons] == pytest.approx(
        multipletests(raw, method="holm")[1], rel=1e-12
    )
    ranks = stats.rankdata(data["score"])
    n = len(ranks)
    ties = sum(count**3 - count for count in np.unique(ranks, return_counts=True)[1])
    means = {level: ranks[data["group"] == level].mean() for level in "abc"}
    sizes = {level: (data["group"] == level).sum() for level in "abc"}
    for part in ours.comparisons:
        error = np.sqrt(
            (n * (n + 1) / 12 - ties / (12 * (n - 1)))
            * (1 / sizes[part.one] + 1 / sizes[part.other])
        )
        assert part.z == pytest.approx((means[part.one] - means[part.other]) / error, rel=1e-10)


@pytest.mark.parametrize("whole", [True, False])
def test_spearman_equals_scipy(whole: bool) -> None:
    data = cohort(records=350, whole=whole)
    theirs = stats.spearmanr(data["score"], data["other"])
    ours = analyse("spearman_correlation", data, y=["score", "other"])
    assert ours.correlations[0][1] == pytest.approx(theirs.statistic, rel=1e-10)
    assert ours.p_values[0][1] == pytest.approx(theirs.pvalue, rel=1e-8)
    assert ours.symbol == "ρ"
    assert (ours.lower[0][1] or 0) < theirs.statistic < (ours.upper[0][1] or 0)


def test_under_the_policy_bins_of_ten_change_little() -> None:
    data = cohort(records=3000, whole=False)
    exact = stats.spearmanr(data["score"], data["other"]).statistic
    ours = analyse("spearman_correlation", data, y=["score", "other"], policy=GUARDED)
    assert ours.correlations[0][1] == pytest.approx(exact, abs=2e-4)
    theirs = stats.kruskal(*by_group(data))
    tested = analyse("kruskal_wallis", data, y=["score"], x=["group"], policy=GUARDED)
    assert tested.bins == 300
    assert tested.h == pytest.approx(theirs.statistic, rel=2e-3)


MANY = 140_000


def test_of_many_records_shared_values_are_exact_and_others_near() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=MANY)
    shared = np.round(2 * rng.random(MANY) + 3 * rng.random(MANY))
    data = {
        "normal": a,
        "skewed": np.exp(3 * (a + rng.normal(size=MANY))),
        "far": 1e9 + a + rng.normal(size=MANY),
        "heaped": np.where(rng.random(MANY) < 0.4, 0.0, np.exp(a)),
        "shared": shared,
        "half": shared + (a > 0),
    }
    ours = np.array(analyse("spearman_correlation", data, y=list(data)).correlations)
    theirs = np.asarray(stats.spearmanr(np.column_stack(list(data.values()))).statistic)
    assert ours == pytest.approx(theirs, abs=3e-5)
    assert ours[4, 5] == pytest.approx(theirs[4, 5], rel=1e-10)
    again = analyse("spearman_correlation", data, y=list(data), parts=3)
    assert np.array(again.correlations) == pytest.approx(ours, rel=1e-12)


@pytest.mark.parametrize("minimum", [10, 3000])
def test_bins_of_many_records_hold_the_minimum(minimum: int) -> None:
    rng = np.random.default_rng(3)
    values = {
        "skewed": np.exp(3 * rng.normal(size=MANY)),
        "heaped": np.where(rng.random(MANY) < 0.4, 0.0, np.round(rng.normal(size=MANY), 2)),
    }
    policy = Policy(overlap="off", minimum_cell=minimum)
    cohort = cohort_of(values, y=list(values), policy=policy)
    for held, borders in zip(values.values(), rank_borders(cohort, cohort.y), strict=True):
        assert len(borders) >= min(150, MANY // minimum // 3)
        sizes = np.bincount(np.searchsorted(borders, held, side="left"))
        assert sizes.min() >= minimum


@pytest.mark.parametrize("parts", [2, 10, "lopsided"])
@pytest.mark.parametrize("name", ["kruskal_wallis", "spearman_correlation"])
def test_split_equals_pooled(parts: Any, name: str) -> None:
    data = cohort(whole=False)
    rows = np.arange(900)
    cut = [rows[:5], rows[5:], rows[:0]] if parts == "lopsided" else parts
    roles: Any = {"y": ["score"], "x": ["group"]}
    if name == "spearman_correlation":
        roles = {"y": ["score", "other"]}
    pooled, split = analyse(name, data, **roles), analyse(name, data, **roles, parts=cut)
    assert split == pooled


def test_quantiles_are_read_off_the_bins() -> None:
    data = cohort(records=3000, whole=False)
    ours = analyse("kruskal_wallis", data, y=["score"], x=["group"], policy=GUARDED)
    for group, values in zip(ours.groups, by_group(data), strict=True):
        assert group.n == len(values)
        expected = np.quantile(values, [0.25, 0.5, 0.75])
        assert list(group.quantiles[1:4]) == pytest.approx(expected, rel=0.03)


def test_no_value_of_a_patient_is_told() -> None:
    data = cohort(records=3000, whole=False)
    told = analyse(
        "kruskal_wallis", data, y=["score"], x=["group"], policy=GUARDED
    ).model_dump_json()
    assert [value for value in data["score"].tolist() if f"{value:.12g}"[:-1] in told] == []


def test_without_an_answer() -> None:
    data = cohort(records=300)
    with pytest.raises(CannotCompute, match="constant"):
        analyse("kruskal_wallis", data | {"score": np.ones(300)}, y=["score"], x=["group"])
    alone = data | {"group": np.full(300, "a")}
    levels = {"group": ("a", "b", "c")}
    with pytest.raises(CannotCompute, match="two groups"):
        analyse("kruskal_wallis", alone, y=["score"], x=["group"], levels=levels)
    asked = {"group_a": "a", "group_b": "b"}
    with pytest.raises(CannotCompute, match="two groups"):
        analyse("mann_whitney", alone, y=["score"], x=["group"], levels=levels, parameters=asked)
    same = {"group_a": "a", "group_b": "a"}
    with pytest.raises(RequestError):
        analyse("mann_whitney", data, y=["score"], x=["group"], parameters=same)
    ours = analyse("spearman_correlation", data | {"other": np.ones(300)}, y=["score", "other"])
    assert ours.correlations[0][1] is None


def test_a_small_group_is_refused() -> None:
    data = cohort()
    data["group"][data["group"] == "c"] = "b"
    data["group"][:4] = "c"
    with pytest.raises(Refused, match="c"):
        analyse("kruskal_wallis", data, y=["score"], x=["group"], policy=GUARDED)


def test_views_draw_boxes() -> None:
    views = analyse("kruskal_wallis", cohort(), y=["score"], x=["group"]).views()
    assert [view.kind for view in views] == ["table", "chart", "table", "table"]
