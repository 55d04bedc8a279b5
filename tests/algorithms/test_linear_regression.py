"""linear_regression against statsmodels, whatever the split; what has no answer says so."""

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.outliers_influence import variance_inflation_factor

from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.linear_regression import linear_regression
from medmip.privacy.policy import Policy
from tests.algorithms.samples import brains, splits
from tests.analysis import analyse
from tests.blocks import cohort_over

COLUMNS = brains()


def reference(formula: str) -> Any:
    import pandas as pd

    frame = pd.DataFrame(COLUMNS)
    frame["b"] -= 1e8  # statsmodels loses digits of b's spread beside its mean; we do not.
    return smf.ols(formula, frame).fit()


@pytest.mark.parametrize("parts", splits(400), ids=lambda parts: str(parts)[:6])
def test_equals_statsmodels(parts: Any) -> None:
    found = analyse(
        "linear_regression",
        COLUMNS,
        y=["a"],
        x=["b", "d", "g"],
        parameters={"interactions": [["b", "g"]], "confidence": 0.9},
        parts=parts,
    )
    expected = reference("a ~ b + d + C(g) + b:C(g)")
    slopes = {
        "b": "b",
        "d": "d",
        "b:g[y]": "b:C(g)[T.y]",
        "b:g[z]": "b:C(g)[T.z]",
    }
    rows = {row.term: row for row in found.coefficients}
    interval = expected.conf_int(0.1)
    for term, name in slopes.items():
        row = rows[term]
        assert row.estimate == pytest.approx(expected.params[name], rel=1e-8)
        assert row.std_error == pytest.approx(expected.bse[name], rel=1e-8)
        assert row.p_value == pytest.approx(expected.pvalues[name], rel=1e-6)
        assert (row.lower, row.upper) == pytest.approx(tuple(interval.loc[name]), rel=1e-8)
    assert (found.n, found.df_residual) == (expected.nobs, expected.df_resid)
    assert found.r_squared == pytest.approx(expected.rsquared, rel=1e-9)
    assert found.r_squared_adjusted == pytest.approx(expected.rsquared_adj, rel=1e-9)
    assert found.f_statistic == pytest.approx(expected.fvalue, rel=1e-8)
    assert found.log_likelihood == pytest.approx(expected.llf, rel=1e-9)
    assert found.references == {"g": "x"}
    shown = [getattr(found.residuals, key) for key in ("minimum", "q1", "median", "q3", "maximum")]
    quantiles = np.quantile(expected.resid, [0, 0.25, 0.5, 0.75, 1])
    assert shown == pytest.approx(quantiles.tolist(), rel=1e-7, abs=1e-10)


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 200), max_size=6), order=st.randoms(use_true_random=False))
def test_blocks_and_order_change_nothing(cuts: list[int], order: Any) -> None:
    columns = {code: brains(200, missing=0.0)[code] for code in "acd"}
    rows = list(range(200))
    order.shuffle(rows)
    shuffled = {code: values[rows] for code, values in columns.items()}
    whole, cut = (
        linear_regression.run(
            _with_x(cohort_over(data, y=["a"], cuts=edges)), linear_regression.parameters()
        )
        for data, edges in ((columns, ()), (shuffled, cuts))
    )
    for one, other in zip(whole.coefficients, cut.coefficients, strict=True):
        assert other.estimate == pytest.approx(one.estimate, rel=1e-12, abs=1e-13)
        assert other.std_error == pytest.approx(one.std_error, rel=1e-12)
    assert cut.residuals
    assert whole.residuals
    assert cut.residuals.median == pytest.approx(whole.residuals.median, rel=1e-9, abs=1e-12)


def _with_x(cohort: Any) -> Any:
    from dataclasses import replace

    from tests.blocks import numeric

    return replace(cohort, x=(numeric("c"), numeric("d")))


def test_residual_extremes_need_the_policys_leave() -> None:
    closed = Policy(overlap="off")
    found = analyse("linear_regression", COLUMNS, y=["a"], x=["c"], policy=closed)
    assert (found.residuals.minimum, found.residuals.maximum) == (None, None)
    keys = [column.key for column in found.views()[-1].columns]
    assert keys == ["q1", "median", "q3"]


