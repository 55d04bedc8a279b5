"""Every family of algorithms beside an independent reference, on one generated cohort."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
from firthmodels import FirthLogisticRegression
from scipy import stats
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import ElasticNet, LogisticRegression, PoissonRegressor
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from medmip.algorithms.registry import find
from medmip.algorithms.tree_cohort import tree_cohort
from medmip.experiments.validate import LeaveOneDatasetOut, validated
from medmip.store.engine import Partition
from tests.algorithms.preparing import prepared
from tests.analysis import analyse, cohort_of

CLOSED, ITERATED = 1e-8, 1e-6
"""The largest relative error of a closed form, and of an iterated one."""
Pair = tuple[Any, Any]
X_TREE = ["age", "volume", "cortex"]
LEVELS = {"sex": ("F", "M"), "stage": ("none", "mild", "severe"), "died": ("no", "yes")}


@dataclass(frozen=True)
class Comparison:
    """Ours beside a reference's figures; r says that Rscript makes them."""

    family: str
    algorithm: str
    quantities: str
    reference: str
    tolerance: float
    compute: Callable[[dict[str, Any]], Pair]
    r: bool = False

    def error(self, data: dict[str, Any]) -> float | None:
        """The largest relative error, against each figure's own size; None without R."""
        if self.r and shutil.which("Rscript") is None:
            return None
        ours, theirs = (np.asarray(part, dtype=float) for part in self.compute(data))
        if ours.shape != theirs.shape or not ours.size:
            raise ValueError(f"{self.algorithm}: figures of different shapes are compared")
        scale = np.maximum(np.abs(theirs), 1e-3 * np.abs(theirs).max())
        return float((np.abs(ours - theirs) / scale).max())


def cohort(records: int = 600, seed: int = 12) -> dict[str, Any]:
    """Made-up patients: volumes, counts, times, classes."""
    rng = np.random.default_rng(seed)
    age, volume = rng.normal(70, 8, records), rng.normal(3, 0.5, records)
    sex = rng.choice(["F", "M"], records)
    lean = 0.05 * (age - 70) - 0.9 * (volume - 3) + 0.3 * (sex == "M")
    place = lean + rng.logistic(size=records)
    time = np.ceil(rng.exponential(20 * np.exp(-lean)))
    return {
        "age": age,
        "volume": volume,
        "cortex": 0.6 * volume + rng.normal(0, 0.3, records),
        "score": np.clip(np.round(28 - 4 * np.abs(lean) - rng.exponential(2, records)), 18, 27),
        "visits": rng.poisson(np.exp(0.4 + lean)).astype(float),
        "cost": rng.gamma(2.0, np.exp(1 + lean) / 2),
        "months": np.minimum(time, 60.0),
        "sex": sex,
        "stage": np.where(place < -0.5, "none", np.where(place < 1.0, "mild", "severe")),
        "died": np.where(time <= 60, "yes", "no"),
    }


def _run(name: str, data: dict[str, Any], **options: Any) -> Any:
    return analyse(name, data, levels=LEVELS, **options)


def _design(data: dict[str, Any]) -> Any:
    columns = [data["age"], data["volume"], (data["sex"] == "M").astype(float)]
    return sm.add_constant(np.column_stack(columns))


X = ["age", "volume", "sex"]


def _coefficients(rows: Sequence[Any]) -> list[float]:
    return [*(row.estimate for row in rows), *(row.std_error for row in rows)]


def _describe(data: dict[str, Any]) -> Pair:
    (row,) = [
        part for part in _run("describe", data, y=["cost"]).numeric if part.dataset not in ("d",)
    ]
    values = data["cost"]
    ours = [row.mean, row.sd, row.q1, row.median, row.q3]
    return ours, [values.mean(), values.std(ddof=1), *np.quantile(values, [0.25, 0.5, 0.75])]


def _crosstab(data: dict[str, Any]) -> Pair:
    found = _run("crosstab", data, y=["sex"], x=["died"])
    counts = pd.crosstab(data["sex"], data["died"]).to_numpy()
    chi = stats.chi2_contingency(counts)
    fisher = stats.fisher_exact(counts)
    ours = [found.chi_squared, found.p_value, found.fisher_p_value]
    return ours, [chi.statistic, chi.pvalue, fisher.pvalue]


def _pearson(data: dict[str, Any]) -> Pair:
    found = _run("pearson_correlation", data, y=["volume", "cortex"])
    theirs = stats.pearsonr(data["volume"], data["cortex"])
    interval = theirs.confidence_interval()
    ours = [found.correlations[0][1], found.lower[0][1], found.upper[0][1]]
    return ours, [theirs.statistic, interval.low, interval.high]


def _spearman(data: dict[str, Any]) -> Pair:
    few = data | {"visits": np.minimum(data["visits"], 4)}
    found = _run("spearman_correlation", few, y=["score", "visits"])
    theirs = stats.spearmanr(few["score"], few["visits"])
    return [found.correlations[0][1], found.p_values[0][1]], [theirs.statistic, theirs.pvalue]


