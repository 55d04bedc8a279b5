"""What one round costs: all hospitals asked, their guarded sums back and added up."""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.federation.hospitals import Hospitals, covariates_of, hospitals, records
from medmip.authoring.analysis import cohort_of
from medmip.federation.run_keys import OnLoss
from medmip.fold.cohort import Cohort
from medmip.fold.logit import ClassState, NewtonState, newton_step

PATIENTS = 1000
"""Of each hospital: few, so that a round is not its fold."""
LIMITS = {3: 8.0, 20: 20.0}
"""Milliseconds of a round beyond the fold, by the number of hospitals."""
DEARER = 1.3
"""How much dearer masks may make a round."""
ROUNDS = 60
TURNS = 4
WAYS: dict[str, OnLoss | None] = {"in clear": None, "under masks": OnLoss.FAIL}
HEADER = [
    "| hospitals | covariates | sums | round ms (min / median / 95 %) | of it the fold "
    "| CPU ms hub / hospital / broker | masked / clear | beyond the fold, median |",
    "|---|---|---|---|---|---|---|---|",
]


@dataclass
class Measured:
    """Seconds of each round, and processor seconds of hub, one hospital and broker for each."""

    walls: list[float]
    cpus: list[tuple[float, float, float]]


def contest(sizes: Iterable[int] = (3, 20), covariates: Iterable[int] = (20, 50)) -> list[str]:
    """A row for each number of hospitals, of covariates, and way of adding up."""
    lines = []
    for sites in sizes:
        most = max(covariates)
        with hospitals(records(sites, PATIENTS, most)) as made:
            for count in covariates:
                fold = median(_walls(_step(_alone(sites, count)), ROUNDS))
                lines += rows_of(sites, count, fold, _both(made, count))
                print("\n".join(lines[-2:]), flush=True)
    return lines


def rows_of(sites: int, count: int, fold: float, found: dict[str, Measured]) -> list[str]:
    """The lines of the table."""
    clear = median(found["in clear"].walls)
    lines = []
    for way, measured in found.items():
        low, middle, high = (1e3 * v for v in np.quantile(measured.walls, (0.0, 0.5, 0.95)))
        cpu = " / ".join(f"{1e3 * v:.1f}" for v in np.mean(measured.cpus, axis=0))
        ratio = 1e-3 * middle / clear
        masked = way != "in clear"
        judged = f"{ratio:.2f}, ≤ {DEARER}: {verdict(ratio <= DEARER)}" if masked else ""
        beyond, limit = middle - 1e3 * fold, LIMITS[sites]
        lines.append(
            f"| {sites} | {count} | {way} | {low:.1f} / {middle:.1f} / {high:.1f} "
            f"| {1e3 * fold:.1f} | {cpu} | {judged} "
            f"| {beyond:.1f}, ≤ {limit:g}: {verdict(beyond <= limit)} |"
        )
    return lines


def verdict(good: bool) -> str:
    """As in the other benchmarks' tables."""
    return "yes" if good else "NO"


def _both(made: Hospitals, count: int) -> dict[str, Measured]:
    """Both ways take turns, so that a slow moment of the machine hits each alike."""
    codes = covariates_of(count)
    steps = {
        way: _step(made.cohort(["logistic_regression"], y=["outcome"], x=codes, on_loss=on_loss))
        for way, on_loss in WAYS.items()
    }
    found = {way: Measured([], []) for way in steps}
    for _ in range(TURNS):
        for way, step in steps.items():
            before = _processors(made)
            found[way].walls += _walls(step, ROUNDS // TURNS)
            spent = zip(before, _processors(made), strict=True)
            hub, sites, broker = ((b - a) / (ROUNDS // TURNS + 3) for a, b in spent)
            found[way].cpus.append((hub, sites / len(made.homes), broker))
    return found


def _alone(sites: int, count: int) -> Cohort:
    """One hospital's records in this process."""
    (columns, *_) = records(sites, PATIENTS, count)
    return cohort_of(columns, y=["outcome"], x=covariates_of(count))


def _step(cohort: Cohort) -> Callable[[], object]:
    design = cohort.design(cohort.x)
    size = len(cohort.x)
    state = NewtonState(
        design, np.zeros(size), np.ones(size), ClassState("outcome", 1), np.zeros(size + 1)
    )
    return lambda: cohort.fold(newton_step, state)


def _walls(step: Callable[[], object], rounds: int) -> list[float]:
    for _ in range(3):
        step()
    walls = []
    for _ in range(rounds):
        begun = time.perf_counter()
        step()
        walls.append(time.perf_counter() - begun)
    return walls


def _processors(made: Hospitals) -> tuple[float, float, float]:
    """Processor seconds so far of the hub, of all hospitals, and of the broker."""
    own = os.times()
    broker = int(made.hub.broker_process.read_text())
    sites = sum(processor_seconds(process.pid) for process in made.members)
    return own.user + own.system, sites, processor_seconds(broker)


def processor_seconds(process: int | None) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
