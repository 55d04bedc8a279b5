"""The rival: a round of NVIDIA FLARE, in an environment of its own."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.federation.rounds import PATIENTS

VERSION = "2.9.0"
SITES, COVARIATES, ROUNDS = 3, 20, 200
HEADER = ["| round over 3 hospitals, 20 covariates | ms (min / median / 95 %) |", "|---|---|"]


def contest(place: Path) -> list[str]:
    """Its row of the table; a row that says so where it cannot be had."""
    try:
        walls = 1e3 * np.array(_measured(_installed(place / f"nvflare-{VERSION}")))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return [f"| NVFLARE {VERSION} | not measured: {type(error).__name__} |"]
    low, middle, high = np.quantile(walls, (0.0, 0.5, 0.95))
    name = f"NVFLARE {VERSION}, persistent job, aux messages, in clear"
    return [f"| {name} | {low:.1f} / {middle:.1f} / {high:.1f} |"]


def _installed(place: Path) -> Path:
    """Its Python, with what it needs: several of its bounds exclude what MIP is locked to."""
    python = place.absolute() / "bin" / "python"
    if not (place / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", f"nvflare=={VERSION}"]
        subprocess.run(pip, check=True)
        (place / "ready").touch()
    return python


def _measured(python: Path) -> list[float]:
    script = Path(__file__).with_name("flare_session.py")
    with tempfile.TemporaryDirectory() as folder:
        numbers = [str(number) for number in (SITES, ROUNDS, PATIENTS, COVARIATES)]
        out = subprocess.run(
            [python, script, folder, *numbers],
            check=True, stdout=subprocess.PIPE, text=True, timeout=300,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        ).stdout  # fmt: skip
    walls: list[float] = json.loads(out.splitlines()[-1])
    return walls[ROUNDS // 10 :]