def _t(data: dict[str, Any]) -> Pair:
    found = _run(
        "ttest_independent", data, y=["volume"], x=["sex"],
        parameters={"group_a": "F", "group_b": "M", "equal_variances": False},
    )  # fmt: skip
    groups = [data["volume"][data["sex"] == level] for level in ("F", "M")]
    theirs = stats.ttest_ind(*groups, equal_var=False)
    low, high = theirs.confidence_interval()
    return (
        [found.t, found.df, found.p_value, found.lower, found.upper],
        [theirs.statistic, theirs.df, theirs.pvalue, low, high],
    )


def _anova(data: dict[str, Any]) -> Pair:
    found = _run("anova_oneway", data, y=["volume"], x=["stage"])
    groups = [data["volume"][data["stage"] == level] for level in LEVELS["stage"]]
    theirs = stats.f_oneway(*groups)
    return [found.f_statistic, found.p_value], [theirs.statistic, theirs.pvalue]


def _twoway(data: dict[str, Any]) -> Pair:
    found = _run("anova_twoway", data, y=["volume"], x=["sex", "stage"], parameters={"type": 2})
    theirs = anova_lm(ols("volume ~ C(sex) * C(stage)", pd.DataFrame(data)).fit(), typ=2)
    rows = [source for source in found.sources if source.f is not None]
    ours = [value for row in rows for value in (row.ss, row.f, row.p_value)]
    expected = theirs.iloc[:3]
    return ours, [
        value
        for _, row in expected.iterrows()
        for value in (row["sum_sq"], row["F"], row["PR(>F)"])
    ]


def _mann_whitney(data: dict[str, Any]) -> Pair:
    asked = {"group_a": "F", "group_b": "M"}
    found = _run("mann_whitney", data, y=["score"], x=["sex"], parameters=asked)
    women, men = (data["score"][data["sex"] == level] for level in ("F", "M"))
    theirs = stats.mannwhitneyu(women, men, method="asymptotic")
    return [found.u, found.p_value], [theirs.statistic, theirs.pvalue]


def _kruskal(data: dict[str, Any]) -> Pair:
    found = _run("kruskal_wallis", data, y=["score"], x=["stage"])
    theirs = stats.kruskal(*(data["score"][data["stage"] == level] for level in LEVELS["stage"]))
    return [found.h, found.p_value], [theirs.statistic, theirs.pvalue]


def _linear(data: dict[str, Any]) -> Pair:
    found = _run("linear_regression", data, y=["cortex"], x=X)
    theirs = sm.OLS(data["cortex"], _design(data)).fit()
    ours = [*_coefficients(found.coefficients), found.r_squared, found.f_statistic]
    return ours, [*theirs.params, *theirs.bse, theirs.rsquared, theirs.fvalue]


def _logistic(data: dict[str, Any]) -> Pair:
    asked = {"positive_class": "yes"}
    found = _run("logistic_regression", data, y=["died"], x=X, parameters=asked)
    theirs = sm.Logit(data["died"] == "yes", _design(data)).fit(tol=1e-14, disp=False)
    ours = [*_coefficients(found.coefficients), found.log_likelihood]
    return ours, [*theirs.params, *theirs.bse, theirs.llf]


def _weighted_spline(data: dict[str, Any]) -> Pair:
    weight = 0.5 + (np.arange(len(data["cortex"])) % 4)
    asked = {"weights": "weight", "splines": [X[0]], "knots": 4}
    held = data | {"weight": weight}
    found = _run("linear_regression", held, y=["cortex"], x=[*X, "weight"], parameters=asked)
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
    plain = _design(data)
    design = np.column_stack([plain[:, :2], *bent, plain[:, 2:]])
    theirs = sm.WLS(data["cortex"], design, weights=weight).fit()
    ours = [*_coefficients(found.coefficients), curve.nonlinear.statistic]
    test = theirs.f_test(np.eye(design.shape[1])[2:4])
    return ours, [*theirs.params, *theirs.bse, float(test.fvalue)]


def _exposed(data: dict[str, Any]) -> Pair:
    place = np.arange(len(data["visits"]))
    held = data | {"weight": (place % 3).astype(float), "years": 1.0 + place % 5}
    asked = {"family": "poisson", "weights": "weight", "exposure": "years"}
    found = _run("glm", held, y=["visits"], x=[*X, "weight", "years"], parameters=asked)
    kept = held["weight"] > 0
    theirs = sm.GLM(
        data["visits"][kept],
        _design(data)[kept],
        family=sm.families.Poisson(),
        exposure=held["years"][kept],
        var_weights=held["weight"][kept],
    ).fit(tol=1e-14)
    ours = [*_coefficients(found.coefficients), found.residual_deviance]
    return ours, [*theirs.params, *theirs.bse, theirs.deviance]


def _firth(data: dict[str, Any]) -> Pair:
    asked = {"positive_class": "yes", "penalty": "firth"}
    found = _run("logistic_regression", data, y=["died"], x=X, parameters=asked).coefficients[1:]
    columns = _design(data)[:, 1:]
    columns = columns - columns.mean(axis=0)
    theirs = FirthLogisticRegression(backend="numpy", gtol=1e-7, xtol=1e-7, max_iter=1000)
    theirs.fit(columns, data["died"] == "yes")
    limits = theirs.conf_int(method="pl", tol=1e-9, max_iter=500)[:-1]
    ours = [figure for row in found for figure in (row.estimate, row.lower, row.upper)]
    return ours, np.column_stack([theirs.coef_, limits]).reshape(-1).tolist()


