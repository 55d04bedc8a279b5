"""Discriminant analysis against scikit-learn and R, split over sites, and its refusals."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import (
    LinearDiscriminantAnalysis,
    QuadraticDiscriminantAnalysis,
)

from medmip.algorithms.declaration import CannotCompute
from medmip.fold.block import Block, Layout
from medmip.fold.class_scatter import Classes, ScatterState, class_scatter
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.algorithms.confusion import hidden_in_the_picture
from tests.algorithms.samples import splits
from tests.analysis import analyse
from tests.blocks import cohort_over

NUMERIC, ALL = ["volume", "score", "age"], ["volume", "score", "age", "sex", "gene"]
LEVELS = {"sex": ("F", "M"), "gene": ("e2", "e3", "e4")}
CLASSES = ("ad", "cn", "mci")


def cohort(records: int = 500, seed: int = 3, mean: float = 0.0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    group = rng.choice(list(CLASSES), records, p=[0.25, 0.45, 0.3])
    lean = np.select([group == "ad", group == "mci"], [-1.0, -0.4], 0.3)
    spread = np.select([group == "ad", group == "mci"], [1.6, 1.0], 0.7)
    common = rng.normal(size=records)
    return {
        "group": group,
        "volume": mean + 3 + lean + spread * common,
        "score": 25 + 4 * lean + 2 * common + 1.5 * spread * rng.normal(size=records),
        "age": 70 + 3 * (group == "mci") + 6 * rng.normal(size=records),
        "sex": np.where(rng.random(records) < 0.5 + 0.2 * (group == "ad"), "F", "M"),
        "gene": rng.choice(["e2", "e3", "e4"], records, p=[0.2, 0.5, 0.3]),
    }


def fit(data: dict[str, Any], x: list[str], kind: str = "linear", **options: Any) -> Any:
    parameters = {"kind": kind} | options.pop("parameters", {})
    return analyse("discriminant", data, y=["group"], x=x, parameters=parameters, **options)


def matrix(data: dict[str, Any], x: list[str]) -> Any:
    columns = []
    for code in x:
        if code in LEVELS:
            columns += [(data[code] == level).astype(float) for level in LEVELS[code][1:]]
        else:
            columns.append(data[code])
    return np.column_stack(columns)


def block_of(data: dict[str, Any], **change: Any) -> Block:
    numbers = [code for code in data if data[code].dtype.kind == "f"]
    nominal = {"group": CLASSES} | LEVELS | change
    codes = [np.array([levels.index(v) for v in data[c].tolist()]) for c, levels in nominal.items()]
    return Block(
        Layout(tuple(numbers), tuple(nominal), tuple(map(tuple, nominal.values()))),
        np.asfortranarray(np.column_stack([data[code] for code in numbers])),
        np.asfortranarray(np.column_stack(codes).astype(np.int32)),
        np.zeros(len(data["group"]), dtype=np.int32),
        None,
    )


@dataclass
class Unbiased:
    """A class's covariance as R has it; scikit-learn's own has the denominator n.

    pooled: so that those of three classes of 500 records add up to the denominator 500 - 3.
    """

    pooled: bool

    def fit(self, x: Any) -> "Unbiased":
        covariance = np.cov(x.T, bias=self.pooled).reshape(x.shape[1], -1)
        self.covariance_ = covariance * (500 / 497 if self.pooled else 1.0)
        return self


RIVALS: dict[str, Callable[[], Any]] = {
    "linear": lambda: LinearDiscriminantAnalysis(
        solver="lsqr", covariance_estimator=Unbiased(True)
    ),
    "quadratic": lambda: QuadraticDiscriminantAnalysis(
        solver="eigen", covariance_estimator=Unbiased(False)
    ),
}


@pytest.mark.parametrize("kind", RIVALS)
@pytest.mark.parametrize("x", [NUMERIC, ALL, ["sex", "gene"]], ids="+".join)
def test_chances_equal_scikit_learn(kind: str, x: list[str]) -> None:
    data, unseen = cohort(), cohort(300, seed=11)
    theirs = RIVALS[kind]().fit(matrix(data, x), data["group"])
    ours = fit(data, x, kind)
    chances = ours.model.predict(block_of(unseen))
    assert chances == pytest.approx(theirs.predict_proba(matrix(unseen, x)), rel=1e-8, abs=1e-12)
    assert ours.accuracy == pytest.approx(theirs.score(matrix(data, x), data["group"]), rel=1e-12)
    given = theirs.predict(matrix(data, x))
    for row, name in zip(ours.confusion, CLASSES, strict=True):
        assert list(row) == [int(((data["group"] == name) & (given == to)).sum()) for to in CLASSES]


def test_axes_equal_scikit_learn() -> None:
    data = cohort()
    x = matrix(data, ALL)
    theirs = LinearDiscriminantAnalysis(solver="svd").fit(x, data["group"])
    ours = fit(data, ALL)
    assert [axis.share for axis in ours.axes] == pytest.approx(
        theirs.explained_variance_ratio_, rel=1e-8
    )
    means = np.array([part.means for part in ours.classes])
    assert means == pytest.approx(theirs.means_, rel=1e-8)
    assert [part.prior for part in ours.classes] == pytest.approx(theirs.priors_, rel=1e-12)
    # scikit-learn's axes are in deviations with the denominator n, ours with n - classes.
    centres = (theirs.means_ - theirs.xbar_) @ theirs.scalings_ * (497 / 500) ** 0.5
    found = np.array([part.centre for part in ours.classes])
    signs = np.sign((found * centres).sum(axis=0))
    assert found == pytest.approx(centres * signs, rel=1e-8, abs=1e-10)


R = """
suppressMessages(library(MASS))
d <- read.csv("{file}", stringsAsFactors = TRUE)
f <- function(x) paste0("[", paste(format(c(x), digits = 16), collapse = ","), "]")
m <- lda(group ~ volume + score + age + sex + gene, d, tol = 1e-12)
x <- model.matrix(~ volume + score + age + sex + gene, d)[, -1]
w <- summary(manova(x ~ d$group), test = "Wilks", tol = 0)$stats[1, ]
q <- qda(group ~ volume + score + age + sex + gene, d)
cat(f(m$scaling), f(m$svd^2 / sum(m$svd^2)), f(m$means), f(w[2:6]), f(predict(m)$posterior),
    f(predict(q)$posterior), sep = "\\n")
