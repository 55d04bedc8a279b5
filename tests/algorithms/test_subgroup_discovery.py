"""Subgroup discovery against a brute-force search, split over sites, and what it never tells."""

from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medmip.algorithms import subgroup_search
from medmip.algorithms.declaration import CannotCompute
from medmip.errors import RequestError
from medmip.fold.subgroups import SearchState, SubgroupState, search_counts, subgroup_counts
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.analysis import analyse
from tests.blocks import cohort_over

X = ("gene", "sex", "smoking", "site")
LEVELS = {
    "gene": ("e2", "e3", "e4"),
    "sex": ("F", "M"),
    "smoking": ("no", "past", "yes"),
    "site": ("a", "b", "c", "d"),
    "y": ("ad", "cn", "mci"),
}
STRICT = Policy(overlap="off")


def cohort(records: int = 600, seed: int = 2) -> dict[str, Any]:
    """Four nominal variables of uneven levels; dementia goes with e4 in women and with smoking."""
    rng = np.random.default_rng(seed)
    data = {
        "gene": rng.choice(LEVELS["gene"], records, p=[0.12, 0.6, 0.28]),
        "sex": rng.choice(LEVELS["sex"], records),
        "smoking": rng.choice(LEVELS["smoking"], records, p=[0.5, 0.3, 0.2]),
        "site": rng.choice(LEVELS["site"], records, p=[0.4, 0.3, 0.2, 0.1]),
    }
    lean = -1.2 + 1.5 * ((data["gene"] == "e4") & (data["sex"] == "F"))
    lean = lean + 0.9 * (data["smoking"] == "yes")
    sick = rng.random(records) < 1 / (1 + np.exp(-lean))
    data["y"] = np.where(sick, "ad", np.where(rng.random(records) < 0.6, "cn", "mci"))
    return data


def find(data: dict[str, Any], x: Any = X, **options: Any) -> Any:
    asked = {"target": "ad", **options.pop("parameters", {})}
    levels = LEVELS | options.pop("levels", {})
    return analyse(
        "subgroup_discovery", data, y=["y"], x=x, levels=levels, parameters=asked, **options
    )


def brute(
    data: dict[str, Any], depth: int, quality: str, coverage: float, *, improving: bool
) -> tuple[list[tuple[Any, ...]], int]:
    """Every conjunction by its mask over the rows; the qualities by their definitions."""
    frame = pd.DataFrame(data)
    target = (frame["y"] == "ad").to_numpy()
    whole, share = len(frame), target.mean()
    scored: dict[frozenset[Any], Any] = {}
    for length in range(1, depth + 1):
        for variables in combinations(X, length):
            for levels in product(*(LEVELS[name] for name in variables)):
                held = np.ones(whole, dtype=bool)
                for name, level in zip(variables, levels, strict=True):
                    held &= (frame[name] == level).to_numpy()
                n = int(held.sum())
                if not 1 <= n < whole or n < coverage * whole:
                    continue
                inside, a = target[held].mean(), int(target[held].sum())
                value = {
                    "wracc": n / whole * (inside - share),
                    "lift": inside / share,
                    "chi_squared": stats.chi2_contingency(
                        pd.crosstab(held, target), correction=False
                    ).statistic,
                }[quality]
                pairs = frozenset(zip(variables, levels, strict=True))
                scored[pairs] = (value, n, a, inside, target[~held].mean())
    least = 1.0 if quality == "lift" else 0.0
    rows = []
    for pairs, found in scored.items():
        parts = [
            scored[frozenset(part)][0]
            for length in range(1, len(pairs))
            for part in combinations(pairs, length)
            if frozenset(part) in scored
        ]
        gains = not parts or found[0] > max(parts) + 1e-13
        if found[0] > least + 1e-13 and (gains or not improving):
            rows.append((found[0], pairs, *found[1:]))
    return sorted(rows, key=lambda row: -row[0]), len(scored)


@pytest.mark.parametrize("quality", ["wracc", "lift", "chi_squared"])
@pytest.mark.parametrize("depth, improving", [(1, True), (2, True), (2, False), (3, True)])
def test_equals_a_brute_force_search(quality: str, depth: int, improving: bool) -> None:
    data = cohort()
    asked = {"depth": depth, "quality": quality, "improving": improving, "shown": 12}
    ours = find(data, parameters=asked)
    theirs, searched = brute(data, depth, quality, 0.05, improving=improving)

    assert ours.searched == searched
    assert ours.withheld == 0
    assert len(ours.subgroups) == min(12, len(theirs))
    values = [getattr(part, quality) for part in ours.subgroups]
    assert values == pytest.approx([row[0] for row in theirs[: len(values)]], rel=1e-12)
    by_rule = {row[1]: row for row in theirs}
    target, n = int((data["y"] == "ad").sum()), len(data["y"])
    for part in ours.subgroups:
        rule = frozenset((one.variable, one.level) for one in part.conditions)
        value, size, inside, share, outside = by_rule[rule][0], *by_rule[rule][2:]
        assert getattr(part, quality) == pytest.approx(value, rel=1e-12)
        assert (part.n, part.target) == (size, inside)
        assert part.coverage == pytest.approx(size / n, rel=1e-12)
        assert (part.share, part.share_outside) == pytest.approx((share, outside), rel=1e-12)
        cells = np.array([[inside, size - inside], [target - inside, n - target - size + inside]])
        fisher = stats.fisher_exact(cells)
        assert part.p_value == pytest.approx(fisher.pvalue, rel=1e-10)
        assert part.odds_ratio == pytest.approx(fisher.statistic, rel=1e-12)
        assert part.adjusted_p_value == pytest.approx(min(1, fisher.pvalue * searched), rel=1e-10)


