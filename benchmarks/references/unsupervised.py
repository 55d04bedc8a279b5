"""Structure without an outcome, beside scikit-learn, SciPy and NumPy."""

from typing import Any

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from benchmarks.references.comparison import CLOSED, ITERATED, LEVELS, Comparison, Pair, run


def _pca(data: dict[str, Any]) -> Pair:
    names = ["age", "volume", "cortex", "score"]
    found = run("pca", data, y=names)
    x = np.column_stack([data[name] for name in names])
    theirs = PCA(svd_solver="full").fit((x - x.mean(axis=0)) / x.std(axis=0, ddof=1))
    ours = [*found.eigenvalues, *np.abs(found.vectors[0])]
    return ours, [*theirs.explained_variance_, *np.abs(theirs.components_[0])]


def _clusters(data: dict[str, Any]) -> Pair:
    names = ["age", "volume", "cortex", "score"]
    asked = {"linkage": "average"}
    found = run("variable_clusters", data, y=names, parameters=asked)
    apart = 1 - np.abs(np.corrcoef([data[name] for name in names]))
    theirs = linkage(squareform(apart, checks=False), "average")
    return [merge.height for merge in found.merges], theirs[:, 2]


def _kmeans(data: dict[str, Any]) -> Pair:
    names = ["age", "volume", "score"]
    asked = {"k": 3, "standardise": False, "tolerance": 0.0}
    found = run("kmeans", data, y=names, parameters=asked)
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
    found = run(
        "gaussian_mixture", moved, y=names, parameters={"k": 2, "tolerance": 1e-12, "floor": 1e-6}
    )
    start = run(
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
    found = run("mca", data, y=names, parameters={"axes": 2})
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


COMPARISONS = (
    Comparison("unsupervised", "pca", "λ, first vector", "scikit-learn", CLOSED, _pca),
    Comparison("unsupervised", "variable_clusters", "heights", "SciPy", CLOSED, _clusters),
    Comparison(
        "unsupervised", "kmeans", "centres, spread within", "scikit-learn", ITERATED, _kmeans
    ),
    Comparison(
        "unsupervised", "gaussian_mixture", "shares, means, ℓ", "scikit-learn", ITERATED, _mixture
    ),
    Comparison("unsupervised", "mca", "inertias, first axis", "NumPy", CLOSED, _mca),
)
