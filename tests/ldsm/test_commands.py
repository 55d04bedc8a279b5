"""`mip ldsm`, in a home whose log-in is off, and where no database is named."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.ingest.publish import bring_in
from medmip.ldsm.database import served
from medmip.ldsm.settings import LdsmSettings
from tests.ingest.files import WARD

MIP = str(Path(sys.executable).with_name("mip"))


@pytest.fixture
def home(tmp_path):
    place = Home(tmp_path / "home").prepare()
    model = ModelStore(place).add(WARD)
    lines = [f"p{i},{20 + i},{'FM'[i % 2]}" for i in range(30)]
    (tmp_path / "ward.csv").write_text("\n".join(["subjectcode,age,gender", *lines, ""]))
    bring_in(place, tmp_path / "ward.csv", model, "ward")
    place.configuration.write_text('[login]\nkind = "open"\n[ldsm]\ndatabase = "embedded"\n')
    return place


def mip(home, *words, code=0):
    done = subprocess.run(
        [MIP, *words, "--home", str(home.path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_readers_come_and_go_and_stay_over_a_restart(home, need):
    assert "Copied ward:1.0 ward, version 1." in mip(home, "ldsm", "sync")
    assert "0 datasets copied" in mip(home, "ldsm", "sync")
    told = mip(home, "ldsm", "add-reader", "ada")
    (line,) = re.findall(r'psql "(.*)"', told)
    (password,) = re.findall(r"its password (\S+)", told)
    with served(home, LdsmSettings(database="embedded")):
        done = subprocess.run(
            [need("psql"), "-X", "-w", "-At", "-d", line, "-c", "SELECT count(*) FROM datasets"],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PGPASSWORD": password},
        )
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    found = json.loads(mip(home, "ldsm", "readers", "--json"))
    assert found == [{"name": "ada", "account": "mip_reader_ada", "open": True}]
    mip(home, "ldsm", "remove-reader", "ada")
    assert json.loads(mip(home, "ldsm", "readers", "--json")) == []
    assert "reads no rows" in mip(home, "ldsm", "remove-reader", "ada", code=1)
    assert "letters, digits" in mip(home, "ldsm", "add-reader", "a; drop", code=1)


def test_without_a_database_it_says_how_to_name_one(tmp_path):
    place = Home(tmp_path / "home").prepare()
    assert "[ldsm]" in mip(place, "ldsm", "sync", code=1)
    place.configuration.write_text('[ldsm]\ndatabase = "host=/nowhere"\n')
    assert "does not let MIP in" in mip(place, "ldsm", "sync", code=1)
    place.configuration.write_text('[ldsm]\ndatabas = "x"\n')
    assert "ldsm.database" in mip(place, "ldsm", "sync", code=1)
