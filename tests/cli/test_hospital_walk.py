"""The data manager's walk by commands: an untidy export, analysed with the demonstration's data."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.demo.cohorts import write_demo_csvs
from medmip.ingest.publish import bring_in
from tests.untidy_export import MAPPING, NAME, PATIENTS, WHOLE, untidy

MIP = str(Path(sys.executable).with_name("mip"))
KEY = "dementia:1.0"


@pytest.fixture
def home(tmp_path):
    """A home with one of the demonstration's datasets, and the export in its inbox."""
    place = Home(tmp_path / "home").prepare()
    (file,) = [f for f in write_demo_csvs(tmp_path) if "edsd-synthetic" in f.name]
    bring_in(place, file, ModelStore(place).get(KEY), synthetic=True)
    (place.inbox / NAME).write_bytes(untidy())
    return place


def mip(home, *words, code=0):
    done = subprocess.run(
        [MIP, *words, "--home", str(home.path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Lefèvre" not in done.stdout + done.stderr
    return done.stdout


def test_an_untidy_export_is_published_and_analysed_by_commands(home, tmp_path):
    export, mapping = str(home.inbox / NAME), tmp_path / "mapping.yaml"
    mip(home, "harmonise", "suggest", export, "--model", KEY, "-o", str(mapping))
    suggested = mapping.read_text()
    assert "lefthippocampus: " in suggested
    assert "full_years" in suggested

    into = ["--mapping", str(mapping), "--model", KEY, "--dataset", "memory-clinic"]
    mapping.write_text(MAPPING)
    told = json.loads(mip(home, "harmonise", "check", export, *into, "--json", code=1))
    found = {variable["code"]: variable for variable in told["variables"]}
    (unmapped,) = found["alzheimerbroadcategory"]["unmapped"]
    assert unmapped["code"] == "TEM"
    mip(home, "harmonise", "run", export, *into, code=1)

    mapping.write_text(WHOLE)
    mip(home, "harmonise", "check", export, *into)
    mip(home, "harmonise", "run", export, *into)
    card = mip(home, "data", "card", KEY, "memory-clinic")
    assert "replaced by keyed pseudonyms" in card
    (quality,) = json.loads(mip(home, "data", "quality", "memory-clinic", "--model", KEY, "--json"))
    assert quality["patients"] == PATIENTS

    together = ["--datasets", "memory-clinic,edsd-synthetic"]
    result = json.loads(
        mip(
            home,
            *("run", "linear_regression", "--model", KEY, *together),
            *("--y", "lefthippocampus", "--x", "subjectageyears,gender", "--json"),
        )
    )
    text = json.dumps(result)
    assert "memory-clinic" in text
    terms = {row["term"] for row in result["result"]["data"]["coefficients"]}
    assert any("subjectageyears" in term or term == "Age" for term in terms), terms
    assert (home.inbox / NAME).read_bytes() == untidy()
