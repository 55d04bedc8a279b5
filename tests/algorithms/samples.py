"""Columns that look like a cohort's, with a fixed seed."""

from typing import Any

import numpy as np


def brains(n: int = 400, seed: int = 1, missing: float = 0.08) -> dict[str, Any]:
    """Correlated volumes, one far from zero, a nominal group, datasets of different sizes."""
    random = np.random.default_rng(seed)
    common = random.normal(size=n)
    columns: dict[str, Any] = {
        "a": 3.0 + 0.4 * common + 0.2 * random.normal(size=n),
        "b": 1e8 + 5.0 * (0.6 * common + 0.8 * random.normal(size=n)),
        "c": random.lognormal(0, 1, n),
        "d": random.integers(0, 31, n).astype(float),
        "g": random.choice(["x", "y", "z"], n, p=[0.6, 0.3, 0.1]),
        "dataset": random.choice(["one", "two", "three"], n, p=[0.6, 0.3, 0.1]),
    }
    for code in "abcd":
        columns[code][random.random(n) < missing] = np.nan
    group = columns["g"].astype(object)
    group[random.random(n) < missing] = None
    columns["g"] = group
    return columns


def splits(n: int) -> list[Any]:
    """Ways to cut n records over sites: none, even, many, and lop-sided."""
    rows = np.arange(n)
    return [1, 2, 10, [rows[:3], rows[3:], rows[:0]]]


def complete(columns: dict[str, Any], codes: str) -> np.ndarray:
    """The complete cases of these columns, (m, k)."""
    chosen: np.ndarray = np.column_stack([columns[code] for code in codes])
    rows: np.ndarray = chosen[~np.isnan(chosen).any(axis=1)]
    return rows
