"""Analysis of covariance against statsmodels, split, and without an answer."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests

from medmip.algorithms.declaration import CannotCompute
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.analysis import analyse

LEVELS = {"group": ("a", "b", "c", "d"), "sex": ("F", "M")}
X = ["group", "age", "sex"]


def cohort(records: int = 240, seed: int = 3, offset: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    group, sex = rng.choice(["a", "b", "c"], records), rng.choice(["F", "M"], records)
    age = rng.normal(70, 8, records) + 3 * (group == "c") + offset
    y = 5 + 0.1 * (age - offset) + (group == "b") - 0.4 * (sex == "M") + rng.normal(size=records)
    return {"y": y, "age": age, "group": group, "sex": sex}


def fit(data: dict[str, Any], **options: Any) -> Any:
    return analyse("ancova", data, y=["y"], x=X, levels=LEVELS, **options)


def test_effects_equal_statsmodels() -> None:
    data = cohort()
    model = ols("y ~ C(group) + age + C(sex)", pd.DataFrame(data)).fit()
    theirs = anova_lm(model, typ=2)
    ours = fit(data)
    assert ours.factor == "group"
    assert [part.variable for part in ours.effects] == ["group", "age", "sex"]
    for part, row in zip(ours.effects, ["C(group)", "age", "C(sex)"], strict=True):
        assert part.ss == pytest.approx(theirs.loc[row, "sum_sq"], rel=1e-8)
        assert part.f == pytest.approx(theirs.loc[row, "F"], rel=1e-8)
        assert part.p_value == pytest.approx(theirs.loc[row, "PR(>F)"], rel=1e-7)
        assert part.df == theirs.loc[row, "df"]
    assert ours.ss_residual == pytest.approx(model.ssr, rel=1e-9)
    assert ours.r_squared == pytest.approx(model.rsquared, rel=1e-9)


def test_adjusted_means_are_predictions_at_the_means() -> None:
    data = cohort()
    frame = pd.DataFrame(data).assign(male=(data["sex"] == "M").astype(float))
    model = ols("y ~ C(group) + age + male", frame).fit()
    at = pd.DataFrame(
        {"group": ["a", "b", "c"], "age": frame["age"].mean(), "male": frame["male"].mean()}
    )
    theirs = model.get_prediction(at).summary_frame(alpha=0.05)
    ours = fit(data)
    assert [part.level for part in ours.means] == ["a", "b", "c"]
    assert [part.mean for part in ours.means] == pytest.approx(theirs["mean"], rel=1e-9)
    assert [part.std_error for part in ours.means] == pytest.approx(theirs["mean_se"], rel=1e-8)
    assert [part.lower for part in ours.means] == pytest.approx(theirs["mean_ci_lower"], rel=1e-8)
    assert [part.n for part in ours.means] == [(data["group"] == level).sum() for level in "abc"]
    first = ours.contrasts[0]
    test = model.t_test("C(group)[T.b] = 0")
    assert -first.difference == pytest.approx(float(test.effect[0]), rel=1e-9)
    assert first.p_value == pytest.approx(float(test.pvalue), rel=1e-7)
    raw = [part.p_value for part in ours.contrasts]
    expected = multipletests(raw, method="holm")[1]
    assert [part.adjusted for part in ours.contrasts] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("parts", [2, 10])
def test_split_equals_pooled(parts: int) -> None:
    data = cohort(offset=1e6)
    pooled, split = fit(data), fit(data, parts=parts)
    for one, two in zip(pooled.effects, split.effects, strict=True):
        assert one.ss == pytest.approx(two.ss, rel=1e-9)
    for one, two in zip(pooled.means, split.means, strict=True):
        assert one.mean == pytest.approx(two.mean, rel=1e-9)


def test_without_an_answer() -> None:
    data = cohort()
    with pytest.raises(CannotCompute, match="single level"):
        fit(data | {"group": np.full(240, "b")})
    with pytest.raises(CannotCompute, match="constant: age"):
        fit(data | {"age": np.full(240, 7.0)})
    with pytest.raises(CannotCompute, match="outcome y is constant"):
        fit(data | {"y": np.full(240, 7.0)})


def test_a_small_group_is_refused() -> None:
    data = cohort()
    data["group"][:4] = "d"
    with pytest.raises(Refused, match="d"):
        fit(data, policy=Policy(overlap="off"))


def test_views() -> None:
    titles = [view.title for view in fit(cohort()).views()]
    assert titles == [
        "Analysis of covariance", "y by group, adjusted", "Adjusted means", "Pairs", "Fit",
    ]  # fmt: skip
