"""Every format of files through the one strict reading; what would harm a reader is refused."""

import datetime as dt
import json
import zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest
import xlsxwriter

from medmip.ingest import IngestError, Options, check
from medmip.ingest import unpacking as unpacking_module
from medmip.ingest.publish import bring_in
from medmip.ingest.report import Kind
from medmip.ingest.table_reading import format_of
from medmip.ingest.text_table import as_text
from tests.ingest.files import CLEAN, SECRET, WARD

COLUMNS = {
    "subjectcode": ["p1", "p2", "p3"],
    "age": [40, 50, None],
    "volume": [1.5, 2.5, None],
    "gender": ["F", "M", None],
}
PUBLISHED = {
    "subjectcode": ["p1", "p2", "p3"],
    "age": [40, 50, None],
    "volume": [1.5, 2.5, None],
    "gender": ["F", "M", None],
    "dataset": ["ward"] * 3,
    "__patient": [0, 1, 2],
}


def excel(path, *sheets):
    """Write sheets, each a name and rows of cells."""
    with xlsxwriter.Workbook(str(path), {"strings_to_formulas": False}) as book:
        for name, rows in sheets:
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                for place, cell in enumerate(row):
                    if cell is not None:
                        sheet.write(number, place, cell)
    return path


def grid(columns=COLUMNS):
    return [list(columns), *map(list, zip(*columns.values(), strict=True))]


def written(path):
    """COLUMNS in the format of the path's ending."""
    frame = pd.DataFrame(COLUMNS)
    match path.suffix:
        case ".csv":
            path.write_text(CLEAN)
        case ".tsv":
            path.write_text(CLEAN.replace(",", "\t"))
        case ".xlsx":
            excel(path, ("Export", grid()))
        case ".parquet":
            pq.write_table(pa.table(COLUMNS), path)
        case ".sav":
            pyreadstat.write_sav(frame, path)
        case ".dta":
            pyreadstat.write_dta(frame, path)
        case ".xpt":
            pyreadstat.write_xport(frame.rename(columns={"subjectcode": "SUBJECTC"}), path)
    return path


