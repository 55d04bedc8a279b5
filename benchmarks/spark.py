"""The rival: the same sums in Spark, in an environment of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

VERSION = "4.0.1"
TASKS = ("linear", "logistic", "histogram")


def timed(place: Path, records: Path, task: str, y: str, x: list[str]) -> tuple[float, float]:
    """Seconds of an analysis of a Parquet file, when its records are read first, and again.

    Raises subprocess.CalledProcessError where Spark cannot run, as without Java 17.
    """
    script = Path(__file__).with_name("spark_session.py")
    cores = str(os.cpu_count() or 1)
    out = subprocess.run(
        [_installed(place / f"pyspark-{VERSION}"), script, cores, task, records, y, *x],
        check=True, stdout=subprocess.PIPE, text=True, timeout=3600,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ).stdout  # fmt: skip
    first, again = json.loads(out.splitlines()[-1])
    return first, again


def _installed(place: Path) -> Path:
    """Its Python, with what it needs; nothing of MIP."""
    python = place.absolute() / "bin" / "python"
    if not (place / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        packages = [f"pyspark=={VERSION}", "numpy", "pandas", "pyarrow"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        (place / "ready").touch()
    return python
