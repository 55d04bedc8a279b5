"""Polynomials and restricted cubic splines against the same columns made by hand."""

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from medmip.algorithms.declaration import CannotCompute
from medmip.errors import RequestError
from medmip.fold.block import Block, Layout
from medmip.privacy.policy import Policy
from tests.algorithms.samples import splits
from tests.analysis import analyse

RECORDS = 500


def cohort(far: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    age, dose = rng.normal(68, 9, RECORDS), rng.exponential(2.0, RECORDS)
    sex = rng.choice(["F", "M"], RECORDS)
    eta = np.sin(age / 8) + 0.05 * dose + 0.3 * (sex == "M")
    return {
        "age": age + far,
        "dose": dose,
        "sex": sex,
        "y": eta + rng.normal(0, 0.7, RECORDS),
        "died": np.where(rng.random(RECORDS) < 1 / (1 + np.exp(-eta)), "yes", "no"),
        "visits": rng.poisson(np.exp(0.5 * eta)).astype(float),
        "time": np.ceil(60 * rng.exponential(np.exp(-0.6 * eta))),
    }


def basis(x: Any, knots: Any) -> Any:
    """Harrell's columns: x, then the curved ones (Regression Modeling Strategies, 2.4.5)."""
    t = np.asarray(knots)
    columns = [x]
    for j in range(len(t) - 2):
        cubes = [np.clip(x - knot, 0, None) ** 3 for knot in (t[j], t[-2], t[-1])]
        width = t[-1] - t[-2]
        bent = cubes[0] - cubes[1] * (t[-1] - t[j]) / width + cubes[2] * (t[-2] - t[j]) / width
        columns.append(bent / (t[-1] - t[0]) ** 2)
    return np.column_stack(columns)


def wald(found: Any, held: Any) -> float:
    b, v = np.asarray(found.params)[held], np.asarray(found.cov_params())[np.ix_(held, held)]
    return float(b @ np.linalg.solve(v, b))


X = ["age", "dose", "sex"]
ASKED = {"splines": ["age"], "knots": 5, "polynomials": ["dose"], "degree": 3}


def made_by_hand(data: dict[str, Any], found: Any) -> Any:
    age, dose = found.curves[1], found.curves[0]
    assert (age.variable, dose.variable) == ("age", "dose")
    powers = np.column_stack([data["dose"], *((data["dose"] - dose.origin) ** k for k in (2, 3))])
    return np.column_stack([basis(data["age"], age.knots), powers, data["sex"] == "M"])


@pytest.mark.parametrize("parts", splits(RECORDS), ids=lambda parts: str(parts)[:6])
def test_linear_regression_equals_columns_by_hand(parts: Any) -> None:
    data = cohort()
    found = analyse("linear_regression", data, y=["y"], x=X, parameters=ASKED, parts=parts)
    terms = ["age", "age'", "age''", "age'''", "dose", "dose^2", "dose^3", "sex[M]"]
    assert [row.term for row in found.coefficients] == ["Intercept", *terms]
    theirs = sm.OLS(data["y"], sm.add_constant(made_by_hand(data, found))).fit()
    assert [row.estimate for row in found.coefficients] == pytest.approx(theirs.params, rel=1e-8)
    assert [row.std_error for row in found.coefficients] == pytest.approx(theirs.bse, rel=1e-8)
    assert found.r_squared == pytest.approx(theirs.rsquared, rel=1e-9)
    dose, age = found.curves
    for test, held in (
        (age.overall, [1, 2, 3, 4]),
        (age.nonlinear, [2, 3, 4]),
        (dose.overall, [5, 6, 7]),
        (dose.nonlinear, [6, 7]),
    ):
        expected = wald(theirs, held) / len(held)
        assert (test.df, test.df_residual) == (len(held), theirs.df_resid)
        assert test.statistic == pytest.approx(expected, rel=1e-7)
        p_value = stats.f.sf(expected, len(held), theirs.df_resid)
        assert test.p_value == pytest.approx(p_value, rel=1e-6)


def test_knots_lie_at_harrells_quantiles() -> None:
    data = cohort()
    found = analyse("linear_regression", data, y=["y"], x=X, parameters=ASKED)
    shares = [0.05, 0.275, 0.5, 0.725, 0.95]
    exact = np.quantile(data["age"], shares)
    width = exact[-1] - exact[0]
    assert found.curves[1].knots == pytest.approx(exact.tolist(), abs=width / 100)
    assert found.curves[1].knots == tuple(round(value, 1) for value in exact.tolist())


def test_curve_is_the_difference_from_the_reference() -> None:
    data = cohort()
    found = analyse("linear_regression", data, y=["y"], x=X, parameters=ASKED)
    theirs = sm.OLS(data["y"], sm.add_constant(made_by_hand(data, found))).fit()
    age = found.curves[1]
    values = np.array([point.value for point in age.points])
    assert (values[0], values[-1]) == pytest.approx(
        tuple(np.quantile(data["age"], [0.05, 0.95])), abs=0.1
    )
    rows = basis(values, age.knots) - basis(np.array([age.reference]), age.knots)
    effect = rows @ theirs.params[1:5]
    errors = np.sqrt(np.diag(rows @ theirs.cov_params()[1:5, 1:5] @ rows.T))
    margin = stats.t.ppf(0.975, theirs.df_resid) * errors
    assert [p.effect for p in age.points] == pytest.approx(effect.tolist(), abs=1e-8)
    assert [p.upper for p in age.points] == pytest.approx((effect + margin).tolist(), abs=1e-8)
    assert [p.lower for p in age.points] == pytest.approx((effect - margin).tolist(), abs=1e-8)


def test_spline_is_straight_beyond_its_outer_knots() -> None:
    data = cohort()
    found = analyse("linear_regression", data, y=["y"], x=X, parameters=ASKED)
    far = np.array([200.0, 300.0, 400.0, -100.0, -200.0, -300.0])
    predicted = found.model.predict(block_of(far, np.ones(6), np.ones(6)))
    assert predicted[1] - predicted[0] == pytest.approx(predicted[2] - predicted[1], rel=1e-9)
    assert predicted[4] - predicted[3] == pytest.approx(predicted[5] - predicted[4], rel=1e-9)


def block_of(age: Any, dose: Any, sex: Any) -> Block:
    return Block(
        Layout(("age", "dose"), ("sex",), (("F", "M"),)),
        np.asfortranarray(np.column_stack([age, dose])),
        np.asarray(sex, dtype=np.int32)[:, None],
        np.zeros(len(age), dtype=np.int32),
        None,
    )


def test_model_predicts_with_curves_and_survives_json() -> None:
    data = cohort()
    found = analyse("linear_regression", data, y=["y"], x=X, parameters=ASKED)
    theirs = sm.OLS(data["y"], sm.add_constant(made_by_hand(data, found))).fit()
    model = type(found).model_validate_json(found.model_dump_json()).model
    ours = model.predict(block_of(data["age"], data["dose"], data["sex"] == "M"))
    assert ours == pytest.approx(theirs.fittedvalues, rel=1e-9, abs=1e-9)


def test_powers_far_from_zero_lose_no_digits() -> None:
    asked = {"polynomials": ["age"], "degree": 3}
    near, far = (
        analyse("linear_regression", cohort(by), y=["y"], x=["age"], parameters=asked)
        for by in (0.0, 2.0**20)
    )
    assert far.curves[0].nonlinear.statistic == pytest.approx(
        near.curves[0].nonlinear.statistic, rel=1e-6
    )
    assert far.r_squared == pytest.approx(near.r_squared, rel=1e-8)


def test_interaction_takes_every_curved_column() -> None:
    data = cohort()
    asked = {"splines": ["age"], "knots": 3, "interactions": [["age", "sex"]]}
    found = analyse("linear_regression", data, y=["y"], x=["age", "sex"], parameters=asked)
    columns, male = basis(data["age"], found.curves[0].knots), data["sex"] == "M"
    design = np.column_stack([columns, male, columns * male[:, None]])
    theirs = sm.OLS(data["y"], sm.add_constant(design)).fit()
    assert [row.estimate for row in found.coefficients] == pytest.approx(theirs.params, rel=1e-7)
    assert found.curves[0].overall.df == 4
    assert found.curves[0].nonlinear.df == 2
    assert found.curves[0].nonlinear.statistic == pytest.approx(wald(theirs, [2, 5]) / 2, rel=1e-7)


@pytest.mark.parametrize("errors", ["robust"])
def test_robust_errors_reach_the_curve(errors: str) -> None:
    data = cohort()
    asked = ASKED | {"errors": errors}
    found = analyse("linear_regression", data, y=["y"], x=X, parameters=asked)
    theirs = sm.OLS(data["y"], sm.add_constant(made_by_hand(data, found))).fit(cov_type="HC3")
    expected = wald(theirs, [2, 3, 4]) / 3
    assert found.curves[1].nonlinear.statistic == pytest.approx(expected, rel=1e-7)


def test_logistic_regression_equals_columns_by_hand() -> None:
    data = cohort()
    asked = ASKED | {"positive_class": "yes"}
    found = analyse("logistic_regression", data, y=["died"], x=X, parameters=asked, parts=3)
    design = sm.add_constant(made_by_hand(data, found))
    theirs = sm.Logit(data["died"] == "yes", design).fit(disp=0, tol=1e-14)
    assert [row.estimate for row in found.coefficients] == pytest.approx(theirs.params, rel=1e-6)
    assert [row.std_error for row in found.coefficients] == pytest.approx(theirs.bse, rel=1e-6)
    assert found.curves[1].nonlinear.statistic == pytest.approx(wald(theirs, [2, 3, 4]), rel=1e-6)
    assert found.curves[1].nonlinear.df_residual is None
    expected = stats.chi2.sf(wald(theirs, [1, 2, 3, 4]), 4)
    assert found.curves[1].overall.p_value == pytest.approx(expected, rel=1e-5)
    chances = found.model.predict(block_of(data["age"], data["dose"], data["sex"] == "M"))[:, 1]
    assert chances == pytest.approx(theirs.predict(design), rel=1e-6)


def test_glm_equals_columns_by_hand() -> None:
    data = cohort()
    found = analyse("glm", data, y=["visits"], x=X, parameters=ASKED, parts=3)
    design = sm.add_constant(made_by_hand(data, found))
    theirs = sm.GLM(data["visits"], design, family=sm.families.Poisson()).fit(tol=1e-14)
    assert [row.estimate for row in found.coefficients] == pytest.approx(theirs.params, rel=1e-6)
    assert found.curves[0].overall.statistic == pytest.approx(wald(theirs, [5, 6, 7]), rel=1e-6)


def test_cox_equals_columns_by_hand() -> None:
    data = cohort()
    asked = ASKED | {"event": "yes"}
    found = analyse("cox", data, y=["time"], x=["died", *X], parameters=asked, parts=3)
    theirs = sm.PHReg(
        data["time"], made_by_hand(data, found), status=data["died"] == "yes", ties="efron"
    ).fit(tol=1e-10)
    assert [row.estimate for row in found.coefficients] == pytest.approx(theirs.params, rel=1e-6)
    expected = wald(theirs, [1, 2, 3])
    assert found.curves[1].nonlinear.statistic == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["ordinal_regression", "mixed_model"])
