"""Imports one generated file and prints its peak memory: python -m … FILE HOME cross|long."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.memory import peak_memory
from medmip.catalogue.home import Home
from medmip.ingest import import_file
from tests.ingest.generate import model

begun = time.monotonic()
steps: list[Any] = []


def progress(step, done):
    if not steps or steps[-1][0] != step:
        steps.append((step, round(time.monotonic() - begun, 1)))


(snapshot,) = import_file(
    Home(Path(sys.argv[2])),
    Path(sys.argv[1]),
    model(longitudinal=sys.argv[3] == "long"),
    "big",
    progress=progress,
)
result = {
    "records": snapshot.records,
    "patients": snapshot.patients,
    "seconds": round(time.monotonic() - begun, 1),
    "peak_mb": peak_memory(),
    "steps": steps,
}
sys.stdout.write(json.dumps(result) + "\n")
