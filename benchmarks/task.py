"""What a task is: our request, its rivals, and the ratio to reach."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any

from benchmarks.cohort import COVARIATES, NUMERIC
from benchmarks.columns import Data, Run

ALL = [f"v{index:02d}" for index in range(NUMERIC)]
X = ALL[:COVARIATES]
Y = ALL[COVARIATES]
SKLEARN = "scikit-learn"
PLAIN = "MIP, one site"
"""The rival of a task over many sites: the same request to one site."""
_MODULES = {
    "lifelines": "lifelines", "LightGBM": "lightgbm", "neuroCombat": "neuroCombat",
    "NumPy": "numpy", "pandas": "pandas", "prince": "prince", "pysubgroup": "pysubgroup",
    "SciPy": "scipy", "scikit-learn": "sklearn", "statsmodels": "statsmodels",
    "XGBoost": "xgboost",
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One analysis: our request, and each rival's way to the same numbers.

    target is the ratio to reach against those that `against` names (or, where it is empty, the
    fastest rival); r is code of the rival in R, in which `x` is the matrix and `y` the outcome;
    records bounds the cohort to what a rival can take; sites is over how many ours is split;
    visits says that patients come several times; preparation is what is done to the records before
    the analysis, besides the variables that this needs too. The module that a rival needs is told
    by the first word of its name.
    """

    name: str
    algorithm: str
    y: list[str]
    x: list[str]
    parameters: dict[str, Any] = field(default_factory=dict)
    rivals: dict[str, Callable[[Data], Run]] = field(default_factory=dict)
    target: float = 1.0
    against: tuple[str, ...] = ()
    r: str = ""
    records: int | None = None
    sites: int = 1
    visits: bool = False
    preparation: dict[str, Any] = field(default_factory=dict)
    besides: tuple[str, ...] = ()

    def size(self, records: int) -> int:
        """The records of its cohort, where the others have so many."""
        return min(records, self.records or records)

    def over(self, sites: int) -> "Task":
        """The same, of all records, split over sites in one process, beside itself over one."""
        name = f"{self.name.split(',')[0]}, over {sites} sites"
        return replace(
            self, name=name, rivals={}, target=1.1, against=(), r="", records=None, sites=sites
        )

    @property
    def contenders(self) -> list[str]:
        """The rivals that this machine has, R apart."""
        known = [name for name in self.rivals if find_spec(_MODULES[name.split()[0]])]
        return [*known, *([PLAIN] if self.sites > 1 else [])]
