"""Regressions: ours with their defaults, and bare as the rivals fit them."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.columns import Data, Run, standardised
from benchmarks.task import SKLEARN, Task, X, Y

BARE_LINEAR = {"residual_quartiles": False, "diagnostics": False}
BARE_LOGISTIC = {"positive_class": "yes", "residual_quartiles": False, "calibration": False}


def sklearn_linear(data: Data) -> Run:
    from sklearn.linear_model import LinearRegression

    return lambda: LinearRegression().fit(data["x"], data["y"])


def statsmodels_ols(data: Data) -> Run:
    import statsmodels.api as sm

    design = sm.add_constant(data["x"])
    return lambda: sm.OLS(data["y"], design).fit().bse


def sklearn_logistic(data: Data) -> Run:
    from sklearn.linear_model import LogisticRegression

    return lambda: LogisticRegression(C=np.inf, solver="newton-cholesky", max_iter=100).fit(
        data["x"], data["y"]
    )


def statsmodels_logit(data: Data) -> Run:
    import statsmodels.api as sm

    design = sm.add_constant(standardised(data))
    return lambda: sm.Logit(data["y"], design).fit(disp=0).bse


def sklearn_multinomial(solver: str) -> Callable[[Data], Run]:
    def rival(data: Data) -> Run:
        from sklearn.linear_model import LogisticRegression

        x = standardised(data)
        return lambda: LogisticRegression(C=np.inf, solver=solver, max_iter=1000, tol=1e-6).fit(
            x, data["y"]
        )

    return rival


def sklearn_poisson(data: Data) -> Run:
    from sklearn.linear_model import PoissonRegressor

    x = standardised(data)
    return lambda: PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-8).fit(x, data["y"])


def sklearn_elastic_net(data: Data) -> Run:
    """As ours does: standardises, and follows a path of 60 penalties down to a thousandth."""
    from sklearn.linear_model import enet_path

    def run() -> Any:
        x, y = standardised(data), data["y"] - data["y"].mean()
        strongest = np.abs(x.T @ y).max() / (0.5 * len(y))
        alphas = strongest * np.logspace(0, -3, 60)
        return enet_path(x, y, l1_ratio=0.5, alphas=alphas, tol=1e-8)

    return run


def sklearn_gamma(data: Data) -> Run:
    from sklearn.linear_model import GammaRegressor

    x = standardised(data)
    return lambda: GammaRegressor(alpha=0, solver="newton-cholesky", tol=1e-8).fit(x, data["y"])


def statsmodels_glm(family: str) -> Callable[[Data], Run]:
    def rival(data: Data) -> Run:
        import statsmodels.api as sm

        design = sm.add_constant(standardised(data))
        log = sm.families.links.Log()
        kind = getattr(sm.families, family)(log)
        return lambda: sm.GLM(data["y"], design, family=kind).fit().bse

    return rival


def statsmodels_negative_binomial(data: Data) -> Run:
    import statsmodels.api as sm

    design = sm.add_constant(standardised(data))
    return lambda: sm.NegativeBinomial(data["y"], design).fit(disp=0, maxiter=200).bse


def statsmodels_ordinal(data: Data) -> Run:
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    x = standardised(data)
    return lambda: OrderedModel(data["y"], x, distr="logit").fit(method="bfgs", disp=0).bse


def sklearn_elastic_logistic(data: Data) -> Run:
    """A path of 20 penalties down to a thousandth, each begun where the last one ended."""
    from sklearn.linear_model import LogisticRegression

    def run() -> Any:
        x, y = standardised(data), data["y"]
        strongest = np.abs(x.T @ (y - y.mean())).max() / (0.5 * len(y))
        model = LogisticRegression(l1_ratio=0.5, solver="saga", warm_start=True, tol=1e-4)
        return [
            model.set_params(C=1 / (penalty * len(y))).fit(x, y).coef_.copy()
            for penalty in strongest * np.logspace(0, -3, 20)
        ]

    return run


TASKS = (
    Task(
        "linear regression, 20 covariates", "linear_regression", [Y], X, {},
        {SKLEARN: sklearn_linear, "statsmodels": statsmodels_ols}, r="lm.fit(cbind(1, x), y)",
    ),
    Task(
        "linear regression bare, 20 covariates", "linear_regression", [Y], X, BARE_LINEAR,
        {SKLEARN: sklearn_linear}, 0.2,
    ),
    Task(
        "logistic regression, 20 covariates", "logistic_regression", ["outcome"], X,
        {"positive_class": "yes"}, {SKLEARN: sklearn_logistic, "statsmodels": statsmodels_logit},
        r="glm.fit(cbind(1, x), y, family = binomial())",
    ),
    Task(
        "logistic regression bare, 20 covariates", "logistic_regression", ["outcome"], X,
        BARE_LOGISTIC, {SKLEARN: sklearn_logistic}, 0.35,
    ),
    Task(
        "multinomial regression, 3 classes", "multinomial_regression", ["cohort_group"], X, {},
        {
            f"{SKLEARN} lbfgs": sklearn_multinomial("lbfgs"),
            f"{SKLEARN} newton-cholesky": sklearn_multinomial("newton-cholesky"),
        },
    ),
    Task(
        "ordinal regression, 3 classes", "ordinal_regression", ["cohort_group"], X[:5], {},
        {"statsmodels": statsmodels_ordinal}, records=20_000,
        r="MASS::polr(factor(y) ~ scale(x), Hess = TRUE)",
    ),
    Task(
        "Poisson regression, 20 covariates", "glm", ["count"], X, {"family": "poisson"},
        {SKLEARN: sklearn_poisson, "statsmodels": statsmodels_glm("Poisson")},
        r="glm.fit(cbind(1, x), y, family = poisson())",
    ),
    Task(
        "negative binomial regression, 20 covariates", "glm", ["spells"], X,
        {"family": "negative binomial"}, {"statsmodels": statsmodels_negative_binomial},
        r="MASS::glm.nb(y ~ x)", records=100_000,
    ),
    Task(
        "gamma regression, 20 covariates", "glm", ["cost"], X, {"family": "gamma"},
        {SKLEARN: sklearn_gamma, "statsmodels": statsmodels_glm("Gamma")},
        r="glm.fit(cbind(1, x), y, family = Gamma('log'))",
    ),
    Task(
        "elastic net, 60 penalties", "elastic_net", [Y], X, {"mixing": 0.5},
        {SKLEARN: sklearn_elastic_net},
    ),
    Task(
        "logistic elastic net, 20 penalties", "elastic_net", ["outcome"], X,
        {"mixing": 0.5, "steps": 20, "positive_class": "yes"},
        {SKLEARN: sklearn_elastic_logistic}, records=100_000,
    ),
)  # fmt: skip