def test_other_regressions_equal_columns_given_by_hand(name: str) -> None:
    data = cohort()
    data["grade"] = np.array(["g1", "g2", "g3"])[np.digitize(data["y"], [-0.5, 0.8])]
    patient = np.arange(RECORDS) // 4
    data["subjectid"] = np.array([f"P{index:04d}" for index in patient])
    data["visitid"] = np.array([f"V{index:04d}" for index in range(RECORDS)])
    outcome = "grade" if name == "ordinal_regression" else "y"
    asked = {"splines": ["age"], "knots": 3}
    found = analyse(
        name,
        data,
        y=[outcome],
        x=["age", "sex"],
        parameters=asked,
        parts=[np.flatnonzero(patient % 3 == part) for part in range(3)],
    )
    (curve,) = found.curves
    data["bent"] = basis(data["age"], curve.knots)[:, 1]
    plain = analyse(name, data, y=[outcome], x=["age", "bent", "sex"])
    for one, other in zip(found.coefficients, plain.coefficients, strict=True):
        assert one.estimate == pytest.approx(other.estimate, rel=1e-6)
        assert one.std_error == pytest.approx(other.std_error, rel=1e-6)
    rows = {row.term: row for row in found.coefficients}
    assert curve.nonlinear.statistic == pytest.approx(rows["age'"].statistic ** 2, rel=1e-8)
    assert curve.overall.df == 2
    assert "Effect of age" in [view.title for view in found.views()]


