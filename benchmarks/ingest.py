"""An import of a generated CSV file against DuckDB's plain copy of it to Parquet.

`make bench ARGS=ingest`: 1,000,000 rows of 200 columns, each contender in a process of its own, in
turns. The import copies the file as clean text, proves that no line is lost, holds every cell
against the data model, and publishes a snapshot; the plain copy does none of that.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from benchmarks.memory import peak_memory
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.variable import Enumeration, Variable, VariableType
from medmip.ingest import import_file

REALS, WHOLES, LEVELS = 150, 25, 24
TARGET = 3.0
MEMORY = 2_000
"""The most that an import may hold, MB."""
HEADER = [
    "| rows x columns | contender | wall s (min / median) | CPU s | peak MB | MIP / contender | target |",  # noqa: E501
    "|---|---|---|---|---|---|---|",
]
_CODES = ("AD", "MCI", "CN")


def model() -> DataModel:
    """The file's columns: a pseudonym, volumes, scores and levels, all with rules."""
    kinds = [("subjectcode", VariableType.TEXT, "text")]
    kinds += [(f"volume{i}", VariableType.REAL, "real") for i in range(REALS)]
    kinds += [(f"score{i}", VariableType.INTEGER, "int") for i in range(WHOLES)]
    kinds += [(f"level{i}", VariableType.NOMINAL, "text") for i in range(LEVELS)]
    return DataModel(
        code="wide",
        version="1.0",
        label="Wide",
        variables=tuple(
            Variable(
                code=code,
                label=code,
                type=kind,
                sql_type=sql,
                minimum=None if sql == "text" else 0,
                maximum=30 if kind is VariableType.INTEGER else None,
                enumerations=tuple(Enumeration(code=c, label=c) for c in _CODES)
                if kind is VariableType.NOMINAL
                else (),
            )
            for code, kind, sql in kinds
        ),
    )


def generated(folder: Path, rows: int) -> Path:
    """The CSV file, written once."""
    file = folder / f"wide{rows}.csv"
    if file.exists():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    cells = ["'P' || i AS subjectcode"]
    cells += [f"round(random() * 50, 4) AS volume{i}" for i in range(REALS)]
    cells += [f"(random() * 30)::INTEGER AS score{i}" for i in range(WHOLES)]
    cells += [
        f"CASE WHEN random() < 0.98 THEN {list(_CODES)}[1 + (i + {i}) % 3] END AS level{i}"
        for i in range(LEVELS)
    ]
    partial = file.with_suffix(".partial")
    with duckdb.connect() as connection:
        connection.execute(f"SET temp_directory = '{file.parent}'")
        connection.execute("SELECT setseed(0.5)")
        connection.execute(
            f"COPY (SELECT {', '.join(cells)} FROM range({rows}) AS t(i)) TO '{partial}' (HEADER)"
        )
    return partial.rename(file)


def measured(contender: str, file: Path, work: Path) -> dict[str, Any]:
    """Wall and CPU seconds of one contender in this process, and its peak memory."""
    wall, cpu = time.perf_counter(), time.process_time()
    if contender == "MIP":
        import_file(Home(work / "home"), file, model(), "wide")
    else:
        with duckdb.connect() as connection:
            connection.execute(f"SET temp_directory = '{work}'")
            connection.execute(
                f"COPY (SELECT * FROM read_csv('{file}')) TO '{work / 'plain.parquet'}' "
                "(FORMAT parquet)"
            )
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak": peak_memory(),
    }


def contest(folder: Path, rows: int, rounds: int) -> list[str]:
    """The lines of the table; contenders take turns."""
    file = generated(folder, rows)
    results: dict[str, list[dict[str, Any]]] = {"MIP": [], "DuckDB, plain COPY": []}
    for _ in range(rounds):
        for contender, parts in results.items():
            work = Path(tempfile.mkdtemp(dir=folder))
            try:
                words = [sys.executable, "-m", "benchmarks.ingest", contender, str(file), str(work)]
                out = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
                parts.append(json.loads(out))
            finally:
                shutil.rmtree(work)
    middle = {name: median(part["wall"] for part in parts) for name, parts in results.items()}
    lines = []
    for name, parts in results.items():
        ratio = middle["MIP"] / middle[name]
        peak = max(part["peak"] for part in parts)
        own = name == "MIP"
        verdict = (
            f"≤ {MEMORY} MB: {'yes' if peak <= MEMORY else 'NO'}"
            if own
            else f"≤ {TARGET:g}: {'yes' if ratio <= TARGET else 'NO'}"
        )
        size = f"{rows:,} x {1 + REALS + WHOLES + LEVELS}" if own else ""
        lines.append(
            f"| {size} | {name} | {min(p['wall'] for p in parts):.2f} / {middle[name]:.2f} "
            f"| {median(p['cpu'] for p in parts):.2f} | {peak:.0f} "
            f"| {'1' if own else f'{ratio:.2f}'} | {verdict} |"
        )
    return lines


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
