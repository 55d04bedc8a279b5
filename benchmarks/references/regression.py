"""Regressions, beside statsmodels, scikit-learn and R."""

from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from firthmodels import FirthLogisticRegression
from sklearn.linear_model import ElasticNet, LogisticRegression, PoissonRegressor

from benchmarks.references.comparison import (
    CLOSED,
    ITERATED,
    LEVELS,
    Comparison,
    Pair,
    X,
    coefficients,
    design_of,
    in_r,
    run,
)


def _linear(data: dict[str, Any]) -> Pair:
    found = run("linear_regression", data, y=["cortex"], x=X)
    theirs = sm.OLS(data["cortex"], design_of(data)).fit()
    ours = [*coefficients(found.coefficients), found.r_squared, found.f_statistic]
    return ours, [*theirs.params, *theirs.bse, theirs.rsquared, theirs.fvalue]


def _logistic(data: dict[str, Any]) -> Pair:
    asked = {"positive_class": "yes"}
    found = run("logistic_regression", data, y=["died"], x=X, parameters=asked)
    theirs = sm.Logit(data["died"] == "yes", design_of(data)).fit(tol=1e-14, disp=False)
    ours = [*coefficients(found.coefficients), found.log_likelihood]
    return ours, [*theirs.params, *theirs.bse, theirs.llf]


def _multinomial(data: dict[str, Any]) -> Pair:
    found = run("multinomial_regression", data, y=["stage"], x=X)
    place = pd.Categorical(data["stage"], LEVELS["stage"]).codes
    theirs = sm.MNLogit(place, design_of(data)).fit(method="newton", tol=1e-14, disp=False)
    ours = [value for part in found.classes for value in coefficients(part.coefficients)]
    expected = [np.concatenate([theirs.params[:, k], theirs.bse[:, k]]) for k in range(2)]
    return ours, np.concatenate(expected).tolist()


def _ordinal(data: dict[str, Any]) -> Pair:
    found = run("ordinal_regression", data, y=["stage"], x=X)
    theirs = in_r(
        data,
        'suppressMessages(library(MASS)); d$stage <- factor(d$stage, c("none", "mild", "severe"), '
        "ordered = TRUE); m <- polr(stage ~ age + volume + sex, d, "
        "control = list(reltol = 1e-16, maxit = 1000)); cat(format(m$deviance, digits = 16))",
    )
    return [found.residual_deviance], theirs


def _poisson(data: dict[str, Any]) -> Pair:
    found = run("glm", data, y=["visits"], x=X, parameters={"family": "poisson"})
    theirs = sm.GLM(data["visits"], design_of(data), family=sm.families.Poisson()).fit(tol=1e-14)
    ours = [*coefficients(found.coefficients), found.residual_deviance]
    return ours, [*theirs.params, *theirs.bse, theirs.deviance]


def _gamma(data: dict[str, Any]) -> Pair:
    found = run("glm", data, y=["cost"], x=X, parameters={"family": "gamma"})
    law = sm.families.Gamma(sm.families.links.Log())
    theirs = sm.GLM(data["cost"], design_of(data), family=law).fit(tol=1e-14)
    ours = [*coefficients(found.coefficients), found.residual_deviance]
    return ours, [*theirs.params, *theirs.bse, theirs.deviance]


def _negative_binomial(data: dict[str, Any]) -> Pair:
    rng = np.random.default_rng(4)
    wide = data | {"visits": rng.poisson(np.exp(0.5) * rng.gamma(1.5, 1 / 1.5, 600)).astype(float)}
    found = run("glm", wide, y=["visits"], x=X, parameters={"family": "negative binomial"})
    theirs = in_r(
        wide,
        "suppressMessages(library(MASS)); m <- glm.nb(visits ~ age + volume + sex, d, "
        "control = glm.control(epsilon = 1e-14, maxit = 200)); s <- summary(m)$coefficients; "
        "cat(format(c(s[, 1], s[, 2], m$theta), digits = 16))",
    )
    return [*coefficients(found.coefficients), found.theta], theirs


