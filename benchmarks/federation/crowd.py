"""Many hospitals at once: mixed analyses over some or all of them, with an eye on memory."""

import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.federation.hospitals import Hospitals, covariates_of, hospitals, records
from benchmarks.federation.rounds import verdict
from medmip.algorithms.registry import find
from medmip.federation.remote import close_all
from medmip.federation.run_keys import OnLoss

EACH, COVARIATES = 200, 6
TOGETHER = 20
"""Hospitals in one process; each has its own agent, connection, home and ledger."""
SIDE_BY_SIDE = 2
FLAT = 1.1
"""How much memory may have grown from the second quarter of the time to the last."""
HEADER = [
    "| hospitals | seconds | analyses | rounds | answers asked / lost "
    "| memory MB then / at the end: hub, a hospital, broker | flat |",
    "|---|---|---|---|---|---|---|",
]
X = covariates_of(COVARIATES)
ASKED: dict[str, dict[str, Any]] = {
    "describe": {"y": X},
    "histogram": {"y": X[:1]},
    "linear_regression": {"y": X[:1], "x": X[1:]},
    "logistic_regression": {"y": ["outcome"], "x": X, "parameters": {"positive_class": "yes"}},
    "pearson_correlation": {"y": X},
    "kmeans": {"y": X[:3], "parameters": {"k": 3}},
}


@dataclass
class Log:
    """What happened: by algorithm, and what went wrong."""

    done: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    rounds: int = 0
    asked: int = 0
    memory: list[tuple[float, float, float]] = field(default_factory=list)


def contest(sizes: tuple[int, ...] = (40, 200), seconds: float = 90.0) -> list[str]:
    """A row for each number of hospitals."""
    lines = []
    for sites in sizes:
        with hospitals(records(sites, EACH, COVARIATES), together=TOGETHER) as made:
            log = watched(made, seconds)
        quarter = len(log.memory) // 4
        early = [median(part) for part in zip(*log.memory[quarter : 2 * quarter], strict=True)]
        late = [median(part) for part in zip(*log.memory[-quarter:], strict=True)]
        flat = all(b <= FLAT * a for a, b in zip(early, late, strict=True))
        told = ", ".join(f"{a:.0f} / {b:.0f}" for a, b in zip(early, late, strict=True))
        lines.append(
            f"| {sites} | {seconds:.0f} | {sum(log.done.values())} | {log.rounds} "
            f"| {log.asked} / {len(log.lost)} | {told} | ≤ {FLAT}: {verdict(flat)} |"
        )
        print(lines[-1], *log.lost[:5], sep="\n", flush=True)
    return lines


def watched(made: Hospitals, seconds: float) -> Log:
    """Analyses side by side for so long, memory looked at every second."""
    log, until = Log(), time.monotonic() + seconds
    ask = made.coordinator.ask

    def counted(*args: Any, **options: Any) -> Any:
        log.asked += 1
        return ask(*args, **options)

    vars(made.coordinator).update(ask=counted)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as workers:
        busy = [workers.submit(_busy, made, log, until, seed) for seed in range(SIDE_BY_SIDE)]
        while not all(one.done() for one in busy):
            log.memory.append(memory_of(made))
            time.sleep(1)
        for one in busy:
            one.result()
    return log


def _busy(made: Hospitals, log: Log, until: float, seed: int) -> None:
    chance = random.Random(seed)
    names = list(made.homes)
    while time.monotonic() < until:
        algorithm = find(chance.choice(sorted(ASKED)))
        asked = dict(ASKED[algorithm.name])
        parameters = algorithm.parameters(**asked.pop("parameters", {}))
        chosen = chance.sample(names, chance.choice((3, 10, len(names) // 2, len(names))))
        options: dict[str, Any] = {
            "missing": algorithm.missing,
            "sites": chosen,
            "on_loss": OnLoss.FAIL,
        }
        try:
            cohort: Any = made.cohort([algorithm.name], **options, **asked)
            algorithm.run(cohort, parameters)
            if cohort.size.records != EACH * len(chosen):
                log.lost.append(f"{algorithm.name}: {cohort.size.records} records")
            log.rounds += cohort.transport.rounds.done
            log.done[algorithm.name] += 1
            close_all(cohort.transport.members)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told in the table
            log.lost.append(f"{algorithm.name} over {len(chosen)}: {error}")
        made.opened.clear()


def memory_of(made: Hospitals) -> tuple[float, float, float]:
    """Resident megabytes of the hub, of one hospital, and of the broker."""
    broker = int(made.hub.broker_process.read_text())
    sites = sum(_private(process.pid) for process in made.members) / len(made.homes)
    return _private(os.getpid()), sites, _private(broker)


def _private(process: int | None) -> float:
    """What a process holds for itself: hospitals share what was loaded before they were forked."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text()
    return (
        sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private")) / 1024
    )