@pytest.mark.parametrize("name, more", [("linear_regression", {}), ("glm", {})])
def test_views_show_tests_and_curves(name: str, more: dict[str, Any]) -> None:
    data = cohort()
    outcome = "y" if name == "linear_regression" else "visits"
    found = analyse(name, data, y=[outcome], x=X, parameters=ASKED | more)
    views = {view.title: view for view in found.views()}
    rows = views["Tests of curves"].rows
    assert [row["term"] for row in rows] == [
        "dose, overall",
        "dose, not linear",
        "age, overall",
        "age, not linear",
    ]
    assert {"Effect of age", "Effect of dose"} <= views.keys()
    terms = [row["term"] for row in views["Coefficients"].rows]
    assert terms[1:5] == ["age", "age′", "age′′", "age′′′"]
    assert terms[5:8] == ["dose", "dose²", "dose³"]


def test_no_knot_lies_among_fewer_patients_than_the_minimum() -> None:
    data = {code: values[:80] for code, values in cohort().items()}
    policy = Policy(overlap="off")
    asked = {"splines": ["age"], "knots": 3}
    found = analyse("linear_regression", data, y=["y"], x=["age"], parameters=asked, policy=policy)
    curve, age = found.curves[0], np.sort(data["age"])
    low, high = np.quantile(age, [10 / 80, 70 / 80])
    # A rounding unit is a hundredth of the shown width, or less.
    slack = (high - low) / 50
    assert low - slack <= curve.knots[0] <= curve.knots[-1] <= high + slack
    assert low - slack <= curve.points[0].value <= curve.points[-1].value <= high + slack


