"""Cross-tabulation against SciPy and R, split over sites, and what it hides."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from medmip.algorithms.declaration import CannotCompute
from medmip.privacy.policy import Policy
from tests.analysis import analyse

CLOSED = Policy(overlap="off")


def cohort(records: int = 300, levels: int = 3, seed: int = 6) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    a = rng.choice(list("pqrs")[:levels], records)
    b = np.where(rng.random(records) < 0.3 + 0.2 * (a == "p"), "u", "v")
    return {"a": a, "b": b}


def fit(data: dict[str, Any], **options: Any) -> Any:
    return analyse("crosstab", data, y=["a"], x=["b"], **options)


def test_equals_scipy() -> None:
    data = cohort()
    counts = pd.crosstab(data["a"], data["b"])
    theirs = stats.chi2_contingency(counts)
    ours = fit(data)
    assert [list(row) for row in ours.counts] == counts.to_numpy().tolist()
    assert (ours.rows, ours.columns) == (("p", "q", "r"), ("u", "v"))
    assert ours.chi_squared == pytest.approx(theirs.statistic, rel=1e-8)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-8)
    assert ours.df == theirs.dof
    assert np.array(ours.expected) == pytest.approx(theirs.expected_freq)
    v = stats.contingency.association(counts, method="cramer")
    assert ours.cramers_v == pytest.approx(v, rel=1e-8)
    assert ours.odds_ratio is None
    residuals = np.array(ours.residuals)
    assert (residuals**2).sum() == pytest.approx(theirs.statistic, rel=1e-8)


@pytest.mark.parametrize("correction", [True, False])
def test_two_by_two_equals_r(need: Callable[..., str], tmp_path: Path, correction: bool) -> None:
    data = cohort(levels=2)
    pd.DataFrame(data).to_csv(tmp_path / "d.csv", index=False)
    script = (
        f't <- table(read.csv("{tmp_path}/d.csv")); '
        f"x <- chisq.test(t, correct = {'TRUE' if correction else 'FALSE'}); "
        "f <- fisher.test(t); "
        'cat("[", paste(format(c(x$statistic, x$p.value, f$p.value), digits = 16), '
        'collapse = ","), "]")'
    )
    rscript = need("Rscript")
    out = subprocess.run([rscript, "-e", script], capture_output=True, text=True, check=True).stdout
    ours = fit(data, parameters={"correction": correction})
    found = [ours.chi_squared, ours.p_value, ours.fisher_p_value]
    assert found == pytest.approx(json.loads(out), rel=1e-7)
    (a, b), (c, d) = ours.counts
    assert ours.odds_ratio == pytest.approx(a * d / (b * c))
    table = stats.contingency.odds_ratio(np.array(ours.counts), kind="sample")
    interval = table.confidence_interval(0.95)
    assert (ours.odds_ratio_lower, ours.odds_ratio_upper) == pytest.approx(
        (interval.low, interval.high)
    )


@pytest.mark.parametrize("parts", [2, 10])
def test_split_equals_pooled(parts: int) -> None:
    assert fit(cohort(), parts=parts) == fit(cohort())


def test_levels_nobody_has_are_left_out() -> None:
    data = cohort()
    keep = data["a"] != "q"
    ours = fit({key: values[keep] for key, values in data.items()})
    assert ours.rows == ("p", "r")


def test_a_suppressed_count_takes_the_tests_with_it() -> None:
    data = cohort()
    rare = (data["a"] == "p") & (data["b"] == "v")
    keep = ~rare | (rare.cumsum() <= 4)
    ours = fit({key: values[keep] for key, values in data.items()}, policy=CLOSED)
    assert sum(count is None for row in ours.counts for count in row) >= 4
    assert ours.chi_squared is None
    assert ours.p_value is None
    (shown,) = ours.views()
    assert "join levels" in shown.note


def test_one_level_has_no_answer() -> None:
    data = cohort()
    with pytest.raises(CannotCompute, match="b has a single level"):
        fit(data | {"b": np.full(300, "u")})


def test_views_show_counts_tests_and_heat() -> None:
    titles = [view.title for view in fit(cohort()).views()]
    assert titles == ["Counts", "Independence", "a by b"]
