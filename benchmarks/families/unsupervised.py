"""Structure without an outcome."""

import numpy as np

from benchmarks.columns import Data, Run, standardised
from benchmarks.task import SKLEARN, Task, X


def sklearn_kmeans(data: Data) -> Run:
    from sklearn.cluster import KMeans

    x = np.ascontiguousarray(standardised(data))
    return lambda: KMeans(4, n_init=1, random_state=1, algorithm="lloyd").fit(x)


def sklearn_mixture(data: Data) -> Run:
    from sklearn.mixture import GaussianMixture

    x = np.ascontiguousarray(standardised(data))
    return lambda: GaussianMixture(3, random_state=1, tol=1e-6, max_iter=1000).fit(x)


def sklearn_pca(data: Data) -> Run:
    from sklearn.decomposition import PCA

    return lambda: PCA(svd_solver="covariance_eigh").fit(standardised(data))


def scipy_clusters(data: Data) -> Run:
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    def run() -> object:
        apart = 1.0 - np.abs(np.corrcoef(data["x"], rowvar=False))
        np.fill_diagonal(apart, 0.0)
        return linkage(squareform(apart, checks=False), "average")

    return run


def prince_mca(data: Data) -> Run:
    import pandas as pd
    import prince

    table = pd.DataFrame(data["columns"]).astype(str)
    return lambda: prince.MCA(n_components=2).fit(table).eigenvalues_


TASKS = (
    Task(
        "k-means, k = 4, 20 variables", "kmeans", X, [], {"k": 4, "standardise": True},
        {SKLEARN: sklearn_kmeans}, 0.6, (SKLEARN,),
        r="kmeans(scale(x), 4, iter.max = 100, algorithm = 'Lloyd')",
    ),
    Task(
        "Gaussian mixture, k = 3, 5 variables", "gaussian_mixture", X[:5], [], {"k": 3},
        {SKLEARN: sklearn_mixture}, records=100_000,
    ),
    Task(
        "PCA, 20 variables", "pca", X, [], {}, {SKLEARN: sklearn_pca},
        r="prcomp(x, scale. = TRUE)",
    ),
    Task(
        "clusters of 20 variables", "variable_clusters", X, [], {}, {"SciPy": scipy_clusters}
    ),
    Task(
        "correspondence analysis, 3 variables", "mca", ["cohort_group", "outcome", "event"], [],
        {}, {"prince": prince_mca},
    ),
)  # fmt: skip
