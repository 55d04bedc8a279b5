"""Numbers freed of what is known to move them: the size of the head, age, sex."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from medmip.imaging.people import Person

ADJUSTED_AT_LEAST = 30
"""Scans of patients whose age and sex are known, below which nothing is freed of these."""
_OF_A_SEX = 10
"""Of each sex, below which its patients are compared with nobody's."""
_BEYOND = 5.0
"""Years outside the ages of the reference, up to which its slope is believed."""
_ROUNDS = 50
_HUBER = 1.345
"""Of the robust deviation: 95 % as efficient as least squares where errors are normal."""
_NORMAL = 1.4826


class Comparable:
    """Which scans of a reference a person is compared with, and the columns that tell them apart.

    rows are their places; design is (n, p): age, and 1 for the other sex where there are two.
    """

    def __init__(self, own: Person, others: Sequence[Person | None]) -> None:
        known = [(row, one) for row, one in enumerate(others) if one is not None]
        sexes = sorted({one.sex for _, one in known})
        often = [sex for sex in sexes if sum(one.sex == sex for _, one in known) >= _OF_A_SEX]
        used = [(row, one) for row, one in known if one.sex in often]
        self.rows = np.array([row for row, _ in used], np.int64)
        self._sexes = often[1:]
        self.design = np.array([self._columns(one) for _, one in used], np.float64)
        self.own = np.array(self._columns(own), np.float64)
        ages = [one.age for _, one in used]
        self.is_enough = (
            len(used) >= ADJUSTED_AT_LEAST
            and own.sex in often
            and min(ages) - _BEYOND <= own.age <= max(ages) + _BEYOND
        )

    def _columns(self, person: Person) -> list[float]:
        return [person.age, *(float(person.sex == sex) for sex in self._sexes)]


def robust_slopes(design: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slopes (p,) of values (n,) over the columns of design (n, p), beside an intercept.

    Huber's estimate by weights made anew until they settle, so that few unusual scans do not turn
    it. A column that is the same for all has slope 0.
    Source: Huber, Robust Estimation of a Location Parameter, Ann. Math. Statist. 35 (1964) 73;
    Holland & Welsch, Communications in Statistics A6 (1977) 813.
    """
    spread = design.std(axis=0)
    moves = spread > 0
    slopes = np.zeros(design.shape[1])
    if not moves.any():
        return slopes
    scaled = (design[:, moves] - design[:, moves].mean(axis=0)) / spread[moves]
    columns = np.column_stack([np.ones(len(values)), scaled])
    weights = np.ones(len(values))
    found = np.zeros(columns.shape[1])
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        former, found = found, np.linalg.lstsq(columns * root[:, None], values * root)[0]
        away = np.abs(values - columns @ found)
        scale = _NORMAL * float(np.median(away))
        if scale <= 0 or np.allclose(found, former, rtol=1e-10, atol=0):
            break
        weights = np.minimum(1.0, _HUBER * scale / np.maximum(away, 1e-300))
    slopes[moves] = found[1:] / spread[moves]
    return slopes
