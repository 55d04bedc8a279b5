"""`make bench-scale`: one process, a cluster and Spark, written to benchmarks/scale.md."""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import spark
from benchmarks.cohort import data_model, home_at, published
from benchmarks.contest import OPEN
from benchmarks.footprint import Footprint
from benchmarks.task import X, Y
from medmip.algorithms.registry import find
from medmip.catalogue.home import Home
from medmip.federation.dask_cluster import DaskCluster
from medmip.federation.in_process import open_cohort
from medmip.federation.site import Site
from medmip.federation.specification import CohortSpec
from medmip.fold.block_cache import BlockCache
from medmip.fold.logit import ClassState, NewtonState, newton_step
from medmip.privacy.guard import Access, Guard
from medmip.store.duckdb_engine import DuckDBEngine
from medmip.store.engine_settings import EngineSettings
from medmip.store.partition_folders import SharedFolder
from medmip.store.partitions import Partitions
from medmip.store.snapshots import Snapshot
from tests.analysis import Witnessed

RESULTS = Path(__file__).parent / "scale.md"
MEASURED = "scale.json"
"""What each size last told, so that sizes and engines may be measured one at a time."""
NUMERIC, DIGITS = len(X) + 1, 4
EMBEDDED = "embedded DuckDB"
PRICE = 1.25
"""How many times the embedded engine's seconds a cluster of as many workers as cores may take."""
MEMORY = 6144
"""Megabytes of records that an engine may keep between rounds, all its processes together."""
PIECES, PIECE, ROUNDS = 200, 1000, 40
"""Partitions, and records of each, by which a task's own price is told."""
MILLION = 1_000_000
TASKS: dict[str, tuple[str, list[str], list[str], dict[str, Any]]] = {
    "linear regression, 20 covariates": ("linear_regression", [Y], X, {}),
    "logistic regression, 20 covariates": (
        "logistic_regression",
        ["outcome"],
        X,
        {"positive_class": "yes", "residual_quartiles": False, "calibration": False},
    ),
    "histogram of one variable": ("histogram", [X[0]], [], {}),
    "k-means, 4 clusters of 20 variables": ("kmeans", X, [], {"k": 4, "standardise": True}),
    "20 boosted trees of 20 covariates": ("gradient_boosting", [Y], X, {"rounds": 20}),
}
HEADER = (
    "| analysis | engine | s, first / again | × embedded | peak MB, MIP / a worker | MB sent |\n"
    "|---|---|---|---|---|---|\n"
)
INTRODUCTION = (
    "# What a cluster costs and gains\n\n"
    "The same requests to one process with a thread for each processor, and to worker processes on "
    "the same machine over TLS, one thread each. “First” reads the records from disk, “again” "
    "finds their blocks in memory, of which either engine may keep {memory} GB; the guard is asked "
    "both times. “× embedded” compares both with "
    "one process; the mark is {price} where there are as many workers as processors. Memory is the "
    "largest that a process was seen to hold, and what is sent went over loopback, both times "
    "together. Spark {version} in local mode with as many cores computes the same sums by NumPy in "
    "mapInArrow, of a frame that is cached, without a guard; its memory is that of the Java "
    "process and of a Python worker. Python {python}, {processors} processors.\n"
)


@dataclass
class Row:
    """One analysis by one engine; seconds, and megabytes."""

    analysis: str
    engine: str
    first: float
    again: float
    own: float
    worker: float
    sent: float

    def line(self, embedded: "Row | None") -> str:
        """Its line of the table."""
        ratio = ""
        if embedded is not None and self is not embedded:
            ratio = f"{self.first / embedded.first:.2f} / {self.again / embedded.again:.2f}"
        worker = f"{self.worker:.0f}" if self.worker else ""
        sent = f"{self.sent:.0f}" if self.engine != EMBEDDED else ""
        return (
            f"| {self.analysis} | {self.engine} | {self.first:.2f} / {self.again:.2f} | {ratio} "
            f"| {self.own:.0f} / {worker} | {sent} |\n"
        ).replace("/  |", "/ |")


