"""Each rival's way to an analysis: given the columns in memory, what is timed."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.cohort import GROUPS

Run = Callable[[], Any]
Data = dict[str, Any]
"""x (n, p) float64 of the numeric variables, y (n,) the outcome where there is one, names of x's
columns, and every column by its name: numbers, or the indices of a nominal variable's levels."""


def pandas_describe(data: Data) -> Run:
    describe: Run = _frame(data).describe
    return describe


def numpy_histogram(data: Data) -> Run:
    column = np.ascontiguousarray(data["x"][:, 0])
    return lambda: np.histogram(column, 20)


def pandas_histogram(data: Data) -> Run:
    import pandas as pd

    series = pd.Series(np.ascontiguousarray(data["x"][:, 0]))
    return lambda: series.value_counts(bins=20, sort=False)


def pandas_boxes(data: Data) -> Run:
    frame = _frame(data)
    groups = _categories(data["columns"]["cohort_group"])
    shares = [0.05, 0.25, 0.5, 0.75, 0.95]
    return lambda: frame.groupby(groups, observed=True).quantile(shares)


def pandas_crosstab(data: Data) -> Run:
    import pandas as pd

    down, across = (_categories(data["columns"][name]) for name in ("outcome", "cohort_group"))
    return lambda: pd.crosstab(pd.Series(down), pd.Series(across))


def numpy_corrcoef(data: Data) -> Run:
    return lambda: np.corrcoef(data["x"], rowvar=False)


def pandas_corr(data: Data) -> Run:
    corr: Run = _frame(data).corr
    return corr


def scipy_spearman(data: Data) -> Run:
    from scipy import stats

    return lambda: stats.spearmanr(data["x"])


def scipy_anova(data: Data) -> Run:
    from scipy import stats

    y, group = data["y"], data["columns"]["cohort_group"]
    return lambda: stats.f_oneway(*(y[group == index] for index in range(len(GROUPS))))


def scipy_mann_whitney(data: Data) -> Run:
    from scipy import stats

    y, group = data["y"], data["columns"]["outcome"]
    return lambda: stats.mannwhitneyu(y[group == 0], y[group == 1], method="asymptotic")


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

    design = sm.add_constant(_standardised(data))
    return lambda: sm.Logit(data["y"], design).fit(disp=0).bse


def sklearn_multinomial(solver: str) -> Callable[[Data], Run]:
    def rival(data: Data) -> Run:
        from sklearn.linear_model import LogisticRegression

        x = _standardised(data)
        return lambda: LogisticRegression(C=np.inf, solver=solver, max_iter=1000, tol=1e-6).fit(
            x, data["y"]
        )

    return rival


def sklearn_poisson(data: Data) -> Run:
    from sklearn.linear_model import PoissonRegressor

    x = _standardised(data)
    return lambda: PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-8).fit(x, data["y"])


def statsmodels_poisson(data: Data) -> Run:
    import statsmodels.api as sm

    design = sm.add_constant(_standardised(data))
    return lambda: sm.GLM(data["y"], design, family=sm.families.Poisson()).fit().bse


def sklearn_elastic_net(data: Data) -> Run:
    """As ours does: standardises, and follows a path of 60 penalties down to a thousandth."""
    from sklearn.linear_model import enet_path

    def run() -> Any:
        x, y = _standardised(data), data["y"] - data["y"].mean()
        strongest = np.abs(x.T @ y).max() / (0.5 * len(y))
        alphas = strongest * np.logspace(0, -3, 60)
        return enet_path(x, y, l1_ratio=0.5, alphas=alphas, tol=1e-8)

    return run


def sklearn_lda(data: Data) -> Run:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return lambda: LinearDiscriminantAnalysis().fit(data["x"], data["y"])


def sklearn_naive_bayes(data: Data) -> Run:
    """With its confusion matrix, as ours."""
    from sklearn.metrics import confusion_matrix
    from sklearn.naive_bayes import GaussianNB

    def run() -> Any:
        model = GaussianNB().fit(data["x"], data["y"])
        return confusion_matrix(data["y"], model.predict(data["x"]))

    return run


def statsmodels_mixed(data: Data) -> Run:
    import statsmodels.api as sm

    design = sm.add_constant(_standardised(data))
    return lambda: sm.MixedLM(data["y"], design, data["patient"]).fit().bse


def lifelines_cox(data: Data) -> Run:
    from lifelines import CoxPHFitter

    frame = _survival(data)
    return lambda: CoxPHFitter().fit(frame, "months", "event").standard_errors_


def lifelines_kaplan_meier(data: Data) -> Run:
    from lifelines import KaplanMeierFitter
    from lifelines.statistics import multivariate_logrank_test

    months, event = data["y"], data["columns"]["event"]
    group = data["columns"]["cohort_group"]

    def run() -> Any:
        for index in range(len(GROUPS)):
            held = group == index
            KaplanMeierFitter().fit(months[held], event[held])
        return multivariate_logrank_test(months, group, event).p_value

    return run


def sklearn_kmeans(data: Data) -> Run:
    from sklearn.cluster import KMeans

    x = np.ascontiguousarray(_standardised(data))
    return lambda: KMeans(4, n_init=1, random_state=1, algorithm="lloyd").fit(x)


def sklearn_mixture(data: Data) -> Run:
    from sklearn.mixture import GaussianMixture

    x = np.ascontiguousarray(_standardised(data))
    return lambda: GaussianMixture(3, random_state=1, tol=1e-6, max_iter=1000).fit(x)


def sklearn_pca(data: Data) -> Run:
    from sklearn.decomposition import PCA

    return lambda: PCA(svd_solver="covariance_eigh").fit(_standardised(data))


def sklearn_svm(data: Data) -> Run:
    from sklearn.svm import LinearSVC

    x = _standardised(data)
    return lambda: LinearSVC(loss="squared_hinge", dual=False).fit(x, data["y"])


def sklearn_tree(data: Data) -> Run:
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_depth=6, min_samples_leaf=20)
    return lambda: tree.fit(data["x"], data["y"])


def sklearn_boosting(data: Data) -> Run:
    from sklearn.ensemble import HistGradientBoostingClassifier

    boosting = HistGradientBoostingClassifier(
        max_iter=50, max_depth=5, max_leaf_nodes=None, max_bins=64, early_stopping=False
    )
    return lambda: boosting.fit(data["x"], data["y"])


def sklearn_forest(data: Data) -> Run:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(10, max_depth=8, min_samples_leaf=10, oob_score=True, n_jobs=-1)
    return lambda: forest.fit(data["x"], data["y"])


def sklearn_perceptron(data: Data) -> Run:
    from sklearn.neural_network import MLPClassifier

    x = _standardised(data)
    # As many rounds of L-BFGS for both; tol 0 lets none end before.
    network = MLPClassifier(
        (4,), activation="tanh", solver="lbfgs", alpha=1.0, max_iter=30, tol=0.0, random_state=1
    )
    return lambda: network.fit(x, data["y"])


def _frame(data: Data) -> Any:
    import pandas as pd

    return pd.DataFrame(data["x"], columns=data["names"])


def _categories(codes: Any) -> Any:
    import pandas as pd

    return pd.Categorical([f"level {code}" for code in codes.tolist()])


def _standardised(data: Data) -> Any:
    x = data["x"]
    return (x - x.mean(axis=0)) / x.std(axis=0)


def _survival(data: Data) -> Any:
    import pandas as pd

    frame = pd.DataFrame(_standardised(data), columns=data["names"])
    return frame.assign(months=data["y"], event=data["columns"]["event"])
