"""The peer's records in its own order, and its folds, found out from the figures it gives.

It deals records, not patients, as they come. How they come hangs on which of its machines held
which dataset when it made its suite; `as_logistic` and `as_linear` are the two orders that give
its figures, and that no other order of ten thousand gives.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from medmip.algorithms.registry import find
from medmip.algorithms.validation import Validation
from medmip.experiments.validate import LeaveOneDatasetOut, validated
from medmip.store.engine import Partition
from tests.analysis import OPEN, cohort_of
from tests.peer.conftest import PeerHospital

Order = Callable[[str], tuple[Any, ...]]


def as_linear(dataset: str) -> tuple[Any, ...]:
    """Datasets by name, those numbered 0 after all others."""
    return (dataset.endswith("0"), dataset)


def as_logistic(dataset: str) -> tuple[Any, ...]:
    """The datasets of EDSD, of PPMI and the synthetic ones, each by name."""
    return (("edsd", "ppmi", "desd").index(dataset[:4]), dataset)


def records(peer: PeerHospital, data: dict[str, Any], order: Order) -> dict[str, Any]:
    """The complete cases of a request in this order, by variable."""
    codes = list(dict.fromkeys([*data["y"], *data["x"]]))
    parts: dict[str, list[Any]] = {code: [] for code in codes}
    for name in sorted(data["datasets"], key=order):
        table = pq.read_table(peer.snapshot(data["data_model"], name).path, columns=codes)
        for code in codes:
            parts[code] += table[code].to_pylist()
    columns = {code: np.array(part, dtype=object) for code, part in parts.items()}
    whole = np.all([[value is not None for value in part] for part in columns.values()], axis=0)
    model = peer.model(data["data_model"])
    return {
        code: part[whole].astype(str if model.variable(code).is_nominal else float)
        for code, part in columns.items()
    }


def held_out(
    algorithm: str,
    columns: dict[str, Any],
    data: dict[str, Any],
    folds: Sequence[Any],
    parameters: dict[str, Any] | None = None,
) -> Validation:
    """Our validation over given folds, each of which is made a dataset and held out in turn."""
    names = np.empty(len(columns[data["y"][0]]), dtype=object)
    for number, rows in enumerate(folds):
        names[rows] = f"fold-{number:02d}"
    renamed = {f"v_{code}": part for code, part in columns.items()} | {
        "dataset": names.astype(str),
        "subjectcode": np.array([f"P{number}" for number in range(len(names))]),
    }
    cohort = cohort_of(
        renamed,
        y=[f"v_{code}" for code in data["y"]],
        x=[f"v_{code}" for code in data["x"]],
        partition=Partition(0, 0, "subjectcode"),
        policy=OPEN,
    )
    found = find(algorithm)
    asked = LeaveOneDatasetOut(kind="leave_one_dataset_out")
    return validated(cohort, found, found.parameters(**(parameters or {})), asked)