def test_column_far_from_zero_keeps_twelve_digits() -> None:
    far = analyse("linear_regression", COLUMNS, y=["a"], x=["b"], parts=3)
    near = {**COLUMNS, "b": COLUMNS["b"] - 1e8}
    expected = analyse("linear_regression", near, y=["a"], x=["b"])
    assert far.coefficients[1].estimate == pytest.approx(
        expected.coefficients[1].estimate, rel=1e-12
    )


@pytest.mark.parametrize("parts", [1, 3])
def test_dependent_covariates_are_named(parts: int) -> None:
    columns = brains(100, missing=0.0)
    columns["twice"] = 2 * columns["c"] - columns["d"]
    with pytest.raises(CannotCompute) as caught:
        analyse("linear_regression", columns, y=["a"], x=["b", "c", "d", "twice"], parts=parts)
    assert all(code in str(caught.value) for code in ("c", "d", "twice"))
    assert "b" not in str(caught.value).split("other: ")[1].split("\n")[0].split(", ")


def test_constant_covariate_is_named() -> None:
    columns = brains(100, missing=0.0) | {"k": np.full(100, 0.1)}
    with pytest.raises(CannotCompute, match="k"):
        analyse("linear_regression", columns, y=["a"], x=["c", "k"])


@pytest.mark.parametrize("value", [0.0, 0.1, -1e8])
def test_constant_outcome_is_named(value: float) -> None:
    columns = brains(100, missing=0.0) | {"k": np.full(100, value)}
    with pytest.raises(CannotCompute, match="outcome k is constant"):
        analyse("linear_regression", columns, y=["k"], x=["c"], parts=3)


def test_more_coefficients_than_records() -> None:
    columns = brains(4, missing=0.0)
    with pytest.raises(CannotCompute, match="cannot be estimated"):
        analyse("linear_regression", columns, y=["a"], x=["b", "c", "d"])


def test_level_that_nobody_has_is_dropped_and_told() -> None:
    columns = brains(60, missing=0.0)
    found = analyse(
        "linear_regression", columns, y=["a"], x=["g"], levels={"g": ["w", "x", "y", "z"]}
    )
    assert found.dropped == ("g[w]",)
    assert found.references == {"g": "x"}


def test_exact_fit_has_no_residual() -> None:
    x = np.arange(50.0)
    found = analyse("linear_regression", {"y": 3 + 2 * x, "x": x}, y=["y"], x=["x"])
    assert [row.estimate for row in found.coefficients] == pytest.approx([3, 2], rel=1e-14)
    assert found.r_squared == 1.0
    assert found.residual_std_error < 1e-12


def _uneven(records: int = 300) -> dict[str, Any]:
    rng = np.random.default_rng(6)
    x, z = rng.normal(5, 1, records), rng.exponential(1, records)
    own = rng.normal(size=records // 3).repeat(3)
    return {
        "x": x,
        "z": z + 0.8 * x,
        "y": 2 * x - z + own + rng.normal(size=records) * (0.3 + z),
        "subjectid": np.array([f"P{index // 3:04d}" for index in range(records)]),
        "visitid": np.array([f"V{index % 3}" for index in range(records)]),
    }


@pytest.mark.parametrize("errors", ["robust", "by patient"])
@pytest.mark.parametrize("parts", [1, 4])
def test_robust_errors_equal_statsmodels(errors: str, parts: int) -> None:
    data = _uneven()
    model = sm.OLS(data["y"], sm.add_constant(np.column_stack([data["x"], data["z"]])))
    if errors == "robust":
        theirs = model.fit(cov_type="HC3")
    else:
        groups = np.unique(data["subjectid"], return_inverse=True)[1]
        theirs = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
    ours = analyse(
        "linear_regression", data, y=["y"], x=["x", "z"],
        parameters={"errors": errors}, parts=parts,
    )  # fmt: skip
    assert [row.estimate for row in ours.coefficients] == pytest.approx(theirs.params, rel=1e-9)
    assert [row.std_error for row in ours.coefficients] == pytest.approx(theirs.bse, rel=1e-8)
    assert "Standard errors" in ours.views()[0].note


def test_variance_inflation_equals_statsmodels() -> None:
    data = _uneven()
    design = sm.add_constant(np.column_stack([data["x"], data["z"]]))
    expected = [variance_inflation_factor(design, index) for index in (1, 2)]
    ours = analyse("linear_regression", data, y=["y"], x=["x", "z"])
    assert list(ours.inflation) == pytest.approx(expected, rel=1e-9)
    assert "Variance inflation" in [view.title for view in ours.views()]
