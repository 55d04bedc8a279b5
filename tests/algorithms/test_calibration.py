"""Predicted means and chances beside what happened, against the same made with statsmodels."""

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from medmip.privacy.policy import Policy
from tests.algorithms.samples import splits
from tests.analysis import analyse

RECORDS = 900
LEVELS = {"site": ("s", "t")}


def cohort(records: int = RECORDS) -> dict[str, Any]:
    rng = np.random.default_rng(9)
    a, b = rng.normal(size=records), rng.normal(size=records)
    mean = np.exp(0.8 + 0.5 * a - 0.3 * b)
    score = np.column_stack([np.zeros(records), 0.4 + a, -0.2 - b]) + rng.gumbel(size=(records, 3))
    return {
        "a": a,
        "b": b,
        "count": rng.poisson(mean).astype(float),
        "wide": rng.negative_binomial(2.0, 2.0 / (2.0 + mean)).astype(float),
        "amount": mean * rng.gamma(3.0, 1 / 3.0, records),
        "class": np.array(["u", "v", "w"])[score.argmax(axis=1)],
        "time": rng.uniform(0.5, 2.0, records),
        "w": rng.integers(0, 3, records).astype(float),
    }


def tenths(values: np.ndarray) -> np.ndarray:
    cuts = np.quantile(values, np.linspace(0.1, 0.9, 9))
    found: np.ndarray = np.searchsorted(cuts, values, side="left")
    return found


FAMILIES: dict[str, tuple[str, Any]] = {
    "poisson": ("count", sm.families.Poisson()),
    "gamma": ("amount", sm.families.Gamma(sm.families.links.Log())),
    "negative binomial": ("wide", None),
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("parts", splits(RECORDS), ids=lambda parts: str(parts)[:6])
def test_means_by_tenth_equal_statsmodels(family: str, parts: Any) -> None:
    data, (y, law) = cohort(), FAMILIES[family]
    ours = analyse("glm", data, y=[y], x=["a", "b"], parameters={"family": family}, parts=parts)
    law = law or sm.families.NegativeBinomial(alpha=1 / ours.theta)
    design = sm.add_constant(np.column_stack([data["a"], data["b"]]))
    theirs = sm.GLM(data[y], design, law).fit(tol=1e-12)
    mean = theirs.predict()
    scale = theirs.pearson_chi2 / theirs.df_resid if family == "gamma" else 1.0
    group = tenths(mean)
    n, expected, observed, variance = (
        np.bincount(group, part)
        for part in (np.ones(RECORDS), mean, data[y], scale * law.variance(mean))
    )
    found = ours.calibration.groups
    reach = stats.norm.ppf(0.975) * np.sqrt(variance) / n
    assert [part.patients for part in found] == n.tolist()
    assert [part.expected for part in found] == pytest.approx((expected / n).tolist(), rel=1e-6)
    assert [part.observed for part in found] == pytest.approx((observed / n).tolist(), rel=1e-9)
    for part, mean_, by in zip(found, expected / n, reach, strict=True):
        assert [part.lower, part.upper] == pytest.approx([mean_ - by, mean_ + by], rel=1e-5)


def test_weights_and_exposure_count_in_every_group() -> None:
    data = cohort()
    data["count"] = np.random.default_rng(1).poisson(data["time"] * np.exp(0.5 * data["a"])) * 1.0
    ours = analyse(
        "glm",
        data,
        y=["count"],
        x=["a", "w", "time"],
        parameters={"weights": "w", "exposure": "time"},
        parts=3,
    )
    held = data["w"] > 0
    y, w = data["count"][held], data["w"][held]
    theirs = sm.GLM(
        y,
        sm.add_constant(data["a"][held]),
        sm.families.Poisson(),
        exposure=data["time"][held],
        freq_weights=w,
    ).fit(tol=1e-12)
    mean = theirs.predict()
    group = tenths(mean)
    total, expected, observed = (np.bincount(group, w * part) for part in (1.0 + 0 * y, mean, y))
    found = ours.calibration.groups
    assert [part.expected for part in found] == pytest.approx((expected / total).tolist(), rel=1e-6)
    assert [part.observed for part in found] == pytest.approx((observed / total).tolist(), rel=1e-9)
    reach = stats.norm.ppf(0.975) * np.sqrt(expected) / total
    assert [part.upper - part.expected for part in found] == pytest.approx(reach.tolist(), rel=1e-5)


@pytest.mark.parametrize("parts", splits(RECORDS), ids=lambda parts: str(parts)[:6])
def test_chances_of_classes_equal_fagerlands_test(parts: Any) -> None:
    data = cohort()
    found = analyse(
        "multinomial_regression", data, y=["class"], x=["a", "b"], parts=parts
    ).calibration
    design = sm.add_constant(np.column_stack([data["a"], data["b"]]))
    held = np.searchsorted(np.array(["u", "v", "w"]), data["class"])
    chances = sm.MNLogit(held, design).fit(disp=0, tol=1e-14, method="newton").predict()
    group = tenths(1 - chances[:, 0])
    observed = np.array([np.bincount(group, held == index) for index in range(3)]).T
    expected = np.array([np.bincount(group, part) for part in chances.T]).T
    assert [part.observed for part in found.groups] == [tuple(row) for row in observed.tolist()]
    for part, row in zip(found.groups, expected, strict=True):
        assert part.expected == pytest.approx(row.tolist(), rel=1e-6)
    value = ((observed - expected) ** 2 / expected).sum()
    assert found.chi_square == pytest.approx(value, rel=1e-5)
    assert found.df == 16
    assert found.p_value == pytest.approx(stats.chi2.sf(value, 16), rel=1e-5)


def test_a_bent_effect_that_the_model_does_not_know_shows() -> None:
    data = cohort()
    data["count"] = np.random.default_rng(2).poisson(np.exp(0.5 * data["a"] ** 2 - 0.5)) * 1.0
    found = analyse("glm", data, y=["count"], x=["a", "b"]).calibration.groups
    assert sum(not part.lower <= part.observed <= part.upper for part in found) >= 3
    bent = data | {"class": np.where(np.abs(data["a"]) > 1, "u", data["class"])}
    test = analyse("multinomial_regression", bent, y=["class"], x=["a", "b"]).calibration
    assert test.p_value < 1e-3


def test_groups_are_joined_until_no_site_hides_one() -> None:
    data = {code: values[:150] for code, values in cohort().items()}
    policy = Policy(overlap="off")
    means = analyse("glm", data, y=["count"], x=["a", "b"], policy=policy, parts=2).calibration
    assert 2 <= len(means.groups) < 10
    assert all(part.patients >= 20 for part in means.groups)
    found = analyse(
        "multinomial_regression", data, y=["class"], x=["a"], policy=policy, parts=2
    ).calibration
    assert found is None or all(
        count == 0 or count >= 10 for part in found.groups for count in part.observed
    )


def test_it_may_be_left_out() -> None:
    data = cohort()
    asked = {"calibration": False}
    assert analyse("glm", data, y=["count"], x=["a"], parameters=asked).calibration is None
    assert (
        analyse("multinomial_regression", data, y=["class"], x=["a"], parameters=asked).calibration
        is None
    )
