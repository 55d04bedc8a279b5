"""Firth's penalty against a likelihood written out here, and against what is known in closed form.

In a table of two groups and two classes, the penalised estimate is the odds ratio after half a
record is added to each cell (Firth 1993).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from firthmodels import FirthLogisticRegression
from scipy import optimize, stats

from medmip.algorithms.declaration import CannotCompute
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.algorithms.samples import splits
from tests.analysis import analyse

RECORDS = 120
FIRTH = {"positive_class": "yes", "penalty": "firth"}


def cohort(separated: bool = False) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    age, dose = rng.normal(70, 8, RECORDS), rng.exponential(2.0, RECORDS)
    sex = rng.choice(["F", "M"], RECORDS, p=[0.8, 0.2])
    eta = 0.05 * (age - 70) + 0.3 * dose - 1.0
    died = rng.random(RECORDS) < 1 / (1 + np.exp(-eta))
    if separated:
        died |= sex == "M"
    return {
        "age": age,
        "dose": dose,
        "sex": sex,
        "died": np.where(died, "yes", "no"),
        "w": rng.integers(0, 4, RECORDS).astype(float),
        "o": rng.normal(0, 0.5, RECORDS),
    }


X = ["age", "dose", "sex"]


def fit(data: dict[str, Any], more: dict[str, Any] | None = None, **options: Any) -> Any:
    more = more or {}
    named = [value for key, value in more.items() if key in ("weights", "offset")]
    asked = FIRTH | more
    return analyse(
        "logistic_regression", data, y=["died"], x=[*X, *named], parameters=asked, **options
    )


class ByHand:
    """The penalised log-likelihood, made greatest by SciPy with derivatives by differences."""

    def __init__(self, data: dict[str, Any], weights: Any = 1.0, offset: Any = 0.0) -> None:
        n = len(data["died"])
        columns = [np.ones(n), data["age"] - 70, data["dose"], data["sex"] == "M"]
        self.x = np.column_stack(columns).astype(float)
        self.y = (data["died"] == "yes").astype(float)
        self.w, self.o = weights * np.ones(n), offset * np.ones(n)
        self.best = self.greatest({})

    def value(self, beta: Any) -> float:
        eta = self.x @ beta + self.o
        plain = np.sum(self.w * (self.y * eta - np.logaddexp(0, eta)))
        chance = 1 / (1 + np.exp(-eta))
        information = self.x.T @ (self.x * (self.w * chance * (1 - chance))[:, None])
        return float(plain + 0.5 * np.linalg.slogdet(information)[1])

    def greatest(self, fixed: dict[int, float]) -> Any:
        free = [index for index in range(self.x.shape[1]) if index not in fixed]

        def whole(part: Any) -> Any:
            beta = np.zeros(self.x.shape[1])
            beta[free], beta[list(fixed)] = part, list(fixed.values())
            return beta

        scale = 1 / np.maximum(self.x.std(axis=0)[free], 1)

        def fallen(part: Any) -> float:
            return -self.value(whole(part * scale))

        start: Any = np.zeros(len(free))
        for _ in range(3):
            found = optimize.minimize(
                fallen,
                start,
                method="BFGS",
                jac="3-point",
                options={"gtol": 1e-9},
            )
            start = found.x
        return whole(found.x * scale)

    def ratio(self, fixed: dict[int, float]) -> float:
        return 2 * (self.value(self.best) - self.value(self.greatest(fixed)))

    def limit(self, index: int, way: float) -> float:
        threshold = stats.chi2.ppf(0.95, 1)
        end = self.best[index] + way * (12 / self.x[:, index].std() if index else 5)
        return float(
            optimize.brentq(
                lambda value: self.ratio({index: value}) - threshold,
                self.best[index],
                end,
                xtol=1e-9,
            )
        )


@pytest.mark.parametrize("separated", [False, True])
def test_equals_independent_software(separated: bool) -> None:
    """Estimates, ratio tests and profile limits, as R's logistf defines them.

    Errors are of the information itself, as in Heinze & Schemper and in brglm2; this software, as
    logistf since 1.24, takes them of the information that the penalty has augmented.
    """
    data = cohort(separated)
    found = fit(data, parts=2)
    columns = np.column_stack([data["age"], data["dose"], data["sex"] == "M"]).astype(float)
    middle = columns.mean(axis=0)
    theirs = FirthLogisticRegression(backend="numpy", gtol=1e-7, xtol=1e-7, max_iter=1000).fit(
        columns - middle, data["died"] == "yes"
    )
    theirs.lrt(warm_start=False)
    limits = theirs.conf_int(alpha=0.05, method="pl", tol=1e-10, max_iter=500)
    rows = found.coefficients[1:]
    assert [row.estimate for row in rows] == pytest.approx(theirs.coef_.tolist(), rel=1e-7)
    chance = theirs.predict_proba(columns - middle)[:, 1]
    full = np.column_stack([columns - middle, np.ones(RECORDS)])
    information = full.T @ (full * (chance * (1 - chance))[:, None])
    errors = np.sqrt(np.diag(np.linalg.inv(information)))[:3]
    assert [row.std_error for row in rows] == pytest.approx(errors.tolist(), rel=1e-7)
    assert [row.p_value for row in rows] == pytest.approx(
        theirs.lrt_pvalues_[:3].tolist(), rel=1e-6
    )
    assert [row.lower for row in rows] == pytest.approx(limits[:3, 0].tolist(), rel=1e-6)
    assert [row.upper for row in rows] == pytest.approx(limits[:3, 1].tolist(), rel=1e-6)
    start = found.coefficients[0].estimate + middle @ [row.estimate for row in rows]
    assert start == pytest.approx(theirs.intercept_, rel=1e-7)


@pytest.mark.parametrize("separated", [False, True])
def test_equals_the_likelihood_written_out(separated: bool) -> None:
    data = cohort(separated)
    found, by_hand = fit(data, parts=3), ByHand(data)
    rows = found.coefficients
    estimates = [row.estimate for row in rows]
    estimates[0] += 70 * estimates[1]
    assert estimates == pytest.approx(by_hand.best.tolist(), rel=1e-6, abs=1e-7)
    for index in (1, 2, 3):
        ratio = by_hand.ratio({index: 0.0})
        assert rows[index].statistic ** 2 == pytest.approx(ratio, rel=1e-6, abs=1e-7)
        assert rows[index].p_value == pytest.approx(stats.chi2.sf(ratio, 1), rel=1e-6)
        assert rows[index].lower == pytest.approx(by_hand.limit(index, -1.0), rel=1e-6)
        assert rows[index].upper == pytest.approx(by_hand.limit(index, 1.0), rel=1e-6)
    overall = stats.chi2.sf(by_hand.ratio({1: 0.0, 2: 0.0, 3: 0.0}), 3)
    assert found.likelihood_ratio_p_value == pytest.approx(overall, rel=1e-6)


def test_errors_come_from_the_information() -> None:
    data = cohort()
    found, by_hand = fit(data), ByHand(data)
    chance = 1 / (1 + np.exp(-by_hand.x @ by_hand.best))
    information = by_hand.x.T @ (by_hand.x * (chance * (1 - chance))[:, None])
    errors = np.sqrt(np.diag(np.linalg.inv(information)))
    assert [row.std_error for row in found.coefficients[1:]] == pytest.approx(errors[1:], rel=1e-6)
    eta = by_hand.x @ by_hand.best
    plain = np.sum(by_hand.y * eta - np.logaddexp(0, eta))
    assert found.log_likelihood == pytest.approx(plain, rel=1e-8)
    assert found.penalty == "firth"


def test_interval_of_the_intercept_is_of_the_columns_own_units() -> None:
    data = cohort()
    data["age"] = data["age"] - 70
    found = fit(data).coefficients[0]
    data["age"] = data["age"] + 70
    by_hand = ByHand(data)
    assert found.statistic**2 == pytest.approx(by_hand.ratio({0: 0.0}), rel=1e-6)
    assert found.lower == pytest.approx(by_hand.limit(0, -1.0), rel=1e-6)
    assert found.upper == pytest.approx(by_hand.limit(0, 1.0), rel=1e-6)


@pytest.mark.parametrize("more", [{"weights": "w"}, {"offset": "o"}], ids=str)
def test_takes_weights_and_offset(more: dict[str, str]) -> None:
    data = cohort()
    found = fit(data, more)
    by_hand = ByHand(
        data,
        weights=data["w"] if "weights" in more else 1.0,
        offset=data["o"] if "offset" in more else 0.0,
    )
    estimates = [row.estimate for row in found.coefficients]
    assert estimates[1:] == pytest.approx(by_hand.best[1:].tolist(), rel=1e-6)


@pytest.mark.parametrize("cells", [(20, 0, 15, 25), (30, 11, 14, 25), (20, 0, 0, 25)])
def test_table_of_four_cells_gets_half_a_record_each(cells: Sequence[int]) -> None:
    group = np.repeat(["a", "a", "b", "b"], cells)
    died = np.repeat(["no", "yes", "no", "yes"], cells)
    data = {"g": group, "died": died}
    found = analyse("logistic_regression", data, y=["died"], x=["g"], parameters=FIRTH)
    a, b, c, d = (count + 0.5 for count in cells)
    intercept, slope = found.coefficients
    assert intercept.estimate == pytest.approx(np.log(b / a), rel=1e-7)
    assert slope.estimate == pytest.approx(np.log(a * d / (b * c)), rel=1e-7)
    assert slope.lower < slope.estimate < slope.upper
    assert np.isfinite(slope.upper)


@pytest.mark.parametrize("parts", splits(RECORDS)[1:], ids=lambda parts: str(parts)[:6])
def test_federated_equals_pooled(parts: Any) -> None:
    data = cohort(separated=True)
    whole, split = fit(data), fit(data, parts=parts)
    for one, other in zip(whole.coefficients, split.coefficients, strict=True):
        for key in ("estimate", "std_error", "lower", "upper", "p_value"):
            assert getattr(other, key) == pytest.approx(getattr(one, key), rel=1e-9)


def test_refusal_of_separated_classes_names_the_penalty() -> None:
    data = cohort(separated=True)
    with pytest.raises(CannotCompute, match="Firth's penalty"):
        fit(data, {"penalty": "none"})


def test_separation_by_a_number_has_an_answer_too() -> None:
    data = cohort()
    data["died"] = np.where(data["age"] > 70, "yes", "no")
    found = fit(data)
    assert all(np.isfinite([row.lower, row.upper]).all() for row in found.coefficients)
    assert found.coefficients[1].p_value < 1e-10


def test_penalty_lets_no_small_group_out() -> None:
    data = cohort()
    data["sex"] = np.where(np.arange(RECORDS) < 4, "M", "F")
    with pytest.raises(Refused, match=r"sex\[M\]"):
        fit(data, policy=Policy(overlap="off"))


def test_table_says_what_the_tests_are() -> None:
    notes = [view.note for view in fit(cohort()).views() if view.title == "Coefficients"]
    assert "Firth" in notes[0]