def test_few_different_values_have_no_spline() -> None:
    data = cohort()
    data["grade"] = np.random.default_rng(1).integers(0, 2, RECORDS).astype(float)
    with pytest.raises(CannotCompute, match="grade has too few different values for 5 knots"):
        analyse(
            "linear_regression",
            data,
            y=["y"],
            x=["grade"],
            parameters={"splines": ["grade"], "knots": 5},
        )


def test_square_of_two_values_is_named_as_determined() -> None:
    data = cohort()
    data["grade"] = np.random.default_rng(1).integers(0, 2, RECORDS).astype(float)
    asked = {"polynomials": ["grade"]}
    with pytest.raises(CannotCompute, match=r"grade\^2"):
        analyse("linear_regression", data, y=["y"], x=["grade", "age"], parameters=asked)


def test_constant_covariate_is_named() -> None:
    data = cohort() | {"k": np.full(RECORDS, 3.0)}
    with pytest.raises(CannotCompute, match="k"):
        analyse("linear_regression", data, y=["y"], x=["k"], parameters={"polynomials": ["k"]})


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"splines": ["sex"]}, "splines: sex is no numeric covariate"),
        ({"polynomials": ["y"]}, "polynomials: y is no numeric covariate"),
        ({"splines": ["age"], "polynomials": ["age"]}, "age is named twice"),
    ],
)
def test_wrong_names_are_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        analyse("linear_regression", cohort(), y=["y"], x=X, parameters=asked)
