"""What people who look at data wait for: a variable's distribution, a table of descriptions."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.federation.hospitals import Hospitals, covariates_of, hospitals, records
from benchmarks.federation.rounds import verdict
from medmip.algorithms.registry import find
from medmip.federation.remote import close_all

SITES, EACH, COVARIATES = 3, 100_000, 20
WITHIN = 300.0
"""Milliseconds within which 19 of 20 answers are there."""
ASKED = 30
HEADER = [
    "| question | hospitals × patients | ms (min / median / 95 %) | target |",
    "|---|---|---|---|",
]


def contest() -> list[str]:
    """Each question from its opening to its answer, under masks, time after time."""
    codes = covariates_of(COVARIATES)
    asked: dict[str, tuple[str, list[str], list[str]]] = {
        "a numeric variable's histogram": ("histogram", codes[:1], []),
        "the same by a nominal variable": ("histogram", codes[:1], ["outcome"]),
        "a description of one variable": ("describe", codes[:1], []),
        "a description of ten variables": ("describe", codes[:10], []),
    }
    lines = []
    with hospitals(records(SITES, EACH, COVARIATES)) as made:
        for name, (algorithm, y, x) in asked.items():
            walls = _walls(made, partial(_answer, made, algorithm, y, x))
            low, middle, high = (1e3 * v for v in np.quantile(walls, (0.0, 0.5, 0.95)))
            lines.append(
                f"| {name} | {SITES} × {EACH:,} | {low:.0f} / {middle:.0f} / {high:.0f} "
                f"| ≤ {WITHIN:g}: {verdict(high <= WITHIN)} |"
            )
            print(lines[-1], flush=True)
    return lines


def _answer(made: Hospitals, name: str, y: list[str], x: list[str]) -> None:
    algorithm = find(name)
    cohort = made.cohort([name], y=y, x=x, missing="keep")
    algorithm.run(cohort, algorithm.parameters())


def _walls(made: Hospitals, ask: Callable[[], None]) -> list[float]:
    walls = []
    for _ in range(ASKED + 2):
        begun = time.perf_counter()
        ask()
        walls.append(time.perf_counter() - begun)
        close_all(made.opened)
        made.opened.clear()
    # The first answers are of records that nobody has in memory yet.
    return walls[2:]