def _calibration(data: dict[str, Any]) -> Pair:
    asked = {"positive_class": "yes"}
    found = _run("logistic_regression", data, y=["died"], x=X, parameters=asked).calibration
    y = (data["died"] == "yes").astype(float)
    theirs = sm.Logit(y, _design(data)).fit(tol=1e-14, disp=False)
    chance = theirs.predict()
    group = np.searchsorted(np.quantile(chance, np.linspace(0.1, 0.9, 9)), chance)
    seen, expected, size = (np.bincount(group, part) for part in (y, chance, np.ones(len(y))))
    value = ((seen - expected) ** 2 / (expected * (1 - expected / size))).sum()
    t = np.log(chance / (1 - chance))
    powers = np.vander(t, found.belt.degree + 1, increasing=True)
    again = sm.Logit(y, powers).fit(tol=1e-14, disp=False)
    ratio = 2 * (again.llf - theirs.llf)
    return [found.chi_square, found.belt.chi_square], [value, ratio]


def _multinomial(data: dict[str, Any]) -> Pair:
    found = _run("multinomial_regression", data, y=["stage"], x=X)
    place = pd.Categorical(data["stage"], LEVELS["stage"]).codes
    theirs = sm.MNLogit(place, _design(data)).fit(method="newton", tol=1e-14, disp=False)
    ours = [value for part in found.classes for value in _coefficients(part.coefficients)]
    expected = [np.concatenate([theirs.params[:, k], theirs.bse[:, k]]) for k in range(2)]
    return ours, np.concatenate(expected).tolist()


def _poisson(data: dict[str, Any]) -> Pair:
    found = _run("glm", data, y=["visits"], x=X, parameters={"family": "poisson"})
    theirs = sm.GLM(data["visits"], _design(data), family=sm.families.Poisson()).fit(tol=1e-14)
    ours = [*_coefficients(found.coefficients), found.residual_deviance]
    return ours, [*theirs.params, *theirs.bse, theirs.deviance]


def _gamma(data: dict[str, Any]) -> Pair:
    found = _run("glm", data, y=["cost"], x=X, parameters={"family": "gamma"})
    law = sm.families.Gamma(sm.families.links.Log())
    theirs = sm.GLM(data["cost"], _design(data), family=law).fit(tol=1e-14)
    ours = [*_coefficients(found.coefficients), found.residual_deviance]
    return ours, [*theirs.params, *theirs.bse, theirs.deviance]


def _elastic_net(data: dict[str, Any]) -> Pair:
    names = ["age", "volume", "score"]
    asked = {"mixing": 0.5, "penalty": 0.05}
    found = _run("elastic_net", data, y=["cortex"], x=names, parameters=asked)
    x = np.column_stack([data[name] for name in names])
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    theirs = ElasticNet(alpha=0.05, l1_ratio=0.5, tol=1e-14, max_iter=100_000)
    return [row.standardised for row in found.coefficients], theirs.fit(z, data["cortex"]).coef_


def _pca(data: dict[str, Any]) -> Pair:
    names = ["age", "volume", "cortex", "score"]
    found = _run("pca", data, y=names)
    x = np.column_stack([data[name] for name in names])
    theirs = PCA(svd_solver="full").fit((x - x.mean(axis=0)) / x.std(axis=0, ddof=1))
    ours = [*found.eigenvalues, *np.abs(found.vectors[0])]
    return ours, [*theirs.explained_variance_, *np.abs(theirs.components_[0])]


def _clusters(data: dict[str, Any]) -> Pair:
    names = ["age", "volume", "cortex", "score"]
    asked = {"linkage": "average"}
    found = _run("variable_clusters", data, y=names, parameters=asked)
    apart = 1 - np.abs(np.corrcoef([data[name] for name in names]))
    theirs = linkage(squareform(apart, checks=False), "average")
    return [merge.height for merge in found.merges], theirs[:, 2]


def _naive_bayes(data: dict[str, Any]) -> Pair:
    found = _run("naive_bayes", data, y=["stage"], x=["age", "volume"])
    theirs = GaussianNB().fit(np.column_stack([data["age"], data["volume"]]), data["stage"])
    order = [theirs.classes_.tolist().index(part.level) for part in found.classes]
    ours = [value for part in found.classes for value in (*part.means, *part.variances)]
    expected = [[*theirs.theta_[k], *(theirs.var_[k] - theirs.epsilon_)] for k in order]
    return ours, np.concatenate(expected)


def _discriminant(data: dict[str, Any]) -> Pair:
    found = _run("discriminant", data, y=["stage"], x=["age", "volume"])
    x = np.column_stack([data["age"], data["volume"]])
    theirs = LinearDiscriminantAnalysis().fit(x, data["stage"])
    return [axis.share for axis in found.axes], theirs.explained_variance_ratio_


