"""`make bench`: every contender in a process of its own, taking turns; ratios to results.md."""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import anonymity, ingest
from benchmarks.cohort import data_model, divided, home_at, published
from benchmarks.contest import loaded, opened
from benchmarks.memory import peak_memory
from benchmarks.task import PLAIN, Task
from benchmarks.tasks import FAMILIES, TASKS, chosen, task_of

RUNS = 10
LONG = 6.0
"""Seconds after which a contender is not run again in its process: a slow one is timed twice."""
GROWING = (
    "describe, 48 variables",
    "linear regression, 20 covariates",
    "logistic regression, 20 covariates",
)
OURS = "MIP"
IMPORTS = "Importing a CSV file, and anonymising"
RESULTS = Path(__file__).with_name("results.md")


def measure(home: Path, task: Task, contender: str, records: int, runs: int) -> dict[str, Any]:
    """Wall and CPU seconds of each run after one warm-up, and the process's peak memory in MB."""
    place = home_at(home)
    if contender in (OURS, PLAIN):
        run = opened(place, records, task, task.sites if contender == OURS else 1)
    else:
        run = task.rivals[contender](loaded(place, records, task))
    run()
    walls: list[float] = []
    cpus: list[float] = []
    begun = time.perf_counter()
    while not walls or (len(walls) < runs and time.perf_counter() - begun < LONG):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {"wall": walls, "cpu": cpus, "peak": peak_memory()}


def measure_r(home: Path, task: Task, records: int, runs: int) -> dict[str, Any]:
    """The same in R, which reads the columns from a raw file of doubles."""
    data = loaded(home_at(home), records, task)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "x"
        np.asfortranarray(data["x"]).T.tofile(raw)
        y = np.asarray(data.get("y", [0.0]), dtype=float)
        if "event" in data["columns"]:
            y = np.concatenate([y, data["columns"]["event"]])
        y.tofile(Path(folder) / "y")
        shape = data["x"].shape
        script = f"""
x <- matrix(readBin("{raw}", "double", {shape[0] * shape[1]}), {shape[0]}, {shape[1]})
y <- readBin("{folder}/y", "double", {y.size})
if (length(y) > nrow(x)) y <- matrix(y, nrow(x))
set.seed(1); times <- NULL
invisible({{ {task.r} }})
for (i in 1:{runs}) {{
  t <- system.time({{ {task.r} }})
  times <- rbind(times, c(t[[3]], t[[1]] + t[[2]]))
  if (sum(times[, 1]) > {LONG}) break
}}
cat(paste(times[, 1], collapse = " "), "\\n"); cat(paste(times[, 2], collapse = " "), "\\n")
status <- readLines("/proc/self/status")
cat(gsub("[^0-9]", "", grep("VmHWM", status, value = TRUE)))
"""
        out = subprocess.run(
            ["Rscript", "-e", script], capture_output=True, text=True, check=True
        ).stdout.splitlines()
    return {
        "wall": [float(part) for part in out[0].split()],
        "cpu": [float(part) for part in out[1].split()],
        "peak": float(out[2]) / 1024,
    }


def in_process(task: Task, contender: str, home: Path, records: int, runs: int) -> dict[str, Any]:
    """Runs one contender in a fresh process."""
    asked = {"--one": task.name, "--contender": contender, "--home": str(home)}
    asked |= {"--records": str(records), "--runs": str(runs)}
    words = [word for pair in asked.items() for word in pair]
    out = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    measured: dict[str, Any] = json.loads(out.splitlines()[-1])
    return measured


HEADER = [
    "| task | contender | wall s (min / median) | CPU s | peak MB | MIP / contender | target |",
    "|---|---|---|---|---|---|---|",
]


def contest(
    home: Path, tasks: list[Task], records: int, runs: int, rounds: int
) -> Iterator[tuple[str, list[str]]]:
    """The rows of each task: contenders take turns, so that a slow moment hits each alike."""
    for task in tasks:
        published(home_at(home), task.size(records), visits=task.visits)
        if task.sites > 1:
            divided(home_at(home), task.size(records), task.sites, visits=task.visits)
        contenders = [OURS, *task.contenders]
        if task.r and shutil.which("Rscript"):
            contenders.append("R")
        results: dict[str, dict[str, Any]] = {}
        for _ in range(rounds):
            for contender in contenders:
                part = in_process(task, contender, home, records, runs)
                known = results.setdefault(contender, {"wall": [], "cpu": [], "peak": 0.0})
                known["wall"] += part["wall"]
                known["cpu"] += part["cpu"]
                known["peak"] = max(known["peak"], part["peak"])
        rows = rows_of(task, results, records)
        print("\n".join(rows), flush=True)
        yield task.name, rows


