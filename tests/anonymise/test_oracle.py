"""What anjana and pycanon say: the same k, l and t; and no generalisation that loses less."""

import json
import subprocess
import venv
from pathlib import Path

import numpy as np
import pytest

from medmip.anonymise.generalise import carry_out, plan
from medmip.anonymise.hierarchy import hierarchy
from medmip.ingest.session import Session
from tests.anonymise.cohort import COHORT, QUASI, asked, table, written
from tests.conftest import ROOT, missing

PINS = ("anjana==1.2.3", "pycanon==1.3.5")
"""They pin old versions of NumPy and pandas, so they live in an environment of their own."""


@pytest.fixture(scope="session")
def oracle() -> Path:
    folder = ROOT / ".artefacts" / "-".join(pin.replace("==", "-") for pin in PINS)
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        venv.create(folder, with_pip=True, clear=True)
        done = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *PINS],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            missing(f"{' and '.join(PINS)} cannot be installed")
        ready.touch()
    return python


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2])
def test_anjana_and_pycanon_agree(oracle, tmp_path, seed):
    k, suppression = 5, 0.05
    records = table(seed, 400)
    rule = asked(
        k=k,
        suppression=suppression,
        sensitive={"diagnosis": {"distinct": 2}, "score": {"closeness": 1.0}},
    )
    session = Session(tmp_path, "512MB")
    file = written(tmp_path, records)
    planned = plan(session, file, COHORT, rule, {})
    plain = plan(session, file, COHORT, asked(k=k, suppression=suppression), {}).generalised
    target = tmp_path / "out.parquet"
    carry_out(session, file, target, planned, longitudinal=False)
    out = session.arrow(f"FROM read_parquet('{target}')")
    session.close()
    names = [*QUASI, "diagnosis", "score"]
    steps, raw = {}, {name: records[name].to_pylist() for name in names}
    for name in QUASI:
        distinct = records[name].combine_chunks().dictionary_encode(null_encoding="encode")
        codes = hierarchy(COHORT.variable(name), QUASI[name]).codes(distinct.dictionary)
        own = distinct.indices.to_numpy()
        shown = ["missing" if value is None else str(value) for value in raw[name]]
        raw[name] = shown
        steps[name] = [
            shown,
            *([f"{n}-{code}" for code in step[own]] for n, step in enumerate(codes[1:], 1)),
        ]
    question = {
        "quasi": [*QUASI], "level": "diagnosis", "number": "score", "k": k,
        "suppression": suppression, "steps": steps, "raw": raw,
        "published": {name: out[name].to_pylist() for name in names},
    }  # fmt: skip
    done = subprocess.run(
        [oracle, Path(__file__).with_name("oracle.py")],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout[done.stdout.index('{"k"') :])
    told = planned.generalised
    assert answer["k"] == told.after.smallest
    assert answer["l"] == told.sensitive["diagnosis"].fewest
    if not told.suppressed:
        assert answer["t_level"] == pytest.approx(told.sensitive["diagnosis"].farthest, abs=2e-6)
        assert answer["t_number"] == pytest.approx(told.sensitive["score"].farthest, abs=2e-6)
    assert plain.loss <= loss_of(answer["made"], steps, records) + 1e-6


def loss_of(made, steps, records):
    """What a generalisation of the oracle's loses by our measure, its suppression counted in."""
    losses = []
    for name, values in made.items():
        used = next(
            step for step, classes in enumerate(steps[name]) if set(values) <= {*map(str, classes)}
        )
        distinct = records[name].combine_chunks().dictionary_encode(null_encoding="encode")
        weights = np.bincount(distinct.indices.to_numpy())
        rule = hierarchy(COHORT.variable(name), QUASI[name])
        losses.append(rule.losses(distinct.dictionary, weights)[used])
    kept = float(np.mean(losses))
    suppressed = 1 - len(values) / records.num_rows
    return kept + (1 - kept) * suppressed
