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
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.cohort import home_at, published
from benchmarks.contest import TASKS, Task, loaded, opened
from benchmarks.memory import peak_memory

RUNS = 5
OURS = "MIP"
RESULTS = Path(__file__).with_name("results.md")


def measure(home: Path, task: Task, contender: str, records: int, runs: int) -> dict[str, Any]:
    """Wall and CPU seconds of each run after one warm-up, and the process's peak memory in MB."""
    place = home_at(home)
    if contender == OURS:
        run = opened(place, records, task)
    else:
        run = task.rivals[contender](loaded(place, records, task))
    run()
    walls, cpus = [], []
    for _ in range(runs):
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
        (Path(folder) / "y").write_bytes(np.asarray(data.get("y", [0.0]), dtype=float).tobytes())
        shape = data["x"].shape
        script = f"""
x <- matrix(readBin("{raw}", "double", {shape[0] * shape[1]}), {shape[0]}, {shape[1]})
y <- readBin("{folder}/y", "double", {shape[0]})
set.seed(1); times <- matrix(0, {runs}, 2)
invisible({{ {task.r} }})
for (i in 1:{runs}) {{
  t <- system.time({{ {task.r} }})
  times[i, ] <- c(t[[3]], t[[1]] + t[[2]])
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


def in_process(arguments: list[str]) -> dict[str, Any]:
    """Runs one contender in a fresh process."""
    out = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    measured: dict[str, Any] = json.loads(out.splitlines()[-1])
    return measured


def contest(home: Path, records: int, runs: int, rounds: int) -> list[str]:
    """The table of all tasks: contenders take turns, so that a slow moment hits each alike."""
    lines = [
        "| task | contender | wall s (min / median) | CPU s | peak MB | MIP / contender | target |",
        "|---|---|---|---|---|---|---|",
    ]
    published(home_at(home), records)
    for index, task in enumerate(TASKS):
        contenders = [OURS, *task.rivals, *(["R"] if shutil.which("Rscript") and task.r else [])]
        results: dict[str, dict[str, Any]] = {}
        for _ in range(rounds):
            for contender in contenders:
                arguments = ["--one", str(index), "--contender", contender]
                part = in_process(
                    [
                        *arguments,
                        "--home",
                        str(home),
                        "--records",
                        str(records),
                        "--runs",
                        str(runs),
                    ]
                )
                known = results.setdefault(contender, {"wall": [], "cpu": [], "peak": 0.0})
                known["wall"] += part["wall"]
                known["cpu"] += part["cpu"]
                known["peak"] = max(known["peak"], part["peak"])
        ours = median(results[OURS]["wall"])
        fastest = min(
            (name for name in contenders if name != OURS),
            key=lambda name: median(results[name]["wall"]),
        )
        for name in contenders:
            wall, cpu = results[name]["wall"], results[name]["cpu"]
            judged = name == (task.against or fastest)
            ratio = ours / median(wall)
            verdict = (
                f"≤ {task.target:g}: {'yes' if ratio <= task.target else 'NO'}" if judged else ""
            )
            label = task.name if name == OURS else ""
            lines.append(
                f"| {label} | {name} | {min(wall):.4f} / {median(wall):.4f} "
                f"| {median(cpu):.4f} | {results[name]['peak']:.0f} "
                f"| {'1' if name == OURS else f'{ratio:.2f}'} | {verdict} |"
            )
            print(lines[-1], flush=True)
    return lines


def growth(home: Path) -> list[str]:
    """Peak memory of our contender at 1M and 10M records, streamed from the snapshot."""
    lines = ["| task | peak MB at 1M | peak MB at 10M | ratio | ≤ 1.5 |", "|---|---|---|---|---|"]
    for records in (1_000_000, 10_000_000):
        published(home_at(home), records)
    for index in (0, 3, 4):
        peaks = [
            in_process(
                [
                    "--one",
                    str(index),
                    "--contender",
                    OURS,
                    "--home",
                    str(home),
                    "--records",
                    str(records),
                    "--runs",
                    "1",
                ]
            )["peak"]
            for records in (1_000_000, 10_000_000)
        ]
        ratio = peaks[1] / peaks[0]
        lines.append(
            f"| {TASKS[index].name} | {peaks[0]:.0f} | {peaks[1]:.0f} | {ratio:.2f} "
            f"| {'yes' if ratio <= 1.5 else 'NO'} |"
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".home/bench"))
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--no-growth", action="store_true")
    parser.add_argument("--one", type=int)
    parser.add_argument("--contender", default=OURS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        task = TASKS[arguments.one]
        measured = (
            measure_r(arguments.home, task, arguments.records, arguments.runs)
            if arguments.contender == "R"
            else measure(
                arguments.home, task, arguments.contender, arguments.records, arguments.runs
            )
        )
        print(json.dumps(measured))
        return
    tables = contest(arguments.home, arguments.records, arguments.runs, arguments.rounds)
    report = [
        "# Benchmarks",
        "",
        f"A generated cohort of {arguments.records:,} patients × 50 variables, already loaded; "
        f"{arguments.rounds} × {arguments.runs} runs of each contender after a warm-up, in "
        f"turns, each in its own process. Python {platform.python_version()}, "
        f"{os.cpu_count()} processors. "
        "Ratios of medians carry over to other machines; seconds do not.",
        "",
        *tables,
    ]
    if not arguments.no_growth:
        report += ["", "## Memory against the number of records", "", *growth(arguments.home)]
    RESULTS.write_text("\n".join(report) + "\n")


if __name__ == "__main__":
    main()
