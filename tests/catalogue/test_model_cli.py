"""`mip model` as people and programs type it."""

import json

import pytest
from typer.testing import CliRunner

from medmip.catalogue.cdes import read_cdes
from medmip.catalogue.errors import CatalogueError, ModelExists, UnknownModel, UnknownVariable
from medmip.cli.model import model_app
from tests.catalogue.models import small


@pytest.fixture
def mip(home, monkeypatch):
    monkeypatch.setenv("MIP_HOME", str(home.path))
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments):
        return CliRunner().invoke(model_app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def toy_file(tmp_path):
    file = tmp_path / "CDEsMetadata.json"
    file.write_text(json.dumps(small()))
    return file


def test_add_list_show_export_remove(mip, toy_file, tmp_path):
    assert "toy:1.0 is there, with 4 variables" in mip("add", toy_file).stdout
    assert "toy:1.0" in mip("list").stdout
    shown = mip("show", "toy:1.0").stdout
    assert "Demographics" in shown
    assert "age  Age (integer, 0 to 130 years)" in shown
    copy = tmp_path / "copy.json"
    assert mip("export", "toy:1.0", "--output", copy).exit_code == 0
    assert read_cdes(copy.read_bytes()) == read_cdes(toy_file.read_bytes())
    assert copy.read_text() == mip("export", "toy:1.0").stdout
    assert mip("remove", "toy:1.0").exit_code == 0
    assert "toy:1.0" not in mip("list").stdout


def test_list_as_json_says_what_the_api_says(mip, toy_file):
    mip("add", toy_file)
    rows = {row["code"]: row for row in json.loads(mip("list", "--json").stdout)}
    assert rows["toy:1.0"] == {
        "code": "toy:1.0",
        "label": "Toy",
        "version": "1.0",
        "longitudinal": False,
        "variables": 4,
        "datasets": [],
    }


def test_add_as_json_tells_what_was_added(mip, toy_file):
    added = json.loads(mip("add", toy_file, "--json").stdout)
    assert [row["code"] for row in added] == ["toy:1.0"]


def test_show_as_json_is_the_whole_model(mip):
    shown = json.loads(mip("show", "dementia:1.0", "--json").stdout)
    assert shown["key"] == "dementia:1.0"
    assert {group["code"] for group in shown["groups"]} >= {"diagnosis", "brain_anatomy"}


def test_show_tells_all_about_a_variable(mip):
    said = mip("show", "dementia:1.0", "gender").stdout
    assert "M  Male" in said
    shown = json.loads(mip("show", "dementia:1.0", "lefthippocampus", "--json").stdout)
    assert shown["units"] == "cm3"
    assert shown["path"][0] == "Brain anatomy"


def test_square_brackets_in_a_label_are_shown_as_they_are(mip, tmp_path):
    raw = small()
    raw["label"] = "Toy [bold]set[/bold]"
    file = tmp_path / "odd.json"
    file.write_text(json.dumps(raw))
    mip("add", file)
    assert "Toy [bold]set[/bold]" in mip("show", "toy:1.0").stdout
    assert "Toy [bold]set[/bold]" in mip("list").stdout


def test_nothing_is_added_unless_every_file_is_valid(mip, toy_file, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text("{}")
    result = mip("add", toy_file, broken)
    assert isinstance(result.exception, CatalogueError)
    assert str(broken) in str(result.exception)
    assert "toy:1.0" not in mip("list").stdout


def test_another_model_of_the_same_key_needs_replace(mip, toy_file, tmp_path):
    mip("add", toy_file)
    other = tmp_path / "other.json"
    other.write_text(json.dumps(small() | {"label": "Other"}))
    assert isinstance(mip("add", other).exception, ModelExists)
    assert mip("add", other, "--replace").exit_code == 0
    assert "Other" in mip("show", "toy:1.0").stdout


@pytest.mark.parametrize(
    "arguments, error",
    [
        (("show", "toy:9"), UnknownModel),
        (("export", "toy:9"), UnknownModel),
        (("remove", "toy:9"), UnknownModel),
        (("show", "dementia:1.0", "nosuch"), UnknownVariable),
    ],
)
def test_what_is_unknown_is_left_to_the_edge(mip, arguments, error):
    assert isinstance(mip(*arguments).exception, error)


@pytest.mark.parametrize("arguments", [("add",), ("add", "no-such-file.json"), ("show",), ("x",)])
def test_wrong_usage_exits_2(mip, arguments):
    assert mip(*arguments).exit_code == 2