def _linear_svm(data: dict[str, Any]) -> Pair:
    found = _run("linear_svm", data, y=["stage"], x=["age", "volume", "cortex"])
    x = np.column_stack([data["age"], data["volume"], data["cortex"]])
    # liblinear shrinks the intercept too; scaled so far up, that is next to nothing.
    theirs = LinearSVC(dual=False, tol=1e-14, intercept_scaling=3e4, max_iter=100_000)
    theirs.fit((x - x.mean(axis=0)) / x.std(axis=0), data["stage"])
    order = [theirs.classes_.tolist().index(margin.level) for margin in found.margins]
    ours = [part.standardised for margin in found.margins for part in margin.weights]
    return ours, theirs.coef_[order].ravel()


def _perceptron(data: dict[str, Any]) -> Pair:
    found = _run("perceptron", data, y=["stage"], x=["age", "volume"])
    x = np.column_stack([data["age"], data["volume"]])
    means, scales = np.array(found.model.means), np.array(found.model.scales)
    options: dict[str, Any] = {"solver": "lbfgs", "activation": "tanh", "alpha": 1.0, "tol": 1e-9}
    theirs = MLPClassifier((4,), random_state=1, max_iter=10_000, max_fun=50_000, **options)
    # Classes by their place, so that both start from the same weights.
    place = np.array([found.classes.index(level) for level in data["stage"].tolist()])
    theirs.fit((x - means) / scales, place)
    theirs.coefs_ = [np.array(layer.weights) for layer in found.model.layers]
    theirs.intercepts_ = [np.array(layer.intercepts) for layer in found.model.layers]
    chances = theirs.predict_proba((x - means) / scales)
    square = sum(float((weights**2).sum()) for weights in theirs.coefs_)
    loss = -np.log(chances[np.arange(len(x)), place]).mean() + square / (2 * len(x))
    return [found.losses[-1], found.losses[-1]], [loss, theirs.loss_]


def _subgroups(data: dict[str, Any]) -> Pair:
    asked = {"target": "yes", "shown": 5}
    found = _run("subgroup_discovery", data, y=["died"], x=["sex", "stage"], parameters=asked)
    died = data["died"] == "yes"
    single = [(name, level) for name in ("sex", "stage") for level in LEVELS[name]]
    pairs = [(one, other) for one in single[:2] for other in single[2:]]
    gains: dict[Any, float] = {}
    for rule in (*((one,) for one in single), *pairs):
        held = np.logical_and.reduce([data[name] == level for name, level in rule])
        gain = held.mean() * (died[held].mean() - died.mean())
        if gain > max((gains[(part,)] for part in rule if len(rule) > 1), default=0.0) + 1e-12:
            gains[rule] = gain
        elif len(rule) == 1:
            gains[rule] = -1.0 if gain <= 0 else gain
    best = sorted((gain for gain in gains.values() if gain > 0), reverse=True)[:5]
    return [part.wracc for part in found.subgroups], best


def _binned(data: dict[str, Any], y: str) -> Any:
    ready = tree_cohort(cohort_of(data, y=[y], x=X_TREE, levels=LEVELS), 64)
    return np.column_stack(
        [
            np.searchsorted(feature.edges, data[feature.variable], side="right")
            for feature in ready.bins.features
        ]
    ).astype(float)


def _decision_tree(data: dict[str, Any]) -> Pair:
    # One level deeper two questions are equally good, and scikit-learn's choice hangs on its seed.
    asked = {"depth": 4, "criterion": "entropy"}
    found = _run("decision_tree", data, y=["died"], x=X_TREE, parameters=asked)
    theirs = DecisionTreeClassifier(
        criterion="entropy", max_depth=4, min_samples_leaf=20, random_state=1
    ).fit(_binned(data, "died"), data["died"])
    weights = {part.variable: part.importance for part in found.importance}
    impurity = sorted(node.impurity for node in found.nodes)
    return (
        [*(weights[code] for code in X_TREE), *impurity],
        [*theirs.feature_importances_, *sorted(theirs.tree_.impurity)],
    )


def _boosting(data: dict[str, Any]) -> Pair:
    asked = {"rounds": 50, "depth": 3}
    found = _run("gradient_boosting", data, y=["cost"], x=X_TREE, parameters=asked)
    x = _binned(data, "cost")
    theirs = HistGradientBoostingRegressor(
        max_iter=50, max_depth=3, max_leaf_nodes=None, early_stopping=False
    ).fit(x, data["cost"])
    return [found.r_squared], [theirs.score(x, data["cost"])]


def _forest(data: dict[str, Any]) -> Pair:
    asked = {"trees": 1, "sample": False, "covariates": 3, "depth": 6, "least": 5}
    found = _run("random_forest", data, y=["cost"], x=X_TREE, parameters=asked)
    theirs = DecisionTreeRegressor(max_depth=6, min_samples_leaf=5, random_state=1).fit(
        _binned(data, "cost"), data["cost"]
    )
    values = [row[0] for row in found.model.trees[0].values if row]
    leaf = theirs.tree_.children_left < 0
    return sorted(values), np.sort(theirs.tree_.value[leaf].ravel())