def test_the_planted_subgroup_is_found() -> None:
    best = find(cohort(3000)).subgroups[0]
    assert [(part.variable, part.level) for part in best.conditions] == [
        ("gene", "e4"),
        ("sex", "F"),
    ]


@pytest.mark.parametrize("parts", [2, 3, 10, [range(3), range(3, 3), range(3, 600)]])
def test_federated_equals_pooled(parts: Any) -> None:
    data = cohort()
    parts = parts if isinstance(parts, int) else [np.array(rows, dtype=int) for rows in parts]
    asked = {"depth": 3}
    assert find(data, parameters=asked, parts=parts) == find(data, parameters=asked)


@settings(max_examples=15)
@given(st.permutations(range(60)), st.lists(st.integers(1, 59), max_size=5))
def test_blocks_in_any_split_and_order_count_the_same(order: list[int], cuts: list[int]) -> None:
    data = cohort(60)

    def counts(rows: list[int], cuts: list[int]) -> Any:
        codes = {
            name: (np.array([LEVELS[name].index(one) for one in data[name][rows]]), LEVELS[name])
            for name in (*X, "y")
        }
        over = cohort_over({"v": np.zeros(60)}, y=["y"], x=X, codes=codes, cuts=cuts)
        sets = ((0, 1), (2, 3))
        levels = tuple(tuple(range(len(LEVELS[name]))) for name in X)
        searched = over.fold(search_counts, SearchState("y", 0, X, levels, sets))
        rules = (((0, 1), (1, 0)),)
        told = over.fold(
            subgroup_counts, SubgroupState("y", 0, X, tuple(map(len, levels)), sets, rules)
        )
        return [searched.records, searched.patients, told.tables, told.rules, told.records]

    for mine, theirs in zip(counts(order, cuts), counts(list(range(60)), []), strict=True):
        assert mine.tolist() == theirs.tolist()


def small_cells(result: Any, data: dict[str, Any]) -> list[int]:
    """Every number of patients that the shown subgroups, their parts and siblings give away."""
    frame = pd.DataFrame(data)
    target = frame["y"] == "ad"
    found = []
    rules = [{part.variable: part.level for part in one.conditions} for one in result.subgroups]
    for rule in rules:
        for signs in product([True, False], repeat=len(rule)):
            held = np.ones(len(frame), dtype=bool)
            for (name, level), sign in zip(rule.items(), signs, strict=True):
                held &= ((frame[name] == level) == sign).to_numpy()
            found += [int((held & target).sum()), int((held & ~target).sum())]
    for rule in rules:
        for name in rule:
            others = {key: level for key, level in rule.items() if key != name}
            if others and others not in rules:
                continue
            held = np.ones(len(frame), dtype=bool)
            for key, level in others.items():
                held &= (frame[key] == level).to_numpy()
            told = [
                one[name]
                for one in rules
                if one.keys() == rule.keys() and {key: one[key] for key in others} == others
            ]
            held &= ~frame[name].isin(told).to_numpy()
            found += [int((held & target).sum()), int((held & ~target).sum())]
    return found


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("quality", ["wracc", "lift", "chi_squared"])
def test_no_small_group_is_told_nor_left_over(seed: int, quality: str) -> None:
    data = cohort(260, seed)
    data["gene"][:6] = "e1"
    levels = {"gene": ("e1", "e2", "e3", "e4")}
    asked = {"depth": 3, "quality": quality, "improving": False, "shown": 50, "coverage": 0.0}
    ours = find(data, parameters=asked, policy=STRICT, levels=levels)
    assert ours.subgroups
    assert [count for count in small_cells(ours, data) if 0 < count < 10] == []


