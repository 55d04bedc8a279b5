"""`mip data`: what a data manager types and sees; exit codes 0, 1, 2."""

import json

import pytest

from medmip.catalogue.model_store import ModelStore
from medmip.cli.main import main
from tests.ingest.files import CLEAN, SECRET, WARD, rows


@pytest.fixture
def mip(home, capsys):
    """Runs `mip data …` on a home that has the model; returns exit code, output, errors."""
    ModelStore(home).add(WARD)

    def run(*arguments):
        code = 0
        try:
            main(["data", *map(str, arguments), "--home", str(home.path)])
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


@pytest.fixture
def ward(mip, write):
    def importing(content, *more):
        return mip("import", write(content), "--model", WARD.key, "--dataset", "ward", *more)

    return importing


def test_a_file_is_imported_listed_and_shown(mip, ward):
    code, out, _ = ward(CLEAN)
    assert code == 0
    assert "Published ward, version 1: 3 patients, 3 records." in out
    assert "comma between cells" in out
    code, out, _ = mip("list", "--json")
    (row,) = json.loads(out)
    assert (row["dataset"], row["version"], row["synthetic"]) == ("ward", 1, False)
    assert "ward" in mip("list")[1]
    code, out, _ = mip("show", WARD.key, "ward")
    assert code == 0
    assert row["hash"] in out.replace("\n", "").replace(" ", "")
    assert json.loads(mip("show", WARD.key, "ward", "--json")[1])["hash"] == row["hash"]


def test_synthetic_is_said(mip, ward):
    assert "3 synthetic patients" in ward(CLEAN, "--synthetic")[1]
    assert "ward (synthetic)" in mip("list")[1]


def test_a_bad_file_is_told_and_nothing_published(mip, ward, home):
    code, out, err = ward(rows(f"{SECRET},999,1,F", "p2,1,1,X"))
    assert code == 1
    assert "above maximum: age: above the maximum 120 (row 2)" in err
    assert str(home.logs / "ward.csv.problems.csv") in err
    assert SECRET not in out + err
    assert json.loads(mip("list", "--json")[1]) == []


def test_json_tells_failures_too(ward):
    code, out, _ = ward(rows("p2,1,1,X"), "--json")
    (done,) = json.loads(out)
    assert code == 1
    assert done["clean"] is False
    assert done["problems"][0]["kind"] == "unknown level"
    assert "Nothing was published" in done["error"]


def test_quarantine_says_where(ward, home):
    code, out, _ = ward(rows("p1,1,1,F", "p2,1,1,X"), "--quarantine")
    assert code == 0
    assert str(home.path / "quarantine") in out
    assert "1 patients, 1 records" in out


def test_check_publishes_nothing(mip, write):
    arguments = ("--model", WARD.key, "--dataset", "ward")
    code, out, _ = mip("check", write(CLEAN), *arguments)
    assert (code, "No problems." in out) == (0, True)
    code, out, _ = mip("check", write(rows("p1,1,1,X")), *arguments, "--json")
    assert (code, json.loads(out)["clean"]) == (1, False)
    assert json.loads(mip("list", "--json")[1]) == []


def test_a_dialect_can_be_told(ward):
    content = "subjectcode:volume\np1:'1,5'\n"
    code, out, _ = ward(content, "--delimiter", ":", "--quote", "single", "--decimal", "comma")
    assert code == 0
    assert "':' between cells, single quotes, decimal comma" in out
    assert ward(CLEAN.replace("40", "-9"), "--missing=-9", "--allow-small-change")[0] == 0


def test_the_list_of_problems_can_be_put_elsewhere(ward, tmp_path):
    _, _, err = ward(rows("p1,1,1,X"), "--report", tmp_path / "mine.csv")
    assert str(tmp_path / "mine.csv") in err
    assert (tmp_path / "mine.csv").read_text().startswith("row,column,problem,rule")


def test_a_good_file_beside_a_bad_one_is_published(mip, write):
    good = write("dataset,subjectcode\nnorth,p1\n", "good.csv")
    bad = write("dataset,subjectcode\nsouth,\n", "bad.csv")
    code, out, err = mip("import", bad, good, "--model", WARD.key)
    assert code == 1
    assert "Published north" in out
    assert "bad.csv" in err


def test_versions_roll_back_and_go(mip, ward):
    ward(CLEAN)
    assert ward(rows(*[f"p{i},1,1,F" for i in range(20)]))[0] == 0
    small = rows(*[f"p{i},1,1,F" for i in range(21)])
    code, _, err = ward(small)
    assert (code, "--allow-small-change" in err) == (1, True)
    assert ward(small, "--allow-small-change")[0] == 0
    assert mip("rollback", WARD.key, "ward", 1)[0] == 0
    listed = json.loads(mip("versions", WARD.key, "ward", "--json")[1])
    assert [(row["version"], row["current"]) for row in listed] == [
        (1, True),
        (2, False),
        (3, False),
    ]
    assert "1 (current)" in mip("versions", WARD.key, "ward")[1]
    assert mip("rollback", WARD.key, "ward", 7)[0] == 1
    assert mip("remove", WARD.key, "ward")[0] == 0
    assert mip("show", WARD.key, "ward")[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["import"],
        ["import", "no-such.csv", "--model", "ward:1.0"],
        ["list", "--no-such-option"],
        ["rollback", "ward:1.0", "ward", "first"],
    ],
)
def test_wrong_usage(mip, arguments):
    assert mip(*arguments)[0] == 2


@pytest.mark.parametrize("option", [("--delimiter", "ab"), ("--decimal", "x"), ("--quote", "x")])
def test_wrong_options(ward, option):
    assert ward(CLEAN, *option)[0] == 2


def test_unknown_names(mip, write):
    code, _, err = mip("import", write(CLEAN), "--model", "none:1", "--dataset", "ward")
    assert (code, "none:1" in err) == (1, True)
    assert mip("show", WARD.key, "none")[0] == 1
    assert mip("remove", WARD.key, "../x")[0] == 1
