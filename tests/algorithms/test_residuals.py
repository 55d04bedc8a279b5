"""Diagnostics of a linear regression against statsmodels' standardised residuals."""

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from medmip.algorithms.residuals import EDGES
from medmip.privacy.policy import Policy
from tests.algorithms.samples import splits
from tests.analysis import analyse

RECORDS = 1200


def cohort(records: int = RECORDS) -> dict[str, Any]:
    rng = np.random.default_rng(9)
    a, b = rng.normal(size=records), 1e6 + rng.exponential(2.0, records)
    g = rng.choice(["x", "y", "z"], records)
    noise = rng.standard_t(4, records) * np.exp(0.3 * a)
    weights = np.round(rng.gamma(2, 0.5, records), 2)
    return {"a": a, "b": b, "g": g, "w": weights, "y": 2 + a - 0.5 * (b - 1e6) + noise}


def fit(data: dict[str, Any], more: dict[str, Any] | None = None, **options: Any) -> Any:
    more = more or {}
    named = [value for key, value in more.items() if key == "weights"]
    return analyse(
        "linear_regression", data, y=["y"], x=["a", "b", "g", *named], parameters=more, **options
    )


def by_statsmodels(data: dict[str, Any], weights: Any = None) -> tuple[Any, Any]:
    """Standardised residuals and fitted values of the records that count."""
    held = np.ones(len(data["y"]), dtype=bool) if weights is None else weights > 0
    w = np.ones(held.sum()) if weights is None else weights[held]
    columns = [np.ones(len(held)), data["a"], data["b"] - 1e6, data["g"] == "y", data["g"] == "z"]
    x, y = np.column_stack(columns).astype(float)[held], data["y"][held]
    root = np.sqrt(w)
    found = sm.OLS(y * root, x * root[:, None]).fit()
    return found.get_influence().resid_studentized_internal, x @ found.params


def expected_spread(residual: Any, fitted: Any, parts: int) -> Any:
    shares = np.arange(1, parts) / parts
    chosen = [round(parts * index / 20) - 1 for index in range(1, 20)]
    cuts = np.quantile(fitted, shares)[chosen]
    group = np.searchsorted(cuts, fitted)
    sizes = np.bincount(group)
    means = [
        np.bincount(group, part) / sizes for part in (fitted, residual, np.sqrt(np.abs(residual)))
    ]
    return sizes, np.column_stack(means)


