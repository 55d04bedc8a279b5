"""`make bench-scale`: one process against a cluster, written to benchmarks/scale.md."""

import argparse
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.cohort import data_model, home_at, published
from benchmarks.contest import OPEN
from benchmarks.task import X, Y
from medmip.algorithms.registry import find
from medmip.catalogue.home import Home
from medmip.federation.dask_cluster import DaskCluster
from medmip.federation.in_process import open_cohort
from medmip.federation.site import Site
from medmip.federation.specification import CohortSpec
from medmip.privacy.guard import Access, Guard
from medmip.store.duckdb_engine import DuckDBEngine
from medmip.store.engine_settings import EngineSettings
from medmip.store.partitions import Partitions
from medmip.store.snapshots import Snapshot
from tests.analysis import Witnessed

RESULTS = Path(__file__).parent / "scale.md"
TASKS: dict[str, tuple[str, list[str], list[str], dict[str, Any]]] = {
    "linear regression, 20 covariates": ("linear_regression", [Y], X, {}),
    "logistic regression, 20 covariates": (
        "logistic_regression",
        ["outcome"],
        X,
        {"positive_class": "yes"},
    ),
    "histogram of one variable": ("histogram", [X[0]], [], {}),
    "k-means, 4 clusters of 20 variables": ("kmeans", X, [], {"k": 4, "standardise": True}),
}
HEADER = (
    "| analysis | engine | records | s, first / again | MB, MIP / a worker |\n"
    "|---|---|---|---|---|\n"
)
INTRODUCTION = (
    "# What a cluster costs and gains\n\n"
    "The same requests to one process, and to worker processes on the same machine over TLS, one "
    "thread each. “First” reads the records from disk, “again” finds their blocks in memory; the "
    "guard is asked both times. Memory is what a process holds at the end of its row. Python "
    "{python}, {processors} processors, load {load:.1f} when it began: processes share the "
    "processors with the scheduler, and with all else that runs.\n\n"
)


@contextmanager
def engines(home: Home, workers: int, partition_records: int) -> Iterator[DaskCluster | None]:
    """A cluster of so many workers, None of none."""
    if not workers:
        yield None
        return
    settings = EngineSettings(kind="dask", workers=workers, partition_records=partition_records)
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
    site = Site(DuckDBEngine(home.datasets), guard, (snapshot,), workers=cluster)
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


def rows(home: Home, records: int, partition_records: int) -> Iterator[str]:
    """A row of the table for each engine and analysis."""
    snapshot = published(home, records)
    # Once and for all, as of a version that was analysed before.
    Partitions(home.partitions, partition_records).of(snapshot)
    for workers in (0, 1, 2):
        with engines(home, workers, partition_records) as cluster:
            label = f"dask, {workers} worker{'s' * (workers > 1)}" if workers else "embedded DuckDB"
            for name in TASKS:
                first, again = timed(home, snapshot, name, cluster)
                yield (
                    f"| {name} | {label} | {records:,} | {first:.2f} / {again:.2f} | {memory()} |\n"
                )


def memory() -> str:
    """Megabytes of this process, and of the largest of those that it began."""
    own = psutil.Process()
    children = [child.memory_info().rss for child in own.children(recursive=True)]
    each = f"{max(children) / 1e6:.0f}" if children else ""
    return f"{own.memory_info().rss / 1e6:.0f} / {each}".rstrip()


def main() -> None:
    """Measures, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--partition-records", type=int, default=125_000)
    parser.add_argument("--home", type=Path, default=Path(".home/bench"))
    chosen = parser.parse_args()
    introduction = INTRODUCTION.format(
        python=platform.python_version(), processors=os.cpu_count(), load=os.getloadavg()[0]
    )
    home = home_at(chosen.home)
    table = "".join(rows(home, chosen.records, chosen.partition_records))
    RESULTS.write_text(introduction + HEADER + table, encoding="utf-8")
    print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()