@contextmanager
def engines(home: Home, workers: int, partition_records: int) -> Iterator[DaskCluster | None]:
    """A cluster of so many workers, None of none."""
    if not workers:
        yield None
        return
    settings = EngineSettings(
        kind="dask",
        workers=workers,
        partition_records=partition_records,
        memory=MEMORY // workers,
    )
    cluster = DaskCluster(settings, home)
    try:
        cluster.check()
        yield cluster
    finally:
        cluster.close()


def timed(home: Home, snapshot: Snapshot, name: str, cluster: DaskCluster | None) -> list[float]:
    """Seconds of an analysis when its records are read first, and again, at one site."""
    algorithm, y, x, parameters = TASKS[name]
    found, model, witness = find(algorithm), data_model(), Witnessed()
    guard = Guard(OPEN, witness, witness)
    cache = BlockCache(MEMORY * 2**20)
    site = Site(DuckDBEngine(home.datasets), guard, (snapshot,), cache, workers=cluster)
    spec = CohortSpec(
        model,
        (snapshot.dataset,),
        tuple(model.variable(code) for code in y),
        tuple(model.variable(code) for code in x),
        None,
        found.missing,
    )
    seconds = []
    for _ in range(2):
        begun = time.perf_counter()
        cohort = open_cohort([site], spec, Access("bench", "bench", algorithm))
        found.run(cohort, found.parameters(**parameters))
        seconds.append(time.perf_counter() - begun)
    return seconds


def of_engines(
    home: Home, snapshot: Snapshot, partition_records: int, workers: list[int], only: list[str]
) -> Iterator[Row]:
    """A row for each engine and analysis, of those whose names begin so where only names some."""
    names = [name for name in TASKS if not only or name.startswith(tuple(only))]
    # Once and for all, as of a version that was analysed before.
    Partitions(SharedFolder(home.partitions), partition_records).of(snapshot)
    for number in workers:
        with engines(home, number, partition_records) as cluster:
            label = f"dask, {number} worker{'s' * (number > 1)}" if number else EMBEDDED
            for name in names:
                with Footprint() as footprint:
                    first, again = timed(home, snapshot, name, cluster)
                yield Row(
                    name, label, first, again, footprint.own, footprint.largest, footprint.sent
                )


def of_spark(home: Home, snapshot: Snapshot) -> Iterator[Row]:
    """A row for each analysis that Spark was taught."""
    for short, name in zip(spark.TASKS, TASKS, strict=False):
        with Footprint() as footprint:
            first, again = spark.timed(home.path, snapshot.path, short, Y, X)
        label = f"Spark {spark.VERSION}"
        yield Row(name, label, first, again, footprint.java, footprint.largest, footprint.sent)