def _r(data: dict[str, Any], script: str) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "d.csv"
        pd.DataFrame(data).to_csv(file, index=False, float_format="%.17g")
        read = f'd <- read.csv("{file}", stringsAsFactors = TRUE); '
        done = subprocess.run(
            ["Rscript", "-e", read + script], capture_output=True, text=True, check=True
        )
    return [float(part) for part in done.stdout.split()]


def _negative_binomial(data: dict[str, Any]) -> Pair:
    rng = np.random.default_rng(4)
    wide = data | {"visits": rng.poisson(np.exp(0.5) * rng.gamma(1.5, 1 / 1.5, 600)).astype(float)}
    found = _run("glm", wide, y=["visits"], x=X, parameters={"family": "negative binomial"})
    theirs = _r(
        wide,
        "suppressMessages(library(MASS)); m <- glm.nb(visits ~ age + volume + sex, d, "
        "control = glm.control(epsilon = 1e-14, maxit = 200)); s <- summary(m)$coefficients; "
        "cat(format(c(s[, 1], s[, 2], m$theta), digits = 16))",
    )
    return [*_coefficients(found.coefficients), found.theta], theirs


def _ordinal(data: dict[str, Any]) -> Pair:
    found = _run("ordinal_regression", data, y=["stage"], x=X)
    theirs = _r(
        data,
        'suppressMessages(library(MASS)); d$stage <- factor(d$stage, c("none", "mild", "severe"), '
        "ordered = TRUE); m <- polr(stage ~ age + volume + sex, d, "
        "control = list(reltol = 1e-16, maxit = 1000)); cat(format(m$deviance, digits = 16))",
    )
    return [found.residual_deviance], theirs


def _kaplan_meier(data: dict[str, Any]) -> Pair:
    asked = {"event": "yes", "grid": 1.0}
    found = _run("kaplan_meier", data, y=["months"], x=["died", "sex"], parameters=asked)
    theirs = _r(
        data,
        'library(survival); s <- Surv(d$months, d$died == "yes"); '
        "t <- survdiff(s ~ d$sex); cat(format(t$chisq, digits = 16))",
    )
    return [found.log_rank.chi_square], theirs


def _cox(data: dict[str, Any]) -> Pair:
    asked = {"event": "yes", "grid": 1.0}
    found = _run("cox", data, y=["months"], x=["died", *X], parameters=asked)
    theirs = _r(
        data,
        'library(survival); m <- coxph(Surv(months, died == "yes") ~ age + volume + sex, d, '
        'ties = "efron", control = coxph.control(eps = 1e-12)); '
        "cat(format(c(coef(m), sqrt(diag(vcov(m))), m$loglik[2]), digits = 16))",
    )
    return [*_coefficients(found.coefficients), found.log_likelihood], theirs


def _mixed(data: dict[str, Any]) -> Pair:
    patient = np.arange(600) // 4
    rng = np.random.default_rng(9)
    own = rng.normal(0, 0.4, 150)[patient]
    seen = data | {
        "subjectid": np.array([f"P{index:03d}" for index in patient]),
        "visitid": np.array([f"V{index % 4}" for index in range(600)]),
        "cortex": data["cortex"] + own,
    }
    found = _run("mixed_model", seen, y=["cortex"], x=["age", "volume"])
    theirs = _r(
        seen,
        "library(nlme); m <- lme(cortex ~ age + volume, d, random = ~ 1 | subjectid, "
        "control = lmeControl(msTol = 1e-14, tolerance = 1e-12)); "
        "cat(format(c(fixef(m), sqrt(diag(vcov(m))), as.numeric(logLik(m))), digits = 16))",
    )
    return [*_coefficients(found.coefficients), found.log_likelihood], theirs


def _gee(data: dict[str, Any]) -> Pair:
    patient = np.arange(600) // 4
    own = np.random.default_rng(9).normal(0, 0.4, 150)[patient]
    seen = data | {
        "subjectid": np.array([f"P{index:03d}" for index in patient]),
        "visitid": np.array([f"V{index % 4}" for index in range(600)]),
        "cortex": data["cortex"] + own,
    }
    found = _run("gee", seen, y=["cortex"], x=["age", "volume"])
    design = sm.add_constant(np.column_stack([data["age"], data["volume"]]))
    structure = sm.cov_struct.Exchangeable()
    theirs = sm.GEE(seen["cortex"], design, groups=patient, cov_struct=structure)
    fitted = theirs.fit(ctol=1e-12, maxiter=500)
    ours = [*_coefficients(found.coefficients), found.correlation]
    return ours, [*fitted.params, *fitted.bse, float(structure.dep_params)]


def _prepared(data: dict[str, Any], preparation: dict[str, Any], **roles: Any) -> list[float]:
    """The coefficients of a linear regression on prepared records."""
    done, _ = prepared("linear_regression", data, preparation, levels=LEVELS, **roles)
    return _coefficients(done.coefficients)


def _imputation(data: dict[str, Any]) -> Pair:
    gone = np.random.default_rng(6).random(600) < 0.2
    holed = data | {"volume": np.where(gone, np.nan, data["volume"])}
    found = _prepared(
        holed, {"imputation": {"method": "regression"}}, y=["cortex"], x=["age", "volume", "sex"]
    )
    others = sm.add_constant(np.column_stack([data["age"], data["sex"] == "M"]).astype(float))
    guessed = sm.OLS(data["volume"][~gone], others[~gone]).fit().predict(others)
    volume = np.where(gone, guessed, data["volume"])
    x = np.column_stack([others[:, :2], volume, others[:, 2]])
    theirs = sm.OLS(data["cortex"], x).fit()
    return found, [*theirs.params, *theirs.bse]