@pytest.mark.parametrize("parts", splits(RECORDS), ids=lambda parts: str(parts)[:6])
@pytest.mark.parametrize("weighed", [False, True])
def test_equals_statsmodels(parts: Any, weighed: bool) -> None:
    data = cohort()
    found = fit(data, {"weights": "w"} if weighed else {}, parts=parts).diagnostics
    residual, fitted = by_statsmodels(data, data["w"] if weighed else None)
    edges = [-np.inf, *EDGES, np.inf]
    counts = np.histogram(residual, edges)[0]
    assert list(found.counts) == counts.tolist()
    shares = np.arange(1, 100) / 100
    assert [point.share for point in found.quantiles] == pytest.approx(shares.tolist())
    quantiles = np.quantile(residual, shares)
    ours = [point.residual for point in found.quantiles]
    assert ours == pytest.approx(quantiles.tolist(), abs=0.5001e-3)
    normal = [point.normal for point in found.quantiles]
    assert normal == pytest.approx(stats.norm.ppf(shares).tolist())
    sizes, means = expected_spread(residual, fitted, 100)
    assert [point.records for point in found.spread] == sizes.tolist()
    table = np.array([(point.fitted, point.residual, point.root) for point in found.spread])
    assert table == pytest.approx(means, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("parts", splits(RECORDS)[1:], ids=lambda parts: str(parts)[:6])
def test_federated_equals_pooled(parts: Any) -> None:
    whole, split = (fit(cohort(), parts=way).diagnostics for way in (1, parts))
    assert whole.counts == split.counts
    for one, other in zip(whole.spread, split.spread, strict=True):
        assert other.root == pytest.approx(one.root, rel=1e-9)
        assert other.residual == pytest.approx(one.residual, rel=1e-9, abs=1e-9)


def test_no_bin_tells_of_fewer_than_the_minimum() -> None:
    found = fit(cohort(300), policy=Policy(overlap="off")).diagnostics
    residual, _ = by_statsmodels(cohort(300))
    counts = np.histogram(residual, [-np.inf, *EDGES, np.inf])[0]
    assert any(0 < count < 10 for count in counts)
    hidden = 0
    for count, true in zip(found.counts, counts, strict=True):
        assert count is None or count == true
        assert count is None or count == 0 or count >= 10
        hidden += 0 if count is None else count
    assert hidden < 300
    assert all(point.records >= 10 for point in found.spread)
    assert len(found.quantiles) == 29
    told = {view.title: view for view in fit(cohort(300), policy=Policy(overlap="off")).views()}
    rows = told["Standardised residuals by bin"].rows
    assert "hidden" in [row["records"] for row in rows]
    assert "hidden" in told["Standardised residuals"].note


def test_bins_are_wider_where_a_site_would_hide_some() -> None:
    policy = Policy(overlap="off")
    whole, split = (fit(cohort(600), policy=policy, parts=way).diagnostics for way in (1, 4))
    assert len(whole.spread) == 20
    assert len(split.spread) in (5, 10)
    assert sum(point.records for point in split.spread) == 600


def test_site_of_few_patients_hides_all_bins_but_no_view_fails() -> None:
    rows = np.arange(600)
    parts = [rows[:585], rows[585:]]
    policy = Policy(overlap="off", patients_per_parameter=0)
    data = cohort(600)
    data["g"] = np.where(rows >= 585, "x", data["g"])
    found = fit(data, policy=policy, parts=parts)
    assert len(found.diagnostics.spread) < 5
    assert "Residuals against normal quantiles" in [view.title for view in found.views()]


def test_quantiles_are_no_patients_residuals_in_full() -> None:
    found = fit(cohort()).diagnostics
    assert all(point.residual == round(point.residual, 3) for point in found.quantiles)


def test_few_patients_have_no_diagnostics() -> None:
    assert fit(cohort(35), policy=Policy(overlap="off", minimum_cell=10)).diagnostics is None


def test_patients_without_weight_make_no_bin_finer() -> None:
    data = cohort(400)
    data["w"] = (np.arange(400) < 120).astype(float)
    found = fit(data, {"weights": "w"}, policy=Policy(overlap="off")).diagnostics
    assert len(found.quantiles) == 11
    assert sum(point.records for point in found.spread) == 120


def test_exact_fit_has_no_diagnostics() -> None:
    x = np.arange(200.0)
    found = analyse("linear_regression", {"x": x, "y": 2 * x + 1}, y=["y"], x=["x"])
    assert found.diagnostics is None


def test_record_that_is_fitted_whatever_its_outcome_has_no_residual() -> None:
    data = cohort(200)
    data["g"] = np.where(np.arange(200) == 0, "z", data["g"])
    data["g"] = np.where((data["g"] == "z") & (np.arange(200) > 0), "x", data["g"])
    found = fit(data).diagnostics
    assert sum(count for count in found.counts) == 199
    assert sum(point.records for point in found.spread) == 199


def test_one_patients_records_are_counted_as_one() -> None:
    data = cohort(400)
    patient = np.arange(400) // 40
    data["subjectid"] = np.array([f"P{index}" for index in patient])
    data["visitid"] = np.array([f"V{index % 40}" for index in range(400)])
    policy = Policy(overlap="off", minimum_cell=5, minimum_patients=5, patients_per_parameter=0)
    found = fit(data, policy=policy).diagnostics
    # Ten patients and a minimum of five leave two groups, too few for a picture.
    assert found is None


def test_missing_values_drop_their_records() -> None:
    data = cohort()
    data["a"][:100] = np.nan
    found = fit(data).diagnostics
    assert sum(found.counts) == RECORDS - 100


def test_can_be_turned_off() -> None:
    found = fit(cohort(), {"diagnostics": False})
    assert found.diagnostics is None
    assert "Standardised residuals" not in [view.title for view in found.views()]


def test_views_show_three_pictures() -> None:
    charts = [view.title for view in fit(cohort()).views() if view.kind == "chart"]
    assert charts[-3:] == [
        "Standardised residuals",
        "Residuals against normal quantiles",
        "Residuals by fitted value",
    ]