def of_pieces(home: Home) -> dict[str, float]:
    """Seconds of a round: for each task, for each partition, and for each record of a worker."""
    cores = os.cpu_count() or 1
    each = PIECES * PIECE // cores
    small, large = (
        published(home, size, NUMERIC, digits=DIGITS) for size in (PIECES * PIECE, MILLION)
    )
    shared = _tasks(cores)
    rounds = [
        ((shared, 1, each), _round(home, small, each, cores)),
        ((shared, PIECES // cores, each), _round(home, small, PIECE, cores)),
        ((_tasks(1), 1, MILLION), _round(home, large, MILLION, 1)),
    ]
    found = np.linalg.solve([counts for counts, _ in rounds], [seconds for _, seconds in rounds])
    return dict(zip(("task", "piece", "record"), found.tolist(), strict=True))


def _tasks(workers: int) -> int:
    """Tasks of a round: a share of each worker, and those that join four shares each."""
    tasks = level = workers
    while level > 1:
        level = -(-level // 4)
        tasks += level
    return tasks


def _round(home: Home, snapshot: Snapshot, partition_records: int, workers: int) -> float:
    """The median seconds of a step of Newton's method over 20 covariates that are in memory."""
    Partitions(SharedFolder(home.partitions), partition_records).of(snapshot)
    with engines(home, workers, partition_records) as cluster:
        model, witness = data_model(), Witnessed()
        guard = Guard(OPEN, witness, witness)
        site = Site(DuckDBEngine(home.datasets), guard, (snapshot,), workers=cluster)
        y, x = (model.variable("outcome"),), tuple(map(model.variable, X))
        spec = CohortSpec(model, (snapshot.dataset,), y, x, None, "drop")
        cohort = open_cohort([site], spec, Access("bench", "bench", "logistic_regression"))
        size = len(X)
        state = NewtonState(
            cohort.design(x),
            np.zeros(size),
            np.ones(size),
            ClassState("outcome", 1),
            np.zeros(size + 1),
        )
        seconds = []
        for _ in range(ROUNDS):
            begun = time.perf_counter()
            cohort.fold(newton_step, state)
            seconds.append(time.perf_counter() - begun)
    return median(seconds[ROUNDS // 4 :])


def page(measured: dict[str, Any]) -> str:
    """The page of all that was measured."""
    text = INTRODUCTION.format(
        price=PRICE,
        memory=MEMORY // 1024,
        version=spark.VERSION,
        python=platform.python_version(),
        processors=os.cpu_count(),
    )
    for records, parts in sorted(measured["sizes"].items(), key=lambda item: int(item[0])):
        rows = [Row(**row) for part in ("engines", "spark") for row in parts.get(part, ())]
        embedded = {row.analysis: row for row in rows if row.engine == EMBEDDED}
        table = "".join(row.line(embedded.get(row.analysis)) for row in rows)
        text += f"\n## {int(records):,} records\n\n{HEADER}{table}"
    return text + on_paper(measured)


def on_paper(measured: dict[str, Any]) -> str:
    """What many partitions on many workers cost, from what was measured."""
    if "pieces" not in measured:
        return ""
    costs = measured["pieces"]
    task, piece, record = costs["task"], costs["piece"], costs["record"]
    partitions, each, workers = 1000, 250_000, 50
    tasks = _tasks(workers)
    whole = partitions * (each * record + piece)
    millions = partitions * each // MILLION
    # As many tasks join as a third of the workers.
    stop = np.sqrt(whole / (task * 4 / 3))
    return (
        "\n## On paper\n\n"
        f"A step of Newton's method over 20 covariates costs a worker {1e9 * record:.0f} ms for a "
        f"million records and {1e3 * piece:.2f} ms for each partition, and the scheduler "
        f"{1e3 * task:.1f} ms for each task (measured by {PIECES} partitions of {PIECE:,} records, "
        f"and by fewer larger ones). {partitions:,} partitions of {each:,} records on {workers} "
        f"workers, {millions} million records, are {tasks} tasks a round, whatever the number of "
        f"partitions: {whole / workers:.2f} s of every worker, and at the most "
        f"{tasks * task:.2f} s until the one scheduler has handed all of them out. The two are "
        f"alike at {stop:.0f} workers: more of them gain nothing for so light a step; work that "
        "takes ten times as long carries three times as many.\n"
    )


def main() -> None:
    """Measures what is asked for, and writes the page of all that was ever measured here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="engines, spark, pieces; all without any")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--partition-records", type=int, default=125_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2, 4])
    parser.add_argument("--only", nargs="+", default=[], help="analyses whose names begin so")
    parser.add_argument("--home", type=Path, default=Path(".home/bench"))
    asked = parser.parse_args()
    home = home_at(asked.home)
    kept = home.path / MEASURED
    measured: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {"sizes": {}}
    chosen = asked.parts or ["engines", "spark", "pieces"]
    if "pieces" in chosen:
        measured["pieces"] = of_pieces(home)
    if {"engines", "spark"} & set(chosen):
        snapshot = published(home, asked.records, NUMERIC, digits=DIGITS)
        size = measured["sizes"].setdefault(str(asked.records), {})
        ways = {
            "engines": lambda: of_engines(
                home, snapshot, asked.partition_records, asked.workers, asked.only
            ),
            "spark": lambda: of_spark(home, snapshot),
        }
        for part in ("engines", "spark"):
            if part in chosen:
                size[part] = []
                for row in ways[part]():
                    print(row.line(None), end="", flush=True)
                    size[part].append(asdict(row))
                    # What was measured stays where the next one is stopped.
                    kept.write_text(json.dumps(measured))
    kept.write_text(json.dumps(measured))
    RESULTS.write_text(page(measured), encoding="utf-8")
    print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()