def test_a_level_is_withheld_whose_sibling_is_small() -> None:
    rng = np.random.default_rng(4)
    group = np.array(["p"] * 140 + ["q"] * 60 + ["r"] * 5)
    data = {
        "g": group,
        "y": np.where(rng.random(205) < np.where(group == "p", 0.6, 0.5), "ad", "cn"),
    }
    levels = {"g": ("p", "q", "r"), "y": ("ad", "cn")}
    asked = {"depth": 1, "quality": "chi_squared"}
    open_ = find(data, ["g"], parameters=asked | {"coverage": 0.0}, levels=levels)
    strict = find(data, ["g"], parameters=asked, levels=levels, policy=STRICT)
    assert len(open_.subgroups) == 3
    # With both p and q, what is left of the whole would be the five of r.
    assert len(strict.subgroups) == 1
    assert strict.withheld >= 1
    assert "fewer than 10 patients" in strict.views()[-1].note


@pytest.mark.parametrize("complementary", [True, False])
def test_a_conjunction_is_withheld_that_few_of_a_condition_lack(complementary: bool) -> None:
    policy = Policy(overlap="off", complementary=complementary)
    data = cohort(400, 7)
    women = np.flatnonzero(data["sex"] == "F")
    data["smoking"][women] = "yes"
    data["smoking"][women[:4]] = "no"
    data["y"][women[:150]] = "ad"
    ours = find(data, ["sex", "smoking"], parameters={"improving": False}, policy=policy)
    rules = [tuple(part.level for part in one.conditions) for one in ours.subgroups]
    assert ("F", "yes") not in rules
    assert ours.withheld


def test_the_next_best_stand_in_for_those_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    data = cohort(260, 3)
    asked = {"depth": 3, "quality": "lift", "improving": False, "shown": 3, "coverage": 0.0}
    ours = find(data, parameters=asked, policy=STRICT)
    assert len(ours.subgroups) == 3
    assert ours.withheld > 20
    assert [part.lift for part in ours.subgroups] == sorted(
        (part.lift for part in ours.subgroups), reverse=True
    )
    monkeypatch.setattr(subgroup_search, "MOST_CELLS", 100)
    with pytest.raises(CannotCompute, match="Conjunctions of 2 conditions need"):
        find(data, parameters=asked)


def test_repeated_visits_count_patients() -> None:
    data = cohort(600)
    data["subjectid"] = np.array([f"s{index // 3:03d}" for index in range(600)])
    # Fifteen records with the fourth site's target, but of five patients.
    data["site"] = np.where(
        np.arange(600) < 15, "d", np.where(data["site"] == "d", "a", data["site"])
    )
    data["y"][:15] = "ad"
    ours = find(data, policy=STRICT, parameters={"coverage": 0.0})
    assert not any(part.level == "d" for one in ours.subgroups for part in one.conditions)
    relaxed = find(data, policy=Policy(overlap="off", minimum_cell=5), parameters={"coverage": 0.0})
    assert relaxed.n == 600
    assert "d" in [part.level for one in relaxed.subgroups for part in one.conditions]


def test_least_coverage_and_improvement_leave_out() -> None:
    data = cohort()
    wide = find(data, parameters={"coverage": 0.4, "improving": False, "shown": 50})
    assert wide.subgroups
    assert min(part.coverage for part in wide.subgroups) >= 0.4
    alike = data | {"sex": np.where(data["gene"] == "e4", "F", "M")}
    rules = [len(one.conditions) for one in find(alike, ["gene", "sex"]).subgroups]
    assert rules == [1, 1]


def test_no_better_subgroup_is_said_so() -> None:
    data = {"g": np.array(["p", "q"] * 100), "y": np.array(["ad", "ad", "cn", "cn"] * 50)}
    ours = find(data, ["g"], levels={"g": ("p", "q"), "y": ("ad", "cn")})
    assert ours.subgroups == ()
    (facts,) = ours.views()
    assert "No subgroup" in facts.note


def test_constant_and_empty_levels_give_no_condition() -> None:
    data = cohort() | {"sex": np.full(600, "F")}
    ours = find(data, parameters={"depth": 3, "shown": 50, "improving": False})
    assert "sex" not in {part.variable for one in ours.subgroups for part in one.conditions}


@pytest.mark.parametrize("level, message", [("ad", "record of the cohort is ad"), ("cn", "not ad")])
def test_one_class_only_is_named(level: str, message: str) -> None:
    with pytest.raises(CannotCompute, match=message):
        find(cohort() | {"y": np.full(600, level)})


def test_the_outcome_is_no_condition() -> None:
    with pytest.raises(CannotCompute, match="among its own"):
        find(cohort(), ["gene", "y"])


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(RequestError, match="target"):
        find(cohort(), parameters={"target": "perhaps"})


def test_a_small_target_is_refused() -> None:
    data = cohort()
    data["y"] = np.where(np.arange(600) < 6, "ad", "cn")
    with pytest.raises(Refused, match=r"\(ad\)"):
        find(data, policy=STRICT)


def test_views_show_what_a_paper_prints() -> None:
    views = find(cohort()).views()
    assert [view.title for view in views] == [
        "Coverage and share of the target",
        "Subgroups rich in y: ad",
        "Search",
    ]
    assert views[1].rows[0]["rule"].startswith("gene: e4")