def _combat(data: dict[str, Any]) -> Pair:
    site = np.random.default_rng(7).choice(["a", "b", "c"], 600, p=[0.5, 0.3, 0.2])
    moved = data | {"dataset": site, "volume": data["volume"] * np.where(site == "b", 1.4, 1.0)}
    found = _prepared(moved, {"combat": {"preserve": ["age"]}}, y=["cortex"], x=["volume", "age"])
    y = np.column_stack([moved["volume"], moved["cortex"]])
    held = [site == name for name in ("a", "b", "c")]
    design = np.column_stack([*held, moved["age"]]).astype(float)
    fitted = np.linalg.lstsq(design, y, rcond=None)[0]
    expected = np.mean(held, axis=1) @ fitted[:3] + moved["age"][:, None] * fitted[3]
    deviation = np.sqrt(((y - design @ fitted) ** 2).mean(axis=0))
    scores = (y - expected) / deviation
    for rows in held:
        own = scores[rows]
        n, shift, scale = len(own), own.mean(axis=0), own.var(axis=0, ddof=1)
        spread, shape = shift.var(ddof=1), 2 + scale.mean() ** 2 / scale.var(ddof=1)
        g, d = shift, scale
        for _ in range(500):
            g = (n * spread * shift + d * shift.mean()) / (n * spread + d)
            squares = ((own - g) ** 2).sum(axis=0)
            d = (scale.mean() * (shape - 1) + squares / 2) / (n / 2 + shape - 1)
        scores[rows] = (own - g) / np.sqrt(d)
    volume, cortex = (scores * deviation + expected).T
    theirs = sm.OLS(cortex, sm.add_constant(np.column_stack([volume, moved["age"]]))).fit()
    return found, [*theirs.params, *theirs.bse]


def _scatter(data: dict[str, Any]) -> Pair:
    found = _run("scatter", data, y=["cortex", "volume"])
    line = stats.linregress(data["volume"], data["cortex"])
    counts, up, across = np.histogram2d(data["cortex"], data["volume"], 12)
    place = np.clip(np.searchsorted(across, data["volume"], side="right") - 1, 0, 11)
    means = [data["cortex"][place == mean.bin].mean() for mean in found.means]
    (own,) = found.lines
    ours = [own.slope, own.slope_std_error, own.r, *(mean.y for mean in found.means)]
    ours += [*np.ravel(found.counts), *found.y_edges]
    return ours, [line.slope, line.stderr, line.rvalue, *means, *counts.ravel(), *up]


def _box_plot(data: dict[str, Any]) -> Pair:
    found = _run("box_plot", data, y=["cost"], x=["stage"])
    ours = [
        value for box in found.boxes for value in (box.low, box.q1, box.median, box.q3, box.high)
    ]
    shares = [0.05, 0.25, 0.5, 0.75, 0.95]
    groups = (data["cost"][data["stage"] == level] for level in LEVELS["stage"])
    return ours, np.concatenate([np.quantile(group, shares) for group in groups])


def _t_paired(data: dict[str, Any]) -> Pair:
    found = _run("ttest_paired", data, y=["volume"], x=["cortex"])
    theirs = stats.ttest_rel(data["volume"], data["cortex"])
    low, high = theirs.confidence_interval()
    ours = [found.t, found.df, found.p_value, found.lower, found.upper]
    return ours, [theirs.statistic, theirs.df, theirs.pvalue, low, high]


def _t_one(data: dict[str, Any]) -> Pair:
    found = _run("ttest_onesample", data, y=["age"], parameters={"mu": 69.0})
    theirs = stats.ttest_1samp(data["age"], 69.0)
    low, high = theirs.confidence_interval()
    ours = [found.t, found.df, found.p_value, found.lower, found.upper]
    return ours, [theirs.statistic, theirs.df, theirs.pvalue, low - 69.0, high - 69.0]


def _shrunken(data: dict[str, Any], outcome: str, **asked: Any) -> tuple[Any, Any]:
    """Our standardised coefficients, and the standardised columns."""
    names = ["age", "volume", "score"]
    found = _run("elastic_net", data, y=[outcome], x=names, parameters=asked)
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


def _kmeans(data: dict[str, Any]) -> Pair:
    names = ["age", "volume", "score"]
    asked = {"k": 3, "standardise": False, "tolerance": 0.0}
    found = _run("kmeans", data, y=names, parameters=asked)
    theirs = KMeans(3, init=np.array(found.centres), n_init=1, tol=0)
    theirs.fit(np.column_stack([data[name] for name in names]))
    return [*np.ravel(found.centres), found.within], [
        *theirs.cluster_centers_.ravel(),
        theirs.inertia_,
    ]


