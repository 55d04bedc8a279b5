"""What the tests of trees share: patients, their bins, and one node after another."""

from typing import Any

import numpy as np

from medmip.algorithms.tree_cohort import TreeCohort, tree_cohort
from medmip.fold.block import Block, Layout
from tests.analysis import cohort_of

NUMERIC = ["age", "volume", "score", "noise"]
NOMINAL = ["sex", "gene"]


def patients(records: int = 900, seed: int = 5) -> dict[str, Any]:
    """Patients with a class, a number and a yes or no that hang on covariates in steps."""
    rng = np.random.default_rng(seed)
    age, volume = rng.normal(70, 8, records), 1e6 + rng.normal(0, 3, records)
    score, noise = rng.lognormal(0, 1.5, records), rng.normal(size=records)
    sex = rng.choice(["F", "M"], records)
    gene = rng.choice(["e2", "e3", "e4", "none"], records, p=[0.1, 0.5, 0.2, 0.2])
    lean = (age > 72) + 1.5 * (volume < 1e6 - 1) - 0.8 * (score > 1) * (sex == "F")
    lean = lean + 0.7 * np.isin(gene, ["e4", "e2"]) + 0.6 * rng.normal(size=records)
    return {
        "age": age,
        "volume": volume,
        "score": score,
        "noise": noise,
        "sex": sex,
        "gene": gene,
        "outcome": 3 * lean + rng.normal(size=records),
        "ill": np.where(lean > 0.8, "yes", "no"),
        "stage": np.where(lean > 1.2, "severe", np.where(lean > 0.3, "mild", "none")),
    }


def ready(data: dict[str, Any], y: str, x: list[str], bins: int = 64) -> TreeCohort:
    """The bins that an analysis of these columns works with."""
    return tree_cohort(cohort_of(data, y=[y], x=x), bins)


def binned(data: dict[str, Any], y: str, x: list[str], bins: int = 64) -> np.ndarray:
    """The bin of every record, (n, p), for a reference that is to see no more than ours."""
    found: np.ndarray = ready(data, y, x, bins).bins.of(block_of(data, x))[0].astype(float)
    return found


def block_of(data: dict[str, Any], x: list[str]) -> Block:
    """The columns as one block, nominal levels sorted."""
    numeric = [code for code in x if np.asarray(data[code]).dtype.kind == "f"]
    nominal = [code for code in x if code not in numeric]
    levels = [sorted({str(value) for value in data[code] if value is not None}) for code in nominal]
    codes = [
        np.array([-1 if value is None else names.index(str(value)) for value in data[code]])
        for code, names in zip(nominal, levels, strict=True)
    ]
    n = len(data[x[0]])
    return Block(
        Layout(tuple(numeric), tuple(nominal), tuple(map(tuple, levels))),
        np.asfortranarray(
            np.column_stack([data[c] for c in numeric]) if numeric else np.empty((n, 0))
        ),
        np.asfortranarray(np.column_stack(codes) if codes else np.empty((n, 0))).astype(np.int32),
        np.zeros(n, dtype=np.int32),
        None,
    )
