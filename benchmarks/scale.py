"""`make bench-scale`: one process against a cluster, written to benchmarks/scale.md."""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.cohort import COVARIATES, data_model, home_at, published
from benchmarks.contest import OPEN
from benchmarks.memory import peak_memory
from benchmarks.task import X, Y
from medmip.algorithms.registry import find
from medmip.catalogue.atomic_file import write_atomically
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
KEPT = Path(__file__).parent / "scale_results.json"
WORKERS = (0, 1, 2, 4)
"""Of a cluster; none is one process."""
MARK = 1.25
"""What a cluster on the same processors may take, times the one process."""
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
    "boosted trees, 10 rounds of depth 5": (
        "gradient_boosting",
        ["outcome"],
        X,
        {"rounds": 10, "depth": 5},
    ),
}
HEADER = (
    "| analysis | engine | records | s, first / again | MB, MIP / a worker | MB sent | load |\n"
    "|---|---|---|---|---|---|---|\n"
)
INTRODUCTION = (
    "# What a cluster costs and gains\n\n"
    "The same requests to one process, and to worker processes on the same machine over TLS, one "
    "thread each. “First” reads the records from disk, “again” finds their blocks in memory; the "
    "guard is asked both times; a process that grows its first trees compiles what it "
    "needs. MB is the most that a process held in memory while its row "
    "was measured: MIP’s own, and of the workers the largest. “Sent” is all that went over the "
    "machine’s loopback meanwhile, of other programs too, so it is the cluster’s on a machine that "
    "is quiet. The load is the machine’s when the row began: processes share the processors with "
    "the scheduler, and with all else that runs. Rows of other sizes are kept from earlier "
    "measurements, in `scale_results.json`. Python {python}, {processors} processors.\n\n"
)


@dataclass(frozen=True)
class Row:
    """What one analysis took with one engine: seconds, peaks and bytes sent, both in MB."""

    task: str
    workers: int
    records: int
    first: float
    again: float
    own: float
    worker: float
    sent: float
    load: float

    @property
    def engine(self) -> str:
        if not self.workers:
            return "embedded DuckDB"
        return f"dask, {self.workers} worker{'s' * (self.workers > 1)}"

    def line(self) -> str:
        """It as a line of the table."""
        worker = f"{self.worker:.0f}" if self.workers else ""
        memory = f"{self.own:.0f} / {worker}".rstrip()
        sent = f"{self.sent:.1f}" if self.workers else ""
        return (
            f"| {self.task} | {self.engine} | {self.records:,} | {self.first:.2f} / "
            f"{self.again:.2f} | {memory} | {sent} | {self.load:.1f} |\n"
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


def rows(
    home: Home, records: int, partition_records: int, names: Sequence[str], counts: Sequence[int]
) -> Iterator[Row]:
    """A row for each number of workers and analysis."""
    # No more columns than the analyses need, so that large cohorts fit on a disk.
    snapshot = published(home, records, COVARIATES + 1)
    # Once and for all, as of a version that was analysed before.
    Partitions(home.partitions, partition_records).of(snapshot)
    for workers in counts:
        with engines(home, workers, partition_records) as cluster:
            for name in names:
                load, sent = os.getloadavg()[0], loopback()
                forget_peaks()
                first, again = timed(home, snapshot, name, cluster)
                own, worker = peaks()
                sent = loopback() - sent
                yield Row(name, workers, records, first, again, own, worker, sent, load)


def _processes() -> list[psutil.Process]:
    own = psutil.Process()
    return [own, *own.children(recursive=True)]


def forget_peaks() -> None:
    """Lets the peak of memory begin anew, of this process and those that it began (proc(5))."""
    for process in _processes():
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def peaks() -> tuple[float, float]:
    """The peak of this process, and the largest of those that it began, MB."""
    own, *others = [peak_memory(process.pid) for process in _processes()]
    return own, max(others, default=0.0)


def loopback() -> float:
    """MB that were sent over this machine's loopback so far."""
    return float(psutil.net_io_counters(pernic=True)["lo"].bytes_sent) / 1e6


def merged(kept: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Rows that were kept and new ones, which take the place of those of the same name."""
    places = {(row.records, row.workers, row.task): row for row in (*kept, *new)}
    order = {name: index for index, name in enumerate(TASKS)}
    return sorted(places.values(), key=lambda row: (row.records, row.workers, order[row.task]))


def price(found: Sequence[Row], processors: int) -> str:
    """What a cluster takes on the same processors, times the one process, at the largest size."""
    size = max(row.records for row in found)
    held = {(row.task, row.workers): row for row in found if row.records == size}
    lines = []
    for name in TASKS:
        one, many = held.get((name, 0)), held.get((name, processors))
        if one is not None and many is not None:
            first, again = many.first / one.first, many.again / one.again
            verdict = "kept" if max(first, again) <= MARK else "not kept"
            lines.append(f"| {name} | {first:.2f} / {again:.2f} | {verdict} |\n")
    return (
        f"\n## The price at {size:,} records\n\nSeconds of a cluster with a worker for each "
        f"processor, divided by those of the one process. The mark is {MARK} at 10,000,000 "
        "records.\n\n| analysis | first / again | mark |\n|---|---|---|\n" + "".join(lines)
    )


def page(found: Sequence[Row], processors: int) -> str:
    """The whole page."""
    introduction = INTRODUCTION.format(python=platform.python_version(), processors=processors)
    return introduction + HEADER + "".join(map(Row.line, found)) + price(found, processors)


def main() -> None:
    """Measures, keeps the rows, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--partition-records", type=int, default=125_000)
    parser.add_argument("--home", type=Path, default=Path(".home/bench"))
    parser.add_argument("--tasks", nargs="+", default=[""], help="words that their names begin by")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS, help="0: one process")
    chosen = parser.parse_args()
    names = [name for name in TASKS if name.startswith(tuple(chosen.tasks))]
    kept = [Row(**row) for row in json.loads(KEPT.read_text())] if KEPT.exists() else []
    home = home_at(chosen.home)
    # After each row, so that a measurement of hours that is stopped keeps what it has.
    for row in rows(home, chosen.records, chosen.partition_records, names, chosen.workers):
        print(row.line(), end="", flush=True)
        kept = merged(kept, [row])
        content = json.dumps([asdict(each) for each in kept], indent=1)
        write_atomically(KEPT, f"{content}\n".encode())
        write_atomically(RESULTS, page(kept, os.cpu_count() or 1).encode())
    print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()
