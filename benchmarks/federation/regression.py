"""Whole regressions: many hospitals against one process, and few that are far away."""

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from benchmarks.federation.hospitals import Hospitals, covariates_of, hospitals, records
from benchmarks.federation.rounds import processor_seconds, verdict
from medmip.algorithms.registry import find
from medmip.authoring.analysis import OPEN, cohort_of
from medmip.federation.run_keys import OnLoss
from medmip.fold.cohort import Cohort
from medmip.fold.logit import ClassState, NewtonState, newton_step

SITES, EACH, COVARIATES = 20, 50_000, 20
ONCE = 1.3
"""How many times one process's time many hospitals may take."""
APART = {0.030: 0.6, 0.100: None, 0.300: None}
"""Seconds there and back: a country, an ocean, a satellite; and within which ten rounds end."""
RUNS = 5
PLAIN = {"residual_quartiles": False, "calibration": False}
MANY = [
    f"| logistic regression, {SITES * EACH:,} patients, {COVARIATES} covariates | rounds "
    "| one process s (min / median) | 20 hospitals under masks s (min / median) "
    "| CPU s, one / 20 | ratio |",
    "|---|---|---|---|---|---|",
]
FAR = ["| over 3 hospitals | there and back, ms | rounds | s (min / median) | target |",
       "|---|---|---|---|---|"]  # fmt: skip


class Counted:
    """Counts the rounds of a run."""

    def __init__(self) -> None:
        self.rounds = 0

    def advanced(self, rounds: int, fraction: float | None) -> None:  # noqa: ARG002
        self.rounds = max(self.rounds, rounds)

    def cancelled(self) -> bool:
        return False

    def held_up(self, by: str) -> None:
        """Nobody is shown it."""


def many() -> list[str]:
    """20 hospitals beside one process, whole and without what looks at residuals."""
    codes, algorithm = covariates_of(COVARIATES), find("logistic_regression")
    parts = records(SITES, EACH, COVARIATES)
    wholes = {code: np.concatenate([part[code] for part in parts]) for code in parts[0]}
    ways: dict[str, dict[str, Any]] = {"fit alone": PLAIN, "with residuals and calibration": {}}
    one, counted = {}, Counted()
    cohort = cohort_of(wholes, y=["outcome"], x=codes, policy=OPEN)
    for name, settings in ways.items():
        one[name] = _timed(_run(cohort, settings))
    lines = []
    with hospitals(parts) as made:
        for name, settings in ways.items():
            counted.rounds = 0
            cohort = made.cohort([algorithm.name], y=["outcome"], x=codes, watcher=counted)
            begun = _spent(made)
            walls, cpu = _timed(_run(cohort, settings))
            cpu += (_spent(made) - begun) / (RUNS + 1)
            before, own = one[name]
            ratio = median(walls) / median(before)
            lines.append(
                f"| {name} | {counted.rounds // (RUNS + 1)} "
                f"| {min(before):.2f} / {median(before):.2f} "
                f"| {min(walls):.2f} / {median(walls):.2f} | {own:.2f} / {cpu:.2f} "
                f"| {ratio:.2f}, ≤ {ONCE}: {verdict(ratio <= ONCE)} |"
            )
            print(lines[-1], flush=True)
    return lines


def far() -> list[str]:
    """Ten rounds, and a whole analysis, with a long road to each of 3 hospitals."""
    return [line for apart, within in APART.items() for line in _far(apart, within)]


def _far(apart: float, within: float | None) -> list[str]:
    codes, counted = covariates_of(COVARIATES), Counted()
    lines = []
    with hospitals(records(3, 1000, COVARIATES), away=apart / 2) as made:
        for way, on_loss in (("in clear", None), ("under masks", OnLoss.FAIL)):
            asked: dict[str, Any] = {"y": ["outcome"], "x": codes, "on_loss": on_loss}
            cohort = made.cohort(["logistic_regression"], **asked)
            walls, _ = _timed(partial(_rounds, cohort, 10))
            name = f"10 rounds of Newton's method, {way}"
            lines.append(_row(name, apart, 10, walls, within))

            def whole(asked: dict[str, Any] = asked) -> None:
                counted.rounds = 0
                opened = made.cohort(["logistic_regression"], watcher=counted, **asked)
                _run(opened, PLAIN)()

            walls, _ = _timed(whole)
            name = f"a whole analysis from its opening on, {way}"
            lines.append(_row(name, apart, counted.rounds, walls))
    return lines


def _row(
    name: str, apart: float, rounds: int, walls: list[float], target: float | None = None
) -> str:
    middle = median(walls)
    judged = "" if target is None else f"≤ {target:g} s: {verdict(middle <= target)}"
    line = f"| {name} | {1e3 * apart:.0f} | {rounds} | {min(walls):.2f} / {middle:.2f} | {judged} |"
    print(line, flush=True)
    return line


def _run(cohort: Cohort, settings: dict[str, Any]) -> Callable[[], object]:
    algorithm = find("logistic_regression")
    parameters = algorithm.parameters(positive_class="yes", **settings)
    return lambda: algorithm.run(cohort, parameters)


def _rounds(cohort: Cohort, number: int) -> None:
    size = len(cohort.x)
    for _ in range(number):
        state = NewtonState(
            cohort.design(cohort.x),
            np.zeros(size), np.ones(size), ClassState("outcome", 1), np.zeros(size + 1),
        )  # fmt: skip
        cohort.fold(newton_step, state)


def _timed(run: Callable[[], object]) -> tuple[list[float], float]:
    """Seconds of each run after a warm-up, and this process's processor seconds of one."""
    run()
    walls, begun = [], time.process_time()
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        walls.append(time.perf_counter() - start)
    return walls, (time.process_time() - begun) / RUNS


def _spent(made: Hospitals) -> float:
    return sum(processor_seconds(process.pid) for process in made.members)