def _elastic_net(data: dict[str, Any]) -> Pair:
    names = ["age", "volume", "score"]
    asked = {"mixing": 0.5, "penalty": 0.05}
    found = run("elastic_net", data, y=["cortex"], x=names, parameters=asked)
    x = np.column_stack([data[name] for name in names])
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    theirs = ElasticNet(alpha=0.05, l1_ratio=0.5, tol=1e-14, max_iter=100_000)
    return [row.standardised for row in found.coefficients], theirs.fit(z, data["cortex"]).coef_


def _weighted_spline(data: dict[str, Any]) -> Pair:
    weight = 0.5 + (np.arange(len(data["cortex"])) % 4)
    asked = {"weights": "weight", "splines": [X[0]], "knots": 4}
    held = data | {"weight": weight}
    found = run("linear_regression", held, y=["cortex"], x=[*X, "weight"], parameters=asked)
    (curve,) = found.curves
    t, x = np.array(curve.knots), data[X[0]]
    width = t[-1] - t[-2]
    bent = [
        (
            np.clip(x - t[j], 0, None) ** 3
            - np.clip(x - t[-2], 0, None) ** 3 * (t[-1] - t[j]) / width
            + np.clip(x - t[-1], 0, None) ** 3 * (t[-2] - t[j]) / width
        )
        / (t[-1] - t[0]) ** 2
        for j in range(2)
    ]
    plain = design_of(data)
    design = np.column_stack([plain[:, :2], *bent, plain[:, 2:]])
    theirs = sm.WLS(data["cortex"], design, weights=weight).fit()
    ours = [*coefficients(found.coefficients), curve.nonlinear.statistic]
    test = theirs.f_test(np.eye(design.shape[1])[2:4])
    return ours, [*theirs.params, *theirs.bse, float(test.fvalue)]


def _exposed(data: dict[str, Any]) -> Pair:
    place = np.arange(len(data["visits"]))
    held = data | {"weight": (place % 3).astype(float), "years": 1.0 + place % 5}
    asked = {"family": "poisson", "weights": "weight", "exposure": "years"}
    found = run("glm", held, y=["visits"], x=[*X, "weight", "years"], parameters=asked)
    kept = held["weight"] > 0
    theirs = sm.GLM(
        data["visits"][kept],
        design_of(data)[kept],
        family=sm.families.Poisson(),
        exposure=held["years"][kept],
        var_weights=held["weight"][kept],
    ).fit(tol=1e-14)
    ours = [*coefficients(found.coefficients), found.residual_deviance]
    return ours, [*theirs.params, *theirs.bse, theirs.deviance]


def _firth(data: dict[str, Any]) -> Pair:
    asked = {"positive_class": "yes", "penalty": "firth"}
    found = run("logistic_regression", data, y=["died"], x=X, parameters=asked).coefficients[1:]
    columns = design_of(data)[:, 1:]
    columns = columns - columns.mean(axis=0)
    theirs = FirthLogisticRegression(backend="numpy", gtol=1e-7, xtol=1e-7, max_iter=1000)
    theirs.fit(columns, data["died"] == "yes")
    limits = theirs.conf_int(method="pl", tol=1e-9, max_iter=500)[:-1]
    ours = [figure for row in found for figure in (row.estimate, row.lower, row.upper)]
    return ours, np.column_stack([theirs.coef_, limits]).reshape(-1).tolist()