"""


def test_equals_r(need: Callable[..., str], tmp_path: Path) -> None:
    data = cohort()
    pd.DataFrame(data).to_csv(tmp_path / "d.csv", index=False, float_format="%.17g")
    script = R.format(file=tmp_path / "d.csv")
    done = subprocess.run(
        [need("Rscript"), "-e", script], capture_output=True, text=True, check=True
    )
    scalings, shares, means, wilks, linear, quadratic = (
        json.loads(line) for line in done.stdout.splitlines()
    )
    ours = fit(data, ALL)
    for axis, theirs in zip(ours.axes, np.reshape(scalings, (2, -1)), strict=True):
        sign = np.sign(np.dot(axis.coefficients, theirs))
        assert axis.coefficients == pytest.approx(sign * theirs, rel=1e-8, abs=1e-10)
    assert [axis.share for axis in ours.axes] == pytest.approx(shares, rel=1e-8)
    found = np.array([part.means for part in ours.classes])
    assert found == pytest.approx(np.reshape(means, (-1, 3)).T, rel=1e-8)
    figures = (ours.wilks, ours.f, ours.df_between, ours.df_within, ours.p_value)
    assert figures == pytest.approx(wilks, rel=1e-8)
    for kind, theirs in (("linear", linear), ("quadratic", quadratic)):
        chances = fit(data, ALL, kind).model.predict(block_of(data))
        assert chances == pytest.approx(np.reshape(theirs, (3, -1)).T, rel=1e-8, abs=1e-10)


def test_tests_of_axes_follow_bartlett() -> None:
    data = cohort()
    x, group = matrix(data, NUMERIC), data["group"]
    within = sum(np.cov(x[group == name].T) * ((group == name).sum() - 1) for name in CLASSES)
    whole = np.cov(x.T) * (len(x) - 1)
    ours = fit(data, NUMERIC)
    assert ours.wilks == pytest.approx(np.linalg.det(within) / np.linalg.det(whole), rel=1e-8)
    values = np.sort(np.linalg.eigvals(np.linalg.solve(within, whole - within)).real)[::-1]
    assert [axis.eigenvalue for axis in ours.axes] == pytest.approx(values[:2], rel=1e-8)
    assert ours.axes[1].chi_squared == pytest.approx(
        (500 - 1 - (3 + 3) / 2) * np.log1p(values[1]), rel=1e-8
    )
    assert [axis.df for axis in ours.axes] == [6, 2]


@pytest.mark.parametrize("kind", RIVALS)
@pytest.mark.parametrize("parts", [*splits(500), 3], ids=str)
def test_split_equals_pooled(kind: str, parts: Any) -> None:
    data = cohort(mean=1e6)
    pooled, split = fit(data, ALL, kind), fit(data, ALL, kind, parts=parts)
    assert split.confusion == pooled.confusion
    for one, other in zip(pooled.axes, split.axes, strict=True):
        assert other.coefficients == pytest.approx(one.coefficients, rel=1e-9)
        assert other.p_value == pytest.approx(one.p_value, rel=1e-9)
    for mine, theirs in zip(pooled.classes, split.classes, strict=True):
        assert np.array(theirs.spread) == pytest.approx(np.array(mine.spread), rel=1e-9)
    block = block_of(data)
    expected = pooled.model.predict(block)
    assert split.model.predict(block) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("kind", RIVALS)
def test_a_large_offset_takes_no_digits(kind: str) -> None:
    plain, moved = (fit(cohort(mean=mean), NUMERIC, kind) for mean in (0.0, 1e8))
    for one, other in zip(plain.axes, moved.axes, strict=True):
        assert other.coefficients == pytest.approx(one.coefficients, rel=1e-6, abs=1e-7)


@settings(max_examples=30)
@given(
    st.integers(0, 10**6), st.lists(st.integers(1, 59), max_size=8), st.booleans(), st.booleans()
)
def test_blocks_in_any_order_give_the_same_scatter(
    seed: int, cuts: list[int], apart: bool, turned: bool
) -> None:
    data = cohort(60, seed, mean=1e5)
    order = np.arange(60)[::-1] if turned else np.arange(60)

    def classes(order: Any, cuts: list[int]) -> Classes:
        groups = np.array([CLASSES.index(name) for name in data["group"].tolist()])
        over = cohort_over(
            {code: data[code][order] for code in NUMERIC},
            y=["group"],
            x=NUMERIC,
            codes={"group": (groups[order], CLASSES)},
            cuts=cuts,
        )
        state = ScatterState("group", 3, over.design(over.x), apart, ())
        return Classes.of(over.fold(class_scatter, state), np.arange(3), [0, 1, 2])

    whole, cut = classes(np.arange(60), []), classes(order, cuts)
    assert cut.records.tolist() == whole.records.tolist()
    assert cut.means == pytest.approx(whole.means, rel=1e-12)
    for mine, theirs in zip(whole.scatter, cut.scatter, strict=True):
        reach = np.sqrt(np.diag(mine))
        assert theirs / np.outer(reach, reach) == pytest.approx(
            mine / np.outer(reach, reach), rel=1e-12, abs=1e-12
        )


def test_repeated_visits_count_patients_once() -> None:
    data = cohort()
    data["subjectid"] = np.array([f"s{index // 2:03d}" for index in range(500)])
    ours = fit(data, ALL)
    assert sum(part.n for part in ours.classes) == ours.n == 500
    data["group"] = np.where(np.arange(500) < 14, "few", "cn")
    with pytest.raises(Refused, match="few"):
        fit(data, NUMERIC, policy=Policy(overlap="off"))


def test_a_small_class_is_refused_by_name() -> None:
    data = cohort()
    data["group"][:4] = "few"
    with pytest.raises(Refused, match=r"\(few\)"):
        fit(data, NUMERIC, policy=Policy(overlap="off"))


def test_a_small_level_of_a_class_is_refused_by_name() -> None:
    data = cohort()
    rows = np.flatnonzero(data["group"] == "ad")
    data["gene"][rows] = "e3"
    data["gene"][rows[:5]] = "e2"
    with pytest.raises(Refused, match=r"\(gene\[e2\] in ad\)"):
        fit(data, ALL, policy=Policy(overlap="off"))


def test_own_covariances_refuse_a_small_pair_of_levels() -> None:
    data = cohort(600)
    rows = np.flatnonzero((data["group"] == "ad") & (data["gene"] == "e4"))
    data["sex"][rows] = "F"
    data["sex"][rows[:3]] = "M"
    assert fit(data, ALL, policy=Policy(overlap="off")).n == 600
    with pytest.raises(Refused, match=r"\(sex\[M\] with gene\[e4\] in ad\)"):
        fit(data, ALL, "quadratic", policy=Policy(overlap="off"))


def test_small_numbers_of_the_confusion_are_hidden() -> None:
    data = cohort()
    data["volume"] += 4 * (data["group"] == "cn")
    ours = fit(data, NUMERIC, policy=Policy(overlap="off"))
    assert None in [count for row in ours.confusion for count in row]
    assert ours.accuracy is None
    assert "hidden" in str([view.rows for view in ours.views() if view.title == "Classes"])
    assert hidden_in_the_picture(ours)


def test_empty_classes_and_levels_are_left_out() -> None:
    data = cohort()
    levels = {"group": (*CLASSES, "other"), "gene": ("e1", *LEVELS["gene"]), "sex": LEVELS["sex"]}
    ours = fit(data, ALL, levels=levels)
    assert ours.model.target.classes == CLASSES
    assert ours.dropped == ("gene[e1]",)
    assert ours.references == {"sex": "F", "gene": "e2"}
    unseen = cohort(40, seed=5)
    unseen["gene"][7] = "e1"
    chances = ours.model.predict(block_of(unseen, **levels))
    assert np.isnan(chances).any(axis=1).tolist() == (np.arange(40) == 7).tolist()


def test_an_incomplete_record_has_no_prediction() -> None:
    unseen = cohort(20)
    unseen["score"][3] = np.nan
    chances = fit(cohort(), NUMERIC).model.predict(block_of(unseen))
    assert np.flatnonzero(np.isnan(chances).any(axis=1)).tolist() == [3]


def test_two_classes_have_one_axis() -> None:
    data = cohort()
    data["group"] = np.where(data["group"] == "ad", "ad", "cn")
    ours = fit(data, NUMERIC)
    assert len(ours.axes) == 1
    assert ours.axes[0].share == pytest.approx(1.0)
    assert ours.views()[0].title == "Classes on the discriminant axes"
    assert len(fit(cohort(), ["volume"]).axes) == 1


@pytest.mark.parametrize(
    "kind, change, message",
    [
        ("linear", {"group": np.full(500, "cn")}, "single level"),
        ("linear", {"age": np.full(500, 0.1)}, "constant within the classes: age"),
        ("linear", {"age": cohort()["volume"] * 3 - cohort()["score"]}, "determine each other"),
        (
            "linear",
            {"age": np.unique(cohort()["group"], return_inverse=True)[1].astype(float)},
            "constant within the classes: age",
        ),
        (
            "quadratic",
            {"age": np.where(cohort()["group"] == "ad", 3.0, cohort()["age"])},
            "constant within class ad: age",
        ),
        (
            "quadratic",
            {"age": np.where(cohort()["group"] == "ad", cohort()["score"], cohort()["age"])},
            "determine each other within class ad: score, age",
        ),
    ],
)
def test_without_an_answer_it_says_why(kind: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(CannotCompute, match=message):
        fit(cohort() | change, NUMERIC, kind)


def test_too_few_records_are_counted() -> None:
    data = {code: values[:5] for code, values in cohort().items()}
    data["group"] = np.array(["ad", "ad", "ad", "cn", "cn"])
    with pytest.raises(CannotCompute, match="5 records are too few for 4 columns in 2 classes"):
        fit(data | {"more": np.arange(5.0) ** 2}, [*NUMERIC, "more"])
    data = cohort()
    data["group"][data["group"] == "ad"] = "cn"
    data["group"][:3] = "ad"
    with pytest.raises(CannotCompute, match="Class ad has 3 records"):
        fit(data, NUMERIC, "quadratic")


def test_equal_means_have_no_axis() -> None:
    values = np.tile([1.0, 2.0, 3.0, 4.0], 10)
    data = {"group": np.repeat(["a", "b"], 20), "value": values}
    with pytest.raises(CannotCompute, match="same means"):
        fit(data, ["value"])


def test_the_class_cannot_tell_itself() -> None:
    with pytest.raises(CannotCompute, match="among its own"):
        fit(cohort(), ["group", "age"])


def test_views_show_what_a_paper_prints() -> None:
    views = fit(cohort(), ALL).views()
    assert [view.title for view in views] == [
        "Classes on the discriminant axes",
        "Discriminant axes",
        "Discriminant coefficients",
        "Means by class",
        "Classes",
        "Confusion matrix",
    ]
    assert "reference of gene: e2" in views[2].note