def _mixture(data: dict[str, Any]) -> Pair:
    """From where ours begins: the clusters of k-means, and one spread for all."""
    names = ["age", "volume", "cortex"]
    x = np.column_stack([data[name] for name in names])
    # Half the patients moved away, so that there is a mixture to find.
    x[::2] += 4 * x.std(axis=0)
    moved = dict(zip(names, x.T, strict=True))
    found = _run(
        "gaussian_mixture", moved, y=names, parameters={"k": 2, "tolerance": 1e-12, "floor": 1e-6}
    )
    start = _run(
        "kmeans", moved, y=names, parameters={"k": 2, "tolerance": 1e-3, "max_iterations": 1000}
    )
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    theirs = GaussianMixture(
        2,
        tol=1e-12,
        max_iter=10_000,
        means_init=np.array(start.standardised_centres),
        weights_init=np.array(start.sizes) / start.n,
        precisions_init=np.stack([np.eye(3) / (start.within / z.size + 1e-6)] * 2),
    ).fit(z)
    order = np.argsort(-theirs.weights_, kind="stable")
    means = theirs.means_[order] * x.std(axis=0) + x.mean(axis=0)
    likelihood = theirs.score(z) * len(z) - len(z) * np.log(x.std(axis=0)).sum()
    ours = [value for part in found.components for value in (part.weight, *part.mean)]
    expected = np.column_stack([theirs.weights_[order], means]).ravel()
    return [*ours, found.log_likelihood], [*expected, likelihood]


def _mca(data: dict[str, Any]) -> Pair:
    names = ["sex", "stage", "died"]
    found = _run("mca", data, y=names, parameters={"axes": 2})
    z = np.column_stack([data[name] == level for name in names for level in LEVELS[name]]).astype(
        float
    )
    p = z / z.sum()
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    expected = np.outer(rows, columns)
    _, sizes, turns = np.linalg.svd((p - expected) / np.sqrt(expected), full_matrices=False)
    number = z.shape[1] - len(names)
    ours = [*(part.inertia for part in found.inertias)]
    ours += [abs(part.coordinates[0]) for part in found.categories]
    first = np.abs(turns[0] / np.sqrt(columns) * sizes[0])
    return ours, [*sizes[:number] ** 2, *first]


def _validation(data: dict[str, Any]) -> Pair:
    """Each of two datasets held out; levels alone, so that few chances differ and none share."""
    held = np.where(np.arange(600) % 3 == 0, "one", "two")
    patients = np.array([f"P{index:03d}" for index in range(600)])
    seen = data | {"dataset": held, "subjectcode": patients}
    cohort = cohort_of(
        seen, y=["died"], x=["sex", "stage"], levels=LEVELS,
        partition=Partition(0, 0, "subjectcode"),
    )  # fmt: skip
    algorithm = find("logistic_regression")
    asked = algorithm.parameters(positive_class="yes")
    found = validated(cohort, algorithm, asked, LeaveOneDatasetOut(kind="leave_one_dataset_out"))
    pairs = (("sex", "M"), ("stage", "mild"), ("stage", "severe"))
    x = np.column_stack([data[name] == level for name, level in pairs]).astype(float)
    truth, chances = data["died"] == "yes", np.zeros(600)
    for name in ("one", "two"):
        model = LogisticRegression(C=np.inf, tol=1e-12, solver="newton-cholesky")
        model.fit(x[held != name], truth[held != name])
        chances[held == name] = model.predict_proba(x[held == name])[:, 1]
    ours = [found.measure(name).value for name in ("AUC", "Brier score", "Log loss")]
    return ours, [
        roc_auc_score(truth, chances),
        brier_score_loss(truth, chances),
        log_loss(truth, chances),
    ]


