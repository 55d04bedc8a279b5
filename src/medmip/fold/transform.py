"""What a numeric variable goes through before it becomes a column of a design."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medmip.fold.statistic import FloatArray

TransformName = Literal["log", "exp"]


@dataclass(frozen=True, slots=True)
class Transform:
    """A function of one variable's values; where it has none, the value is not finite."""

    name: TransformName

    def label(self, variable: str) -> str:
        """How a column of the transformed variable is called."""
        return f"{self.name}({variable})"

    def of(self, values: FloatArray) -> FloatArray:
        """The transformed values, (n,); NaN stays NaN."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            changed: FloatArray = np.log(values) if self.name == "log" else np.exp(values)
        return changed
