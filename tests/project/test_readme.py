"""What the README shows can be done as it stands there."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from medmip.accounts.doorman import doorman_of
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import shipped_models
from medmip.demo.cohorts import write_demo_csvs
from medmip.experiments.service import ExperimentService
from medmip.ingest.publish import bring_in
from medmip.web.application import create_app
from tests.project.tree import ROOT

README = (ROOT / "README.md").read_text()
HOME = ".home/demo"
TERMS = ["Intercept", "subjectage", "gender"]
LABELS = ["Intercept", "Exact age", "Sex"]


@pytest.fixture(scope="module")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("demo")).prepare()
    for path in write_demo_csvs(tmp_path_factory.mktemp("csv")):
        bring_in(home, path, shipped_models()[0], synthetic=True)
    return home


def block(beginning: str) -> str:
    """The fenced block that begins with these words."""
    found = re.search(rf"^```\w*\n({re.escape(beginning)}.*?)^```$", README, re.M | re.S)
    assert found, beginning
    return found[1]


def ran(command: list[str]) -> str:
    """What a command prints, once it has ended well."""
    wide = os.environ | {"COLUMNS": "120"}
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=wide)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_the_analysis_from_a_shell(demo_home: Home) -> None:
    said = block(".venv/bin/mip run").replace("\\\n", " ").replace(HOME, str(demo_home.path))
    printed = ran([str(Path(sys.executable).with_name("mip")), *shlex.split(said)[1:]])
    assert all(label in printed for label in LABELS)


def test_the_analysis_over_http(demo_home: Home) -> None:
    words = shlex.split(block("curl"))
    address = next(word for word in words if word.startswith("http://127.0.0.1:8080"))
    path = address.removeprefix("http://127.0.0.1:8080")
    app = create_app(ExperimentService(demo_home), doorman_of(demo_home, Login(kind="open")))
    with TestClient(app, base_url="http://localhost") as client:
        answer = client.post(path, json=json.loads(words[words.index("-d") + 1]))
        assert answer.status_code == 202
        assert f"{path}/{{id}}" in README
        assert answer.headers["location"] == f"{path}/{answer.json()['id']}"
        with client.stream("GET", f"{answer.headers['location']}/events") as events:
            assert any(line == "event: end" for line in events.iter_lines())
        assert client.get(answer.headers["location"]).json()["state"] == "done"


def test_the_analysis_in_python(demo_home: Home, tmp_path: Path) -> None:
    script = tmp_path / "readme.py"
    hospital = f"{HOME}/hospitals/north"
    script.write_text(block("from pathlib").replace(hospital, str(demo_home.path)))
    printed = ran([sys.executable, str(script)])
    assert [line.split("[")[0].split()[0] for line in printed.splitlines()] == TERMS