def _calibration(data: dict[str, Any]) -> Pair:
    asked = {"positive_class": "yes"}
    found = run("logistic_regression", data, y=["died"], x=X, parameters=asked).calibration
    y = (data["died"] == "yes").astype(float)
    theirs = sm.Logit(y, design_of(data)).fit(tol=1e-14, disp=False)
    chance = theirs.predict()
    group = np.searchsorted(np.quantile(chance, np.linspace(0.1, 0.9, 9)), chance)
    seen, expected, size = (np.bincount(group, part) for part in (y, chance, np.ones(len(y))))
    value = ((seen - expected) ** 2 / (expected * (1 - expected / size))).sum()
    t = np.log(chance / (1 - chance))
    powers = np.vander(t, found.belt.degree + 1, increasing=True)
    again = sm.Logit(y, powers).fit(tol=1e-14, disp=False)
    ratio = 2 * (again.llf - theirs.llf)
    return [found.chi_square, found.belt.chi_square], [value, ratio]


def _shrunken(data: dict[str, Any], outcome: str, **asked: Any) -> tuple[Any, Any]:
    """Our standardised coefficients, and the standardised columns."""
    names = ["age", "volume", "score"]
    found = run("elastic_net", data, y=[outcome], x=names, parameters=asked)
    x = np.column_stack([data[name] for name in names])
    return [row.standardised for row in found.coefficients], (x - x.mean(axis=0)) / x.std(axis=0)


def _elastic_logistic(data: dict[str, Any]) -> Pair:
    ours, z = _shrunken(data, "died", positive_class="yes", mixing=0.5, penalty=0.05)
    theirs = LogisticRegression(
        C=1 / (0.05 * len(z)), l1_ratio=0.5, solver="saga", tol=1e-13, max_iter=100_000
    )
    return ours, theirs.fit(z, data["died"]).coef_[0]


def _elastic_poisson(data: dict[str, Any]) -> Pair:
    ours, z = _shrunken(data, "visits", family="poisson", mixing=0.0, penalty=0.2)
    theirs = PoissonRegressor(alpha=0.2, solver="newton-cholesky", tol=1e-12)
    return ours, theirs.fit(z, data["visits"]).coef_


COMPARISONS = (
    Comparison("regression", "linear_regression", "b, SE, R², F", "statsmodels", CLOSED, _linear),
    Comparison("regression", "logistic_regression", "b, SE, ℓ", "statsmodels", ITERATED, _logistic),
    Comparison(
        "regression", "multinomial_regression", "b, SE", "statsmodels", ITERATED, _multinomial
    ),
    Comparison(
        "regression", "ordinal_regression", "deviance", "R MASS", ITERATED, _ordinal, r=True
    ),
    Comparison("regression", "glm", "b, SE, D (Poisson)", "statsmodels", ITERATED, _poisson),
    Comparison("regression", "glm", "b, SE, D (gamma)", "statsmodels", ITERATED, _gamma),
    Comparison(
        "regression",
        "glm",
        "b, SE, θ (neg. binomial)",
        "R MASS",
        ITERATED,
        _negative_binomial,
        r=True,
    ),
    Comparison("regression", "elastic_net", "b", "scikit-learn", ITERATED, _elastic_net),
    Comparison(
        "regression",
        "linear_regression",
        "weights and splines: b, SE, F",
        "statsmodels",
        CLOSED,
        _weighted_spline,
    ),
    Comparison(
        "regression",
        "glm",
        "weights and exposure: b, SE, deviance",
        "statsmodels",
        ITERATED,
        _exposed,
    ),
    Comparison(
        "regression",
        "logistic_regression",
        "Firth: b, limits of the profile",
        "firthmodels",
        ITERATED,
        _firth,
    ),
    Comparison(
        "regression",
        "logistic_regression",
        "calibration: Hosmer-Lemeshow χ², belt's ratio",
        "statsmodels",
        ITERATED,
        _calibration,
    ),
    Comparison(
        "regression", "elastic_net", "b (logistic)", "scikit-learn", ITERATED, _elastic_logistic
    ),
    Comparison(
        "regression", "elastic_net", "b (Poisson ridge)", "scikit-learn", ITERATED, _elastic_poisson
    ),
)
