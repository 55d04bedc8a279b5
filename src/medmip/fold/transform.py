"""What a numeric variable goes through before it becomes a column of a design."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medmip.fold.statistic import FloatArray


@dataclass(frozen=True, slots=True)
class Transform:
    """A function of one variable's values; where it has none, the value is not finite.

    power: (x - origin) to the power of order. spline: of the restricted cubic spline with these
    knots, the curved column of this order, from 1; its unit is that of the variable.
    Source: Harrell, Regression Modeling Strategies, 2nd ed., 2.4.5.
    """

    name: Literal["log", "exp", "power", "spline"]
    order: int = 1
    origin: float = 0.0
    knots: tuple[float, ...] = ()

    def label(self, variable: str) -> str:
        """How a column of the transformed variable is called, such as log(age), age^2, age''."""
        if self.name == "power":
            return f"{variable}^{self.order}"
        if self.name == "spline":
            return variable + "'" * self.order
        return f"{self.name}({variable})"

    def of(self, values: FloatArray) -> FloatArray:
        """The transformed values, (n,); NaN stays NaN."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            match self.name:
                case "log":
                    changed: FloatArray = np.log(values)
                case "exp":
                    changed = np.exp(values)
                case "power":
                    changed = base = values - self.origin
                    for _ in range(self.order - 1):
                        changed = changed * base
                case "spline":
                    changed = self._spline(values)
        return changed

    def _spline(self, values: FloatArray) -> FloatArray:
        *_, before, last = self.knots
        knot, width = self.knots[self.order - 1], last - before
        bent = (
            _cube(values - knot)
            - _cube(values - before) * ((last - knot) / width)
            + _cube(values - last) * ((before - knot) / width)
        )
        scaled: FloatArray = bent / (last - self.knots[0]) ** 2
        return scaled


def _cube(values: FloatArray) -> FloatArray:
    above = np.maximum(values, 0.0)
    return above * above * above
