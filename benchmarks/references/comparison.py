"""What a comparison is, and the generated patients on whom ours and references agree."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from tests.analysis import analyse

CLOSED, ITERATED = 1e-8, 1e-6
"""The largest relative error of a closed form, and of an iterated one."""
Pair = tuple[Any, Any]
X = ["age", "volume", "sex"]
LEVELS = {"sex": ("F", "M"), "stage": ("none", "mild", "severe"), "died": ("no", "yes")}


@dataclass(frozen=True)
class Comparison:
    """Ours beside a reference's figures; r says that Rscript makes them."""

    family: str
    algorithm: str
    quantities: str
    reference: str
    tolerance: float
    compute: Callable[[dict[str, Any]], Pair]
    r: bool = False

    def error(self, data: dict[str, Any]) -> float | None:
        """The largest relative error, against each figure's own size; None without R."""
        if self.r and shutil.which("Rscript") is None:
            return None
        ours, theirs = (np.asarray(part, dtype=float) for part in self.compute(data))
        if ours.shape != theirs.shape or not ours.size:
            raise ValueError(f"{self.algorithm}: figures of different shapes are compared")
        scale = np.maximum(np.abs(theirs), 1e-3 * np.abs(theirs).max())
        return float((np.abs(ours - theirs) / scale).max())


def cohort(records: int = 600, seed: int = 12) -> dict[str, Any]:
    """Made-up patients: volumes, counts, times, classes."""
    rng = np.random.default_rng(seed)
    age, volume = rng.normal(70, 8, records), rng.normal(3, 0.5, records)
    sex = rng.choice(["F", "M"], records)
    lean = 0.05 * (age - 70) - 0.9 * (volume - 3) + 0.3 * (sex == "M")
    place = lean + rng.logistic(size=records)
    time = np.ceil(rng.exponential(20 * np.exp(-lean)))
    return {
        "age": age,
        "volume": volume,
        "cortex": 0.6 * volume + rng.normal(0, 0.3, records),
        "score": np.clip(np.round(28 - 4 * np.abs(lean) - rng.exponential(2, records)), 18, 27),
        "visits": rng.poisson(np.exp(0.4 + lean)).astype(float),
        "cost": rng.gamma(2.0, np.exp(1 + lean) / 2),
        "months": np.minimum(time, 60.0),
        "sex": sex,
        "stage": np.where(place < -0.5, "none", np.where(place < 1.0, "mild", "severe")),
        "died": np.where(time <= 60, "yes", "no"),
    }


def run(name: str, data: dict[str, Any], **options: Any) -> Any:
    return analyse(name, data, levels=LEVELS, **options)


def design_of(data: dict[str, Any]) -> Any:
    columns = [data["age"], data["volume"], (data["sex"] == "M").astype(float)]
    return sm.add_constant(np.column_stack(columns))


def coefficients(rows: Sequence[Any]) -> list[float]:
    return [*(row.estimate for row in rows), *(row.std_error for row in rows)]


def in_r(data: dict[str, Any], script: str) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "d.csv"
        pd.DataFrame(data).to_csv(file, index=False, float_format="%.17g")
        read = f'd <- read.csv("{file}", stringsAsFactors = TRUE); '
        done = subprocess.run(
            ["Rscript", "-e", read + script], capture_output=True, text=True, check=True
        )
    return [float(part) for part in done.stdout.split()]