COMPARISONS = (
    Comparison(
        "description",
        "describe",
        "mean, SD, quartiles",
        "NumPy",
        CLOSED,
        _describe,
    ),
    Comparison(
        "description",
        "crosstab",
        "χ², p, Fisher's p",
        "SciPy",
        CLOSED,
        _crosstab,
    ),
    Comparison(
        "description",
        "pearson_correlation",
        "r, limits",
        "SciPy",
        CLOSED,
        _pearson,
    ),
    Comparison(
        "description",
        "spearman_correlation",
        "ρ, p",
        "SciPy",
        CLOSED,
        _spearman,
    ),
    Comparison(
        "tests",
        "ttest_independent",
        "t, df, p, limits (Welch)",
        "SciPy",
        CLOSED,
        _t,
    ),
    Comparison(
        "tests",
        "anova_oneway",
        "F, p",
        "SciPy",
        CLOSED,
        _anova,
    ),
    Comparison(
        "tests",
        "anova_twoway",
        "SS, F, p (type II)",
        "statsmodels",
        CLOSED,
        _twoway,
    ),
    Comparison(
        "tests",
        "mann_whitney",
        "U, p",
        "SciPy",
        CLOSED,
        _mann_whitney,
    ),
    Comparison(
        "tests",
        "kruskal_wallis",
        "H, p",
        "SciPy",
        CLOSED,
        _kruskal,
    ),
    Comparison(
        "regression",
        "linear_regression",
        "b, SE, R², F",
        "statsmodels",
        CLOSED,
        _linear,
    ),
    Comparison(
        "regression",
        "logistic_regression",
        "b, SE, ℓ",
        "statsmodels",
        ITERATED,
        _logistic,
    ),
    Comparison(
        "regression",
        "multinomial_regression",
        "b, SE",
        "statsmodels",
        ITERATED,
        _multinomial,
    ),
    Comparison(
        "regression",
        "ordinal_regression",
        "deviance",
        "R MASS",
        ITERATED,
        _ordinal,
        r=True,
    ),
    Comparison(
        "regression",
        "glm",
        "b, SE, D (Poisson)",
        "statsmodels",
        ITERATED,
        _poisson,
    ),
    Comparison(
        "regression",
        "glm",
        "b, SE, D (gamma)",
        "statsmodels",
        ITERATED,
        _gamma,
    ),
    Comparison(
        "regression",
        "glm",
        "b, SE, θ (neg. binomial)",
        "R MASS",
        ITERATED,
        _negative_binomial,
        r=True,
    ),
    Comparison(
        "regression",
        "elastic_net",
        "b",
        "scikit-learn",
        ITERATED,
        _elastic_net,
    ),
    Comparison(
        "longitudinal",
        "mixed_model",
        "b, SE, ℓ",
        "R nlme",
        ITERATED,
        _mixed,
        r=True,
    ),
    Comparison(
        "survival",
        "kaplan_meier",
        "log-rank χ²",
        "R survival",
        CLOSED,
        _kaplan_meier,
        r=True,
    ),
    Comparison(
        "survival",
        "cox",
        "b, SE, ℓ",
        "R survival",
        ITERATED,
        _cox,
        r=True,
    ),
    Comparison(
        "unsupervised",
        "pca",
        "λ, first vector",
        "scikit-learn",
        CLOSED,
        _pca,
    ),
    Comparison(
        "unsupervised",
        "variable_clusters",
        "heights",
        "SciPy",
        CLOSED,
        _clusters,
    ),
    Comparison(
        "classification",
        "naive_bayes",
        "means, variances",
        "scikit-learn",
        CLOSED,
        _naive_bayes,
    ),
    Comparison(
        "classification",
        "discriminant",
        "axes' shares",
        "scikit-learn",
        CLOSED,
        _discriminant,
    ),
    Comparison(
        "subgroups",
        "subgroup_discovery",
        "the best WRAcc",
        "brute force",
        CLOSED,
        _subgroups,
    ),
    Comparison(
        "classification",
        "linear_svm",
        "weights",
        "scikit-learn",
        ITERATED,
        _linear_svm,
    ),
    Comparison(
        "longitudinal",
        "gee",
        "b, robust SE, correlation",
        "statsmodels",
        ITERATED,
        _gee,
    ),
    Comparison(
        "classification",
        "perceptron",
        "loss",
        "scikit-learn",
        ITERATED,
        _perceptron,
    ),
    Comparison(
        "classification",
        "decision_tree",
        "importance, entropies",
        "scikit-learn",
        CLOSED,
        _decision_tree,
    ),
    Comparison(
        "classification",
        "gradient_boosting",
        "R²",
        "scikit-learn",
        ITERATED,
        _boosting,
    ),
    Comparison(
        "classification",
        "random_forest",
        "leaves' means, without draws",
        "scikit-learn",
        CLOSED,
        _forest,
    ),
    Comparison(
        "preparation",
        "linear_regression",
        "b, SE after imputation",
        "statsmodels",
        CLOSED,
        _imputation,
    ),
    Comparison(
        "preparation",
        "linear_regression",
        "b, SE after ComBat",
        "NumPy, statsmodels",
        ITERATED,
        _combat,
    ),
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
        "description",
        "scatter",
        "b, SE, r, binned means, cells",
        "SciPy, NumPy",
        CLOSED,
        _scatter,
    ),
    Comparison(
        "description",
        "box_plot",
        "quantiles by group",
        "NumPy",
        CLOSED,
        _box_plot,
    ),
    Comparison(
        "tests",
        "ttest_paired",
        "t, df, p, limits",
        "SciPy",
        CLOSED,
        _t_paired,
    ),
    Comparison(
        "tests",
        "ttest_onesample",
        "t, df, p, limits",
        "SciPy",
        CLOSED,
        _t_one,
    ),
    Comparison(
        "regression",
        "elastic_net",
        "b (logistic)",
        "scikit-learn",
        ITERATED,
        _elastic_logistic,
    ),
    Comparison(
        "regression",
        "elastic_net",
        "b (Poisson ridge)",
        "scikit-learn",
        ITERATED,
        _elastic_poisson,
    ),
    Comparison(
        "unsupervised",
        "kmeans",
        "centres, spread within",
        "scikit-learn",
        ITERATED,
        _kmeans,
    ),
    Comparison(
        "unsupervised",
        "gaussian_mixture",
        "shares, means, ℓ",
        "scikit-learn",
        ITERATED,
        _mixture,
    ),
    Comparison(
        "unsupervised",
        "mca",
        "inertias, first axis",
        "NumPy",
        CLOSED,
        _mca,
    ),
    Comparison(
        "validation",
        "logistic_regression",
        "AUC, Brier score, log loss",
        "scikit-learn",
        ITERATED,
        _validation,
    ),
)
