"""Telling classes apart, beside scikit-learn and brute force."""

from typing import Any

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC

from benchmarks.references.comparison import CLOSED, ITERATED, LEVELS, Comparison, Pair, run


def _naive_bayes(data: dict[str, Any]) -> Pair:
    found = run("naive_bayes", data, y=["stage"], x=["age", "volume"])
    theirs = GaussianNB().fit(np.column_stack([data["age"], data["volume"]]), data["stage"])
    order = [theirs.classes_.tolist().index(part.level) for part in found.classes]
    ours = [value for part in found.classes for value in (*part.means, *part.variances)]
    expected = [[*theirs.theta_[k], *(theirs.var_[k] - theirs.epsilon_)] for k in order]
    return ours, np.concatenate(expected)


def _discriminant(data: dict[str, Any]) -> Pair:
    found = run("discriminant", data, y=["stage"], x=["age", "volume"])
    x = np.column_stack([data["age"], data["volume"]])
    theirs = LinearDiscriminantAnalysis().fit(x, data["stage"])
    return [axis.share for axis in found.axes], theirs.explained_variance_ratio_


def _subgroups(data: dict[str, Any]) -> Pair:
    asked = {"target": "yes", "shown": 5}
    found = run("subgroup_discovery", data, y=["died"], x=["sex", "stage"], parameters=asked)
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


def _linear_svm(data: dict[str, Any]) -> Pair:
    found = run("linear_svm", data, y=["stage"], x=["age", "volume", "cortex"])
    x = np.column_stack([data["age"], data["volume"], data["cortex"]])
    # liblinear shrinks the intercept too; scaled so far up, that is next to nothing.
    theirs = LinearSVC(dual=False, tol=1e-14, intercept_scaling=3e4, max_iter=100_000)
    theirs.fit((x - x.mean(axis=0)) / x.std(axis=0), data["stage"])
    order = [theirs.classes_.tolist().index(margin.level) for margin in found.margins]
    ours = [part.standardised for margin in found.margins for part in margin.weights]
    return ours, theirs.coef_[order].ravel()


def _perceptron(data: dict[str, Any]) -> Pair:
    found = run("perceptron", data, y=["stage"], x=["age", "volume"])
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


COMPARISONS = (
    Comparison(
        "classification", "naive_bayes", "means, variances", "scikit-learn", CLOSED, _naive_bayes
    ),
    Comparison(
        "classification", "discriminant", "axes' shares", "scikit-learn", CLOSED, _discriminant
    ),
    Comparison(
        "subgroups", "subgroup_discovery", "the best WRAcc", "brute force", CLOSED, _subgroups
    ),
    Comparison("classification", "linear_svm", "weights", "scikit-learn", ITERATED, _linear_svm),
    Comparison("classification", "perceptron", "loss", "scikit-learn", ITERATED, _perceptron),
)
