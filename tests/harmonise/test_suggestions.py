"""A mapping is proposed that a person can read, and that works as far as it goes."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pyreadstat
import pytest

from medmip.catalogue.model_store import ModelStore
from medmip.cli.main import main
from medmip.harmonise import MappingError, coverage, harmonise, parse_mapping
from medmip.harmonise.matching import matches
from medmip.harmonise.profile import profile
from medmip.harmonise.suggestion import suggest
from tests.harmonise import cohort
from tests.harmonise.conftest import MODELS
from tests.ingest.files import SECRET

MODEL = MODELS["dementia:1.0"]
CLINIC = (
    "Patient ID;Geschlecht;Geburtsdatum;Untersuchung;MMSE_total;Hippocampus_L_mm3;"
    "Right_Hippocampus (mm3);Diagnose;TIV;Bemerkung\n"
)


def clinic(folder):
    lines = [
        f"p{i};{'mw'[i % 2]};0{1 + i % 9}.02.19{40 + i};1{i % 9}.05.2020;{20 + i % 10};"
        f"{3000 + i * 10},5;{3100 + i},5;{['AD', 'MCI', 'NL'][i % 3]};{1400 + i},2;{SECRET} {i}\n"
        for i in range(40)
    ]
    (folder / "Klinik.csv").write_text(CLINIC + "".join(lines))


def test_an_untidy_export_is_understood(home, folder):
    clinic(folder)
    found = suggest([folder], MODEL, home=home)
    assert {m.column: m.variable for m in found.matches} == {
        "Patient ID": "subjectcode", "Geschlecht": "gender", "Geburtsdatum": None,
        "Untersuchung": None, "MMSE_total": "minimentalstate", "Bemerkung": None,
        "Hippocampus_L_mm3": "lefthippocampus", "Right_Hippocampus (mm3)": "righthippocampus",
        "Diagnose": "alzheimerbroadcategory", "TIV": "tiv",
    }  # fmt: skip
    assert SECRET not in found.yaml
    mapping = parse_mapping(found.yaml.encode(), "suggested.yaml")
    (snapshot,) = harmonise(home, [folder], mapping, MODEL, "ward").snapshots
    row = pq.read_table(snapshot.path).to_pylist()[1]
    assert (row["gender"], row["lefthippocampus"], row["tiv"]) == ("F", 3.0105, 1401.2)
    assert (row["subjectageyears"], row["alzheimerbroadcategory"]) == (79, "MCI")


@pytest.mark.parametrize("write", [cohort.i2b2, cohort.omop, cohort.fhir])
def test_a_star_schema_is_understood_concept_by_concept(home, folder, write):
    write(folder)
    found = suggest([folder], MODEL, home=home)
    mapping = parse_mapping(found.yaml.encode(), "suggested.yaml")
    (snapshot,) = harmonise(home, [folder], mapping, MODEL, "ward").snapshots
    table = pq.read_table(snapshot.path).sort_by("subjectcode").to_pydict()
    assert table["minimentalstate"] == [21, 26, 29, 30]
    assert table["gender"] == cohort.SEXES
    assert table["subjectageyears"] == [70, 75, 80, 60]
    if write is not cohort.i2b2:
        assert table["ab1_42"] == [640.5, 880, None, 1210]


def test_labels_of_a_statistics_file_are_read(home, folder):
    frame = pd.DataFrame({"v1": ["a", "b"], "v2": [1.0, 2.0], "v3": [28.0, 29.0]})
    pyreadstat.write_sav(
        frame,
        folder / "study.sav",
        column_labels=["Patient", "Sex", "MMSE total"],
        variable_value_labels={"v2": {1.0: "Male", 2.0: "Female"}},
    )
    found = suggest([folder], MODEL, home=home)
    mapping = parse_mapping(found.yaml.encode(), "suggested.yaml").mapping
    assert mapping.columns["gender"].codes == {"1": "M", "2": "F"}
    assert mapping.columns["minimentalstate"].column == "v3"
    assert coverage([folder], parse_mapping(found.yaml.encode(), "x"), MODEL, "w").report.clean


@pytest.mark.parametrize(
    "name, cells, variable",
    [
        ("lh_hippocampus", ["3.1"], "lefthippocampus"),
        ("RightHippocampus", ["3.1"], "righthippocampus"),
        ("ab42", ["640"], "ab1_42"),
        ("abeta40", ["6400"], "ab1_40"),
        ("age", ["61", "72"], "subjectageyears"),
        ("MMSE", ["25"], "minimentalstate"),
    ],
)
def test_names_that_people_use(name, cells, variable):
    (found,) = matches([profile(name, cells)], MODEL)
    assert found.variable.code == variable


@pytest.mark.parametrize("name", ["hippocampus", "note", "v17", "left_shoe_size"])
def test_names_that_nothing_is_guessed_for(name):
    assert matches([profile(name, ["1.5"])], MODEL) == []


@pytest.mark.parametrize(
    "name, cells, unit",
    [
        ("lefthippocampus", ["2750", "1960"], "mm3"),
        ("lefthippocampus", ["2.75", "1.96"], ""),
        ("tiv", ["1400", "1600"], ""),
        ("tiv", ["1400000"], "mm3"),
    ],
)
def test_a_unit_that_no_name_tells_is_that_of_possible_volumes(name, cells, unit):
    (found,) = matches([profile(name, cells)], MODEL)
    assert found.unit == unit
    assert ("no unit is told, taken as cm3" in found.why) == (unit == "")
    assert "as far as bounds are known" in found.why


def test_values_that_do_not_fit_cost_score():
    (fits,) = matches([profile("MMSE", ["25"])], MODEL)
    found = matches([profile("MMSE", ["2500"])], MODEL)
    assert not found or found[0].score < fits.score - 0.15


@pytest.mark.parametrize(
    "cells, form",
    [
        (["2020-01-31"], "%Y-%m-%d"),
        (["2020-01-31 10:00:00"], "%Y-%m-%d"),
        (["31.01.2020"], "%d.%m.%Y"),
        (["31/01/2020", "01/02/2020"], "%d/%m/%Y"),
        (["01/31/2020"], "%m/%d/%Y"),
        (["x"], ""),
        ([], ""),
    ],
)
def test_dates_are_told_by_all_cells(cells, form):
    assert profile("d", cells).date == form or form == "%m/%d/%Y"


def test_a_file_like_nothing_is_told(home, folder):
    (folder / "a.csv").write_text("x1;x2\n1;2\n")
    with pytest.raises(MappingError, match="No column is like"):
        suggest([folder], MODEL, home=home)


def test_the_command(home, folder, tmp_path, capsys):
    ModelStore(home).add(MODEL)
    clinic(folder)
    target = tmp_path / "mapping.yaml"
    common = ["harmonise", "suggest", str(folder), "--model", MODEL.key, "--home", str(home.path)]
    for more in (["-o", str(target)], ["--json"], []):
        with pytest.raises(SystemExit) as end:
            main([*common, *more])
        assert not end.value.code
        out = capsys.readouterr().out
        if more == ["--json"]:
            assert json.loads(out)["matches"][0]["score"] > 0.9
    assert out == target.read_text()
    assert parse_mapping(target.read_bytes(), "x").mapping.columns["tiv"].column == "TIV"
    assert Path(target).exists()
