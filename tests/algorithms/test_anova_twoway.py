"""Two-way ANOVA against statsmodels and R's car rules, split over sites, and without an answer."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm

from medmip.algorithms.declaration import CannotCompute
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.analysis import analyse


def cohort(records: int = 240, seed: int = 3, mean: float = 20.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    a = rng.choice(["p", "q", "r"], records, p=[0.5, 0.3, 0.2])
    b = rng.choice(["u", "v"], records, p=[0.7, 0.3])
    y = mean + rng.normal(size=records) + (a == "q") + 0.5 * ((a == "r") & (b == "v"))
    return {"a": a, "b": b, "y": y}


def fit(data: dict[str, Any], **options: Any) -> Any:
    return analyse("anova_twoway", data, y=["y"], x=["a", "b"], **options)


@pytest.mark.parametrize("kind", [1, 2, 3])
@pytest.mark.parametrize("interaction", [True, False])
def test_equals_statsmodels(kind: int, interaction: bool) -> None:
    data = cohort()
    ours = fit(data, parameters={"type": kind, "interaction": interaction})
    sign = "*" if interaction else "+"
    model = smf.ols(f"y ~ C(a, Sum) {sign} C(b, Sum)", pd.DataFrame(data)).fit()
    theirs = anova_lm(model, typ=kind).drop(index="Intercept", errors="ignore")

    assert [row.ss for row in ours.sources] == pytest.approx(theirs["sum_sq"], rel=1e-8)
    assert [row.df for row in ours.sources] == theirs["df"].tolist()
    found = [row.f for row in ours.sources[:-1]]
    assert found == pytest.approx(theirs["F"].to_numpy()[:-1], rel=1e-8)
    found = [row.p_value for row in ours.sources[:-1]]
    assert found == pytest.approx(theirs["PR(>F)"].to_numpy()[:-1], rel=1e-8)
    assert ours.r_squared == pytest.approx(model.rsquared, rel=1e-8)


def test_means_are_those_of_the_cells() -> None:
    data = cohort()
    cells = pd.DataFrame(data).groupby(["a", "b"])["y"].agg(["size", "mean", "std"])
    for row in fit(data).cells:
        size, mean, sd = cells.loc[(row.first, row.second)]
        assert (row.n, row.mean, row.sd) == (size, pytest.approx(mean), pytest.approx(sd))
        assert row.lower < row.mean < row.upper


def test_equals_r_where_a_pair_of_levels_is_empty(need: Callable[..., str], tmp_path: Path) -> None:
    data = cohort()
    keep = ~((data["a"] == "r") & (data["b"] == "v"))
    data = {key: values[keep] for key, values in data.items()}
    pd.DataFrame(data).to_csv(tmp_path / "d.csv", index=False)
    script = (
        f'd <- read.csv("{tmp_path}/d.csv", stringsAsFactors = TRUE); '
        "t <- anova(lm(y ~ a * b, d)); "
        'cat("[", paste(format(t[["Sum Sq"]], digits = 15), collapse = ","), "]\\n[", '
        'paste(t[["Df"]], collapse = ","), "]")'
    )
    rscript = need("Rscript")
    out = subprocess.run([rscript, "-e", script], capture_output=True, text=True, check=True).stdout
    squares, df = (json.loads(line) for line in out.splitlines())
    ours = fit(data, parameters={"type": 1}).sources
    assert [row.df for row in ours] == df
    assert [row.ss for row in ours] == pytest.approx(squares, rel=1e-8)


@pytest.mark.parametrize("parts", [2, 3, 10])
def test_split_equals_pooled(parts: int) -> None:
    data = cohort(mean=1e6)
    pooled, split = fit(data), fit(data, parts=parts)
    for one, other in zip(pooled.sources, split.sources, strict=True):
        assert other.ss == pytest.approx(one.ss, rel=1e-9)
        assert other.df == one.df


def test_a_large_mean_takes_no_digits() -> None:
    low, high = fit(cohort()), fit(cohort(mean=1e8))
    assert [row.ss for row in high.sources] == pytest.approx(
        [row.ss for row in low.sources], rel=1e-6
    )


def test_small_cells_are_refused_by_name() -> None:
    data = cohort()
    keep = ~((data["a"] == "r") & (data["b"] == "v")) | (np.arange(240) % 5 == 0)
    data = {key: values[keep] for key, values in data.items()}
    with pytest.raises(Refused, match="r with v"):
        fit(data, policy=Policy(overlap="off"))


def test_a_factor_of_one_level_has_no_answer() -> None:
    data = cohort()
    keep = data["b"] == "u"
    with pytest.raises(CannotCompute, match="b has a single level"):
        fit({key: values[keep] for key, values in data.items()})


def test_a_factor_that_the_other_determines_has_no_line() -> None:
    data = cohort()
    ours = fit(data | {"b": np.where(data["a"] == "p", "u", "v")}, parameters={"type": 1})
    assert [row.term for row in ours.sources] == ["a", "Residual"]
    assert ours.aliased == ("b", "a:b")
    assert "b is determined" in ours.views()[0].note


def test_a_constant_outcome_has_no_answer() -> None:
    data = cohort() | {"y": np.ones(240)}
    with pytest.raises(CannotCompute, match="constant"):
        fit(data)


def test_views_draw_the_means() -> None:
    tables = fit(cohort()).views()
    assert tables[0].title == "Analysis of variance"
    assert len(tables[1].spec["layer"]) == 2