def rows_of(task: Task, results: dict[str, dict[str, Any]], records: int) -> list[str]:
    """A line of the table for each contender; the one that ours is judged against has a verdict."""
    middle = {name: median(part["wall"]) for name, part in results.items()}
    others = [name for name in results if name != OURS]
    judged = task.against or (min(others, key=middle.__getitem__, default=""),)
    size = "" if task.size(records) == records else f" ({task.size(records):,} records)"
    lines = []
    for name, part in results.items():
        ratio = middle[OURS] / middle[name]
        verdict = f"≤ {task.target:g}: {'yes' if ratio <= task.target else 'NO'}"
        lines.append(
            f"| {task.name + size if name == OURS else ''} | {name} "
            f"| {min(part['wall']):.4f} / {middle[name]:.4f} "
            f"| {median(part['cpu']):.4f} | {part['peak']:.0f} "
            f"| {'1' if name == OURS else f'{ratio:.2f}'} | {verdict if name in judged else ''} |"
        )
    return lines


def kept(page: str) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """The rows of each task in an earlier page, and its parts on memory and on imports."""
    found: dict[str, list[str]] = {}
    page, mark, imports = page.partition(f"\n## {IMPORTS}")
    head, _, memory = page.partition("\n## ")
    for line in head.splitlines():
        name = line.split("|")[1].strip() if line.startswith("| ") else ""
        if name and name != "task":
            found[name.split(" (")[0]] = []
        if found and line.startswith("|"):
            list(found.values())[-1].append(line)
    return (
        found,
        ["", *f"## {memory}".rstrip().splitlines()] if memory else [],
        ["", *f"## {IMPORTS}{imports}".rstrip().splitlines()] if mark else [],
    )


def growth(home: Path) -> list[str]:
    """Peak memory of our contender at 1M and 10M records, streamed from the snapshot."""
    lines = ["| task | peak MB at 1M | peak MB at 10M | ratio | ≤ 1.5 |", "|---|---|---|---|---|"]
    for records in (1_000_000, 10_000_000):
        published(home_at(home), records)
    for task in TASKS:
        if task.name not in GROWING:
            continue
        peaks = [
            in_process(task, OURS, home, records, 1)["peak"] for records in (1_000_000, 10_000_000)
        ]
        ratio = peaks[1] / peaks[0]
        lines.append(
            f"| {task.name} | {peaks[0]:.0f} | {peaks[1]:.0f} | {ratio:.2f} "
            f"| {'yes' if ratio <= 1.5 else 'NO'} |"
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "tasks",
        nargs="*",
        help=f"words of tasks' names, algorithms, or families: {', '.join(FAMILIES)}, sites, "
        "or ingest; all without any",
    )
    parser.add_argument("--home", type=Path, default=Path(".home/bench"))
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--no-growth", action="store_true", help="keep what is told of memory")
    parser.add_argument("--dry", action="store_true", help="print only, and leave the page alone")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--contender", default=OURS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one is not None:
        task, how = task_of(asked.one), measure_r if asked.contender == "R" else None
        print(
            json.dumps(
                how(asked.home, task, asked.records, asked.runs)
                if how
                else measure(asked.home, task, asked.contender, asked.records, asked.runs)
            )
        )
        return
    imports_asked = not asked.tasks or "ingest" in asked.tasks
    try:
        named = [name for name in asked.tasks if name != "ingest"]
        tasks = chosen(named) if named or not asked.tasks else []
    except ValueError as error:
        parser.error(str(error))
    rows, memory, imports = kept(RESULTS.read_text() if RESULTS.exists() else "")

    def write() -> None:
        """Keeps what is known so far, so that a run that is stopped loses nothing."""
        if not asked.dry:
            RESULTS.write_text(page(asked, rows, memory, imports))

    print("\n".join(HEADER), flush=True)
    for name, told in contest(asked.home, tasks, asked.records, asked.runs, asked.rounds):
        rows[name] = told
        write()
    if imports_asked:
        lines = [*ingest.HEADER, *ingest.contest(asked.home, asked.records, asked.rounds)]
        lines += [
            "",
            "k-anonymity over 6 quasi-identifiers, the dearest case: nine in ten alone.",
            "",
        ]
        lines += anonymity.contest(asked.records)
        print("\n".join(lines), flush=True)
        imports = ["", f"## {IMPORTS}", "", *lines]
        write()
    if not asked.no_growth and not asked.tasks:
        memory = ["", "## Memory against the number of records", "", *growth(asked.home)]
        write()


def page(
    asked: argparse.Namespace, rows: dict[str, list[str]], memory: list[str], imports: list[str]
) -> str:
    """The page of results, from the rows of each task and its parts on memory and imports."""
    lines = [
        "# Benchmarks",
        "",
        f"A generated cohort of {asked.records:,} patients × {len(data_model().variables)} "
        f"variables, already loaded; {asked.rounds} × {asked.runs} runs of each contender, fewer "
        "of slow ones, after a warm-up, in turns, each in its own process. "
        f"Python {platform.python_version()}, {os.cpu_count()} processors. "
        "Ratios of medians carry over to other machines; seconds do not.",
        "",
        *HEADER,
        *(line for task in TASKS for line in rows.get(task.name, [])),
        *memory,
        *imports,
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
