"""Naive Bayes against scikit-learn, split over sites, and where it has no answer."""

from typing import Any

import numpy as np
import pytest
from sklearn.naive_bayes import CategoricalNB, GaussianNB

from medmip.algorithms.declaration import CannotCompute
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.analysis import analyse


def cohort(records: int = 500, seed: int = 9, mean: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    group = rng.choice(["ad", "cn", "mci"], records, p=[0.3, 0.4, 0.3])
    lean = np.select([group == "ad", group == "mci"], [-1.0, -0.4], 0.3)
    sex = np.where(rng.random(records) < 0.5 + 0.2 * (group == "ad"), "F", "M")
    gene = np.where(rng.random(records) < 0.3 - 0.2 * lean, "e4", "none")
    return {
        "group": group,
        "volume": mean + 3 + lean + rng.normal(size=records),
        "score": mean + 25 + 3 * lean + 2 * rng.normal(size=records),
        "sex": sex,
        "gene": gene,
    }


def fit(data: dict[str, Any], x: list[str], **options: Any) -> Any:
    return analyse("naive_bayes", data, y=["group"], x=x, **options)


NUMERIC, NOMINAL = ["volume", "score"], ["sex", "gene"]


def test_numeric_variables_equal_scikit_learn() -> None:
    data = cohort()
    x = np.column_stack([data[code] for code in NUMERIC])
    theirs = GaussianNB().fit(x, data["group"])
    ours = fit(data, NUMERIC)
    assert [part.level for part in ours.classes] == theirs.classes_.tolist()
    assert [part.n for part in ours.classes] == theirs.class_count_.tolist()
    assert np.array([part.means for part in ours.classes]) == pytest.approx(theirs.theta_, rel=1e-8)
    found = np.array([part.variances for part in ours.classes]) + theirs.epsilon_
    assert found == pytest.approx(theirs.var_, rel=1e-8)
    given = theirs.predict(x)
    assert list(ours.predicted) == [int((given == name).sum()) for name in theirs.classes_]
    assert ours.accuracy == pytest.approx(theirs.score(x, data["group"]), rel=1e-12)


def test_nominal_variables_equal_scikit_learn() -> None:
    data = cohort()
    x = np.column_stack([np.unique(data[code], return_inverse=True)[1] for code in NOMINAL])
    theirs = CategoricalNB(alpha=0.5).fit(x, data["group"])
    ours = fit(data, NOMINAL, parameters={"alpha": 0.5})
    for index in range(len(NOMINAL)):
        counts = np.array([part.counts[index] for part in ours.classes])
        assert counts.tolist() == theirs.category_count_[index].tolist()
        chances = np.log([part.chances[index] for part in ours.classes])
        assert chances == pytest.approx(theirs.feature_log_prob_[index], rel=1e-8)
    assert ours.accuracy == pytest.approx(theirs.score(x, data["group"]), rel=1e-12)


def test_both_kinds_together_add_up_their_evidence() -> None:
    data = cohort()
    numbers = np.column_stack([data[code] for code in NUMERIC])
    codes = np.column_stack([np.unique(data[code], return_inverse=True)[1] for code in NOMINAL])
    gauss = GaussianNB().fit(numbers, data["group"])
    categories = CategoricalNB().fit(codes, data["group"])
    score = gauss.predict_joint_log_proba(numbers) + categories.predict_joint_log_proba(codes)
    given = gauss.classes_[(score - np.log(gauss.class_prior_)).argmax(axis=1)]
    ours = fit(data, NUMERIC + NOMINAL)
    for index, name in enumerate(gauss.classes_):
        row = [int(((data["group"] == name) & (given == other)).sum()) for other in gauss.classes_]
        assert list(ours.confusion[index]) == row


@pytest.mark.parametrize("parts", [2, 3, 10])
def test_split_equals_pooled(parts: int) -> None:
    data = cohort(mean=1e6)
    pooled, split = (fit(data, NUMERIC + NOMINAL, parts=count) for count in (1, parts))
    assert split.confusion == pooled.confusion
    for one, other in zip(pooled.classes, split.classes, strict=True):
        assert other.means == pytest.approx(one.means, rel=1e-12)
        assert other.variances == pytest.approx(one.variances, rel=1e-9)
        assert other.counts == one.counts


def test_a_small_class_is_refused_by_name() -> None:
    data = cohort()
    data["group"][:4] = "few"
    with pytest.raises(Refused, match="few"):
        fit(data, NUMERIC, policy=Policy(overlap="off"))


def test_small_numbers_of_the_confusion_are_hidden() -> None:
    data = cohort()
    data["volume"] += 3 * (data["group"] == "cn")
    ours = fit(data, NUMERIC, policy=Policy(overlap="off"))
    flat = [count for row in ours.confusion for count in row]
    assert None in flat
    assert ours.accuracy is None
    assert "hidden" in str(ours.views()[0].rows)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"group": np.full(500, "cn")}, "single level"),
        ({"volume": np.ones(500), "score": np.ones(500)}, "does not vary"),
    ],
)
def test_without_an_answer_it_says_why(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CannotCompute, match=message):
        fit(cohort() | change, NUMERIC)


def test_views_show_classes_and_means() -> None:
    titles = [view.title for view in fit(cohort(), NUMERIC + NOMINAL).views()]
    assert titles[:4] == ["Classes", "Agreement", "Confusion matrix", "Means by class"]
