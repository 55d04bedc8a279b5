"""The command line: exit codes, messages, the same results as the portal's."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

from medmip.accounts.doorman import doorman_of
from medmip.accounts.role import Role
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.cli.main import main
from medmip.demo.cohorts import write_demo_csvs
from medmip.ingest.publish import bring_in
from medmip.store.snapshots import Datasets

MIP = str(Path(sys.executable).with_name("mip"))
COHORT = ["--model", "dementia:1.0", "--datasets", "edsd-synthetic"]
BOTH = "lefthippocampus,righthippocampus"
HEAVY = ("duckdb", "scipy", "altair", "fastapi", "pyarrow", "alembic")


def mip(*arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    where = [] if home is None else ["--home", str(home)]
    return subprocess.run(
        [MIP, *arguments, *where], check=False, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("cli")
    home = Home(folder / "home").prepare()
    (path,) = [path for path in write_demo_csvs(folder) if "edsd" in path.name]
    bring_in(home, path, ModelStore(home).get("dementia:1.0"), synthetic=True)
    return home.path


def test_help_is_there_at_once() -> None:
    traced = subprocess.run(
        [sys.executable, "-X", "importtime", MIP, "--help"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert traced.returncode == 0
    assert "experiment" in traced.stdout
    loaded = {line.rsplit("|", 1)[1].strip() for line in traced.stderr.splitlines() if "|" in line}
    assert not loaded & set(HEAVY)


def test_run_prints_tables_and_provenance(filled: Path) -> None:
    done = mip("run", "describe", *COHORT, "--y", "lefthippocampus", home=filled)
    assert done.returncode == 0, done.stderr
    assert "Numeric variables" in done.stdout
    assert "edsd-synthetic v1" in done.stdout


def test_list_of_requests_gives_a_list_of_results(filled: Path, tmp_path: Path) -> None:
    data = {"data_model": "dementia:1.0", "datasets": ["edsd-synthetic"]}
    requests = [
        {"algorithm": "describe", "inputdata": data | {"y": ["lefthippocampus"]}},
        {"algorithm": "describe", "inputdata": data | {"y": ["nothing"]}},
        {"algorithm": "pca", "inputdata": data | {"y": ["lefthippocampus", "righthippocampus"]}},
    ]
    file = tmp_path / "requests.json"
    file.write_text(json.dumps(requests))
    done = mip("run", "--request", str(file), "--json", home=filled)
    assert done.returncode == 1
    assert [answer["state"] for answer in json.loads(done.stdout)] == ["done", "failed", "done"]
    file.write_text(json.dumps(requests[0]))
    alone = mip("run", "--request", str(file), "--json", home=filled)
    assert alone.returncode == 0
    assert json.loads(alone.stdout)["state"] == "done"


def test_wrong_request_names_the_field_and_exits_1(filled: Path) -> None:
    wrong = mip("run", "kmeans", *COHORT, "--y", "gender", home=filled)
    assert wrong.returncode == 1
    assert "inputdata.y[0]" in wrong.stderr


def test_refusal_exits_1_with_its_remedy(filled: Path, tmp_path: Path) -> None:
    filters = tmp_path / "filter.json"
    rule = {"field": "subjectageyears", "operator": "greater", "value": 120}
    filters.write_text(json.dumps({"condition": "AND", "rules": [rule]}))
    refused = mip(
        "run", "describe", *COHORT, "--y", "gender", "--filter", str(filters), home=filled
    )
    assert refused.returncode == 1
    assert "Widen the filter" in refused.stderr


def test_wrong_usage_exits_2(filled: Path) -> None:
    assert mip("run", home=filled).returncode == 2
    assert mip("nonsense").returncode == 2


def test_ledger_is_listed_exported_and_verified(filled: Path) -> None:
    assert mip("run", "describe", *COHORT, "--y", "gender", home=filled).returncode == 0
    rows = json.loads(mip("audit", "list", "--json", home=filled).stdout)
    assert rows[0]["algorithm"] == "describe"
    exported = mip("audit", "export", home=filled).stdout.splitlines()
    assert len(exported) == rows[0]["number"] + 1
    assert "none changed" in mip("audit", "verify", home=filled).stdout


def test_experiments_are_listed_shown_and_removed(filled: Path) -> None:
    assert mip("run", "describe", *COHORT, "--y", "gender", home=filled).returncode == 0
    listed = json.loads(mip("experiment", "list", "--json", home=filled).stdout)
    identity = listed[0]["id"]
    assert "Levels of Sex" in mip("experiment", "show", identity, home=filled).stdout
    assert mip("experiment", "remove", identity, home=filled).returncode == 0
    gone = mip("experiment", "show", identity, home=filled)
    assert gone.returncode == 1
    assert identity in gone.stderr


def test_busy_port_is_named(filled: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = mip("serve", "--port", str(port), home=filled)
    assert refused.returncode == 1
    assert f"Port {port}" in refused.stderr


def test_only_loopback_is_served_without_log_in(filled: Path) -> None:
    Home(filled).configuration.write_text('[login]\nkind = "open"\n')
    refused = mip("serve", "--host", "0.0.0.0", home=filled)
    Home(filled).configuration.unlink()
    assert refused.returncode == 1
    assert "Log-in is off" in refused.stderr


def test_doctor_finds_a_damaged_snapshot(filled: Path, tmp_path: Path) -> None:
    home = Home(Path(shutil.copytree(filled, tmp_path / "damaged")))
    assert "FAIL  dataset" not in mip("doctor", home=home.path).stdout
    path = Datasets(home).list()[0].path
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    sick = mip("doctor", home=home.path)
    assert sick.returncode == 1
    assert "FAIL  dataset" in sick.stdout


def test_the_hospital_sets_its_policy(filled: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(filled, home)
    changed = mip("policy", "set", "minimum_patients=5000", home=home)
    assert changed.returncode == 0, changed.stderr
    assert "minimum_patients: 10 -> 5000" in changed.stdout
    refused = mip("run", "describe", *COHORT, "--y", "lefthippocampus", home=home)
    assert refused.returncode == 1
    assert "fewer than 5000 patients" in refused.stderr + refused.stdout
    assert mip("policy", "set", "minimum_patients=many", home=home).returncode == 1
    shown = mip("policy", "show", "--json", home=home)
    assert json.loads(shown.stdout)["minimum_patients"] == 5000


def test_a_trained_model_is_validated_and_applied(filled: Path, tmp_path: Path) -> None:
    arguments = ("--y", "lefthippocampus", "--x", "subjectageyears,righthippocampus")
    done = mip("run", "linear_regression", *COHORT, *arguments, "--folds", "4", home=filled)
    assert done.returncode == 0, done.stderr
    assert "4-fold cross-validation" in done.stdout
    assert "fold 4" in done.stdout
    identity = done.stdout.split()[-1]
    output = tmp_path / "predicted.csv"
    applied = mip(
        "model-apply", identity, "--dataset", "edsd-synthetic", "--output", str(output), home=filled
    )
    assert applied.returncode == 0, applied.stderr
    assert output.read_text().splitlines()[0] == '"subjectcode","predicted"'
    assert len(output.read_text().splitlines()) == 901
    assert output.stat().st_mode & 0o077 == 0
    new = tmp_path / "new.csv"
    new.write_text("subjectcode,subjectageyears,righthippocampus\nA1,70,3.1\nA2,,3.0\n")
    applied = mip("model-apply", identity, "--file", str(new), "--output", str(output), home=filled)
    assert "1 of 2 records predicted" in applied.stdout, applied.stderr
    assert output.read_text().splitlines()[2] == '"A2",'
    new.write_text("subjectcode,subjectageyears,righthippocampus\nA1,seventy,3.1\n")
    wrong = mip("model-apply", identity, "--file", str(new), "--output", str(output), home=filled)
    assert wrong.returncode == 1
    assert "subjectageyears" in wrong.stderr
    assert not list(filled.rglob(".apply-*"))


def test_a_prepared_request_is_run_from_a_file_and_its_model_applied(
    filled: Path, tmp_path: Path
) -> None:
    data = {"data_model": "dementia:1.0", "datasets": ["edsd-synthetic"]}
    asked = {
        "algorithm": "linear_regression",
        "inputdata": data
        | {"y": ["lefthippocampus"], "x": ["subjectageyears", "righthippocampus"]},
        "preparation": {"imputation": {"method": "regression"}, "standardise": {}},
    }
    file = tmp_path / "request.json"
    file.write_text(json.dumps(asked))
    done = mip("run", "--request", str(file), home=filled)
    assert done.returncode == 0, done.stderr
    assert "Imputed values" in done.stdout
    assert "Standardised" in done.stdout
    identity = done.stdout.split()[-1]
    new, output = tmp_path / "new.csv", tmp_path / "predicted.csv"
    new.write_text("subjectcode,subjectageyears,righthippocampus\nA1,70,3.1\nA2,,3.0\n")
    applied = mip("model-apply", identity, "--file", str(new), "--output", str(output), home=filled)
    assert "2 of 2 records predicted" in applied.stdout, applied.stderr
    first, second = (float(line.split(",")[1]) for line in output.read_text().splitlines()[1:])
    assert 1 < second < first < 6
    asked["preparation"] = {"combat": {}}
    file.write_text(json.dumps(asked))
    wrong = mip("run", "--request", str(file), home=filled)
    assert wrong.returncode == 1
    assert "preparation.combat.batch" in wrong.stderr


def test_a_model_is_exported_for_other_software(filled: Path, tmp_path: Path) -> None:
    arguments = ("--y", "lefthippocampus", "--x", "subjectageyears,gender")
    done = mip("run", "linear_regression", *COHORT, *arguments, home=filled)
    identity = done.stdout.split()[-1]
    graph, text = tmp_path / "model.onnx", tmp_path / "model.json"
    told = mip("model-export", identity, "--output", str(graph), home=filled)
    assert told.returncode == 0, told.stderr
    session = onnxruntime.InferenceSession(graph.read_bytes())
    assert {part.name for part in session.get_inputs()} == {"subjectageyears", "gender"}
    assert mip("model-export", identity, "--output", str(text), home=filled).returncode == 0
    assert json.loads(text.read_text())["kind"] == "linear"
    wrong = mip("model-export", identity, "--output", str(tmp_path / "model.txt"), home=filled)
    assert wrong.returncode != 0
    assert ".json or .onnx" in wrong.stderr


def test_a_report_is_written_or_printed(filled: Path, tmp_path: Path) -> None:
    arguments = ("--y", "lefthippocampus", "--x", "subjectageyears,gender")
    identity = mip("run", "linear_regression", *COHORT, *arguments, home=filled).stdout.split()[-1]
    file = tmp_path / "report.html"
    told = mip("experiment", "report", identity, "--output", str(file), home=filled)
    assert told.returncode == 0, told.stderr
    assert str(file) in told.stdout
    assert "mip run linear_regression" in file.read_text()
    printed = mip("experiment", "report", identity, home=filled)
    assert printed.stdout == file.read_text()
    astray = mip("experiment", "report", identity, "--output", str(tmp_path / "no/r"), home=filled)
    assert astray.returncode == 1
    assert "is in no folder that exists" in astray.stderr


def test_algorithms_are_compared_and_a_penalty_is_learnt(filled: Path) -> None:
    done = mip(
        "run", "elastic_net", *COHORT, "--y", "lefthippocampus", "--x", "subjectageyears,gender",
        "--grid", "penalty=[0.001, 0.5]", "--folds", "3", "--compare", "linear_regression",
        home=filled,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Comparison" in done.stdout
    assert "Choice of parameters" in done.stdout
    assert "Coefficients" in done.stdout


def test_one_validation_at_a_time(filled: Path) -> None:
    arguments = ("--y", "lefthippocampus", "--x", "subjectageyears")
    both = ("--folds", "4", "--leave-one-dataset-out")
    wrong = mip("run", "linear_regression", *COHORT, *arguments, *both, home=filled)
    assert wrong.returncode == 2


def test_experiments_are_found_shared_and_asked_again_from_the_shell(
    filled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(filled)
    doorman_of(home).people.add("ben", [Role.RESEARCHER])

    def told(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["experiment", *words, "--home", str(filled)])
        assert ended.value.code == 0, words
        return capsys.readouterr().out

    made = mip("run", "pearson_correlation", *COHORT, "--y", BOTH, "--json", home=filled)
    identity = json.loads(made.stdout)["id"]
    assert "Both sides" in told("rename", identity, " Both sides ")
    assert "draft" in told("tag", identity, "draft", "Paper 2")
    wishes = ("--search", "both HIPPOCAMPUS pearson", "--tag", "draft", "--state", "done")
    (found,) = json.loads(told("list", *wishes, "--since", "2020-01-01", "--json"))
    assert found["id"] == identity
    assert json.loads(told("list", "--tag", "nothing", "--json")) == []
    assert "nobody" in told("share", identity)
    assert "everybody here, ben" in told("share", identity, "--everybody", "--with", "ben")
    comment = told("comment", identity, "As expected.").strip()
    assert "As expected." in told("comments", identity)
    told("uncomment", identity, comment)
    assert told("comments", identity) == ""
    again = told("rerun", identity)
    assert "still version 1" in again
    assert "without a difference" in again
    assert told("difference", again.partition(":")[0]) == again.split("\n", 1)[1]