def published(home, path, **options):
    done = bring_in(home, path, WARD, "ward", Options(**options), allow_small_change=True)
    return pq.read_table(done.snapshots[0].path).to_pydict()


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".xlsx", ".parquet", ".sav", ".dta"])
def test_every_format_publishes_the_same(home, tmp_path, ending):
    assert published(home, written(tmp_path / f"ward{ending}")) == PUBLISHED


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".sav"])
def test_a_zip_of_one_file_is_that_file(home, tmp_path, ending):
    inner = written(tmp_path / f"ward{ending}")
    with zipfile.ZipFile(tmp_path / "ward.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(inner, f"export/{inner.name}")
        archive.writestr("__MACOSX/._ward.csv", "x")
        archive.writestr("readme.md", "not data")
    assert published(home, tmp_path / "ward.zip") == PUBLISHED


def test_sas_names_are_its_own(home, tmp_path):
    report = check(written(tmp_path / "ward.xpt"), WARD, "ward", home=home)
    assert report.records == 3
    assert {(p.kind, p.column) for p in report.problems} == {
        (Kind.UNKNOWN_COLUMN, "SUBJECTC"),
        (Kind.MISSING_COLUMN, "subjectcode"),
    }


def test_rows_of_a_sheet_are_numbered_as_excel_numbers_them(home, tmp_path):
    rows = [[], ["subjectcode", "age"], ["p1", 40], [], ["p2", 999], ["p3", "old"]]
    rows = [[None, *row] for row in rows]
    path = excel(tmp_path / "ward.xlsx", ("Export", rows))
    report = check(path, WARD, "ward", home=home)
    assert str(report.dialect) == "Excel, sheet Export"
    assert report.records == 3
    assert {(p.kind, p.rows) for p in report.problems} == {
        (Kind.ABOVE_MAXIMUM, (5,)),
        (Kind.WRONG_TYPE, (6,)),
    }


def test_cases_of_a_statistics_file_are_numbered_from_one(home, tmp_path):
    frame = pd.DataFrame({"subjectcode": ["p1", "p2"], "age": [40, 999]})
    pyreadstat.write_sav(frame, tmp_path / "ward.sav")
    (problem,) = check(tmp_path / "ward.sav", WARD, "ward", home=home).problems
    assert (problem.kind, problem.rows) == (Kind.ABOVE_MAXIMUM, (2,))


def test_codes_of_a_statistics_file_stay_codes(home, tmp_path):
    frame = pd.DataFrame({"subjectcode": ["p1", "p2"], "apoe4": [1.0, 2.0]})
    labels = {"apoe4": {1.0: "one", 2.0: "two"}}
    pyreadstat.write_sav(frame, tmp_path / "ward.sav", variable_value_labels=labels)
    assert published(home, tmp_path / "ward.sav")["apoe4"] == ["1", "2"]


def test_several_sheets_are_not_guessed(home, tmp_path):
    path = excel(tmp_path / "ward.xlsx", ("One", grid()), ("Two", grid()), ("Empty", []))
    with pytest.raises(IngestError, match="2 sheets with cells") as caught:
        check(path, WARD, "ward", home=home)
    assert "One, Two" in str(caught.value)
    with pytest.raises(IngestError, match="no sheet “Three”"):
        check(path, WARD, "ward", Options(sheet="Three"), home=home)
    assert check(path, WARD, "ward", Options(sheet="Two"), home=home).clean


def test_a_cell_beyond_the_header_is_not_dropped(home, tmp_path):
    path = excel(tmp_path / "ward.xlsx", ("Export", [["subjectcode"], ["p1", SECRET]]))
    with pytest.raises(IngestError, match="Row 2") as caught:
        check(path, WARD, "ward", home=home)
    assert SECRET not in str(caught.value)


def test_two_cells_far_apart_do_not_fill_the_memory(home, tmp_path):
    path = tmp_path / "ward.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "subjectcode")
        sheet.write(1_048_575, 16_383, "x")
    with pytest.raises(IngestError, match="too many cells"):
        check(path, WARD, "ward", home=home)


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ward.csv", b"subjectcode\n" + b"p" * 20_000_000)


def nested(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.zip", b"PK\x03\x04")


def same_names(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/ward.csv", CLEAN)
        archive.writestr("b/ward.csv", CLEAN)


def several(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("one.csv", CLEAN)
        archive.writestr("two.csv", CLEAN)


def crowded(path):
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(1001):
            archive.writestr(f"{index}.csv", "")


def nothing(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.md", "x")


def damaged(path):
    several(path)
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize(
    "make, told",
    [
        (bomb, "200 times its size"),
        (nested, "holds another zip"),
        (same_names, "two files of one name"),
        (several, "holds 2 files: one.csv, two.csv"),
        (crowded, "more than 1,000"),
        (nothing, "no file that can be read"),
        (damaged, "damaged"),
    ],
)
def test_a_bad_zip_is_refused(home, tmp_path, make, told):
    make(tmp_path / "ward.zip")
    with pytest.raises(IngestError, match=told):
        check(tmp_path / "ward.zip", WARD, "ward", home=home)
    assert not [*(home.path / "work").glob("*")]


def test_a_zip_is_refused_by_its_whole_size(home, tmp_path, monkeypatch):
    several(tmp_path / "ward.zip")
    monkeypatch.setattr(unpacking_module, "MAXIMUM_BYTES", 10)
    monkeypatch.setattr(unpacking_module.refuse_bomb, "__defaults__", (10,))
    with pytest.raises(IngestError, match="would unpack to"):
        check(tmp_path / "ward.zip", WARD, "ward", home=home)


@pytest.mark.parametrize("ending", [".xlsx", ".parquet", ".sav", ".dta", ".sas7bdat", ".ndjson"])
def test_a_damaged_file_is_told_without_its_content(home, tmp_path, ending):
    path = tmp_path / f"ward{ending}"
    path.write_bytes(f"{SECRET} is no file of this kind\n".encode() * 40)
    with pytest.raises(IngestError) as caught:
        check(path, WARD, "ward", home=home)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("ending", [".xlsx", ".parquet"])
def test_a_wrong_ending_is_found_out(tmp_path, ending):
    written(tmp_path / f"ward{ending}").rename(tmp_path / "ward.csv")
    with pytest.raises(IngestError, match=r"ends in “.csv”"):
        format_of(tmp_path / "ward.csv")


def test_old_excel_is_named(tmp_path):
    (tmp_path / "ward.xls").write_bytes(b"x")
    with pytest.raises(IngestError, match="old Excel format"):
        format_of(tmp_path / "ward.xls")


def test_nested_columns_are_refused(home, tmp_path):
    pq.write_table(pa.table({"subjectcode": [["p1"]]}), tmp_path / "ward.parquet")
    with pytest.raises(IngestError, match="subjectcode holds lists"):
        check(tmp_path / "ward.parquet", WARD, "ward", home=home)


FORMULAS = ["=1+1", "+A1", "@SUM(A1)", "-A1", "=HYPERLINK(1)"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_text_and_never_written_as_one(home, tmp_path, formula):
    rows = [["subjectcode", "age", "remark"], ["p1", 40, formula], ["p2", 999, formula]]
    path = excel(tmp_path / "ward.xlsx", ("Export", rows))
    with pytest.raises(IngestError):
        bring_in(home, path, WARD, "ward")
    done = bring_in(home, path, WARD, "ward", quarantine=True)
    assert pq.read_table(done.snapshots[0].path)["remark"].to_pylist() == [formula]
    aside = done.quarantined.read_text()
    assert f"'{formula}" in aside
    assert f",{formula}" not in aside


def test_a_negative_number_is_no_formula(home, write):
    done = bring_in(
        home, write("subjectcode,volume\np1,1\np2,-1.5\n"), WARD, "ward", quarantine=True
    )
    assert ",-1.5," in done.quarantined.read_text() or ",-1.5\n" in done.quarantined.read_text()


def test_a_column_named_like_a_formula_is_listed_as_text(home, write, tmp_path):
    target = tmp_path / "problems.csv"
    check(write("subjectcode,=1+1\np1,x\n"), WARD, "ward", home=home, report=target)
    assert ",'=1+1," in target.read_text()


@pytest.mark.parametrize(
    "value, text",
    [
        (60.0, "60"), (1.5, "1.5"), (float("nan"), None), (True, "true"), (None, None),
        (dt.datetime.fromisoformat("2020-01-02"), "2020-01-02"),
        (dt.date(2020, 1, 2), "2020-01-02"),
        (dt.datetime.fromisoformat("2020-01-02T03:04"), "2020-01-02 03:04:00"), (1e300, "1e+300"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)  # fmt: skip
def test_cells_are_written_as_a_csv_file_would(value, text):
    assert as_text(value) == text


OBSERVATION = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "subject": {"reference": "Patient/p1"},
    "code": {"coding": [{"system": "http://loinc.org", "code": "72106-8"}, {"code": "mmse"}]},
    "valueQuantity": {"value": 28, "code": "{score}"},
    "component": [{"code": {"coding": [{"code": "part"}]}, "valueInteger": 3}],
}


def test_a_resource_of_several_codings_is_several_rows_of_one_line(tmp_path):
    from medmip.ingest.fhir import read_fhir

    path = tmp_path / "Observation.ndjson"
    path.write_text("\n" + json.dumps(OBSERVATION) + "\n")
    table = read_fhir(path, tmp_path / "table.parquet")
    rows = pq.read_table(table.file).to_pydict()
    cells = {name: rows[f"c{index}"] for index, name in enumerate(table.names)}
    assert rows["line"] == [2, 2, 2]
    assert cells["code"] == ["72106-8", "mmse", "part"]
    assert cells["value"] == ["28", "28", "3"]
    assert cells["patient"] == ["p1"] * 3
    assert cells["component"] == ["false", "false", "true"]


@pytest.mark.parametrize(
    "lines, told",
    [
        (['{"resourceType": "Patient"}', '{"resourceType": "Observation"}'], "Line 2 is no Pat"),
        (['{"resourceType": "Patient", "id": '], "Line 1 is not valid JSON"),
        (['{"resourceType": "Zaphod"}'], "Line 1 is no resource of a type that is read"),
        (["[1]"], "Line 1 is no JSON object"),
        (["", ""], "holds no resource"),
    ],
)
def test_a_line_that_is_no_resource_is_told(home, tmp_path, lines, told):
    path = tmp_path / "export.ndjson"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(IngestError, match=told) as caught:
        check(path, WARD, "ward", home=home)
    assert SECRET not in str(caught.value)
