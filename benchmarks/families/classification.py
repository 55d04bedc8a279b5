"""Telling classes apart."""

from typing import Any

from benchmarks.columns import Data, Run, categories, standardised
from benchmarks.task import SKLEARN, Task, X


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


def sklearn_svm(data: Data) -> Run:
    from sklearn.svm import LinearSVC

    x = standardised(data)
    return lambda: LinearSVC(loss="squared_hinge", dual=False).fit(x, data["y"])


def sklearn_perceptron(data: Data) -> Run:
    from sklearn.neural_network import MLPClassifier

    x = standardised(data)
    # As many rounds of L-BFGS for both; tol 0 lets none end before.
    network = MLPClassifier(
        (4,), activation="tanh", solver="lbfgs", alpha=1.0, max_iter=30, tol=0.0, random_state=1
    )
    return lambda: network.fit(x, data["y"])


def pysubgroup_search(data: Data) -> Run:
    import pandas as pd
    import pysubgroup as ps

    table = pd.DataFrame({name: categories(codes) for name, codes in data["columns"].items()})
    target = ps.BinaryTarget("outcome", "level 1")

    def run() -> Any:
        space = ps.create_selectors(table, ignore=["outcome"])
        task = ps.SubgroupDiscoveryTask(
            table, target, space, result_set_size=10, depth=2, qf=ps.WRAccQF()
        )
        return ps.DFS(ps.BitSetRepresentation).execute(task)

    return run


TASKS = (
    Task(
        "discriminant analysis, 3 classes", "discriminant", ["cohort_group"], X, {},
        {SKLEARN: sklearn_lda},
    ),
    Task(
        "naive Bayes, 3 classes", "naive_bayes", ["cohort_group"], X, {},
        {SKLEARN: sklearn_naive_bayes},
    ),
    Task(
        "linear SVM, 20 covariates", "linear_svm", ["outcome"], X, {"positive_class": "yes"},
        {SKLEARN: sklearn_svm},
    ),
    Task(
        "perceptron, 20 covariates, 30 rounds", "perceptron", ["outcome"], X, {"rounds": 30},
        {SKLEARN: sklearn_perceptron},
    ),
    Task(
        "subgroups, 2 conditions", "subgroup_discovery", ["outcome"], ["cohort_group", "event"],
        {"target": "yes"}, {"pysubgroup": pysubgroup_search},
    ),
)  # fmt: skip
