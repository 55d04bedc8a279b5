"""What a mapping can do with files, what it refuses, and what it tells."""

import json
import shutil
import zipfile

import pandas as pd
import pyarrow.parquet as pq
import pyreadstat
import pytest

from medmip.catalogue.model_store import ModelStore
from medmip.cli.main import main
from medmip.harmonise import MappingError, harmonise, parse_mapping
from medmip.ingest.errors import NotClean
from medmip.ingest.report import Kind
from medmip.store.snapshots import Datasets
from tests.harmonise.conftest import MODELS
from tests.ingest.files import SECRET, VISITS
from tests.ingest.test_formats import excel
from tests.project.tree import ROOT

MODEL = MODELS["dementia:1.0"]
WARD = """
mapping: "1"
name: The ward's export
sources:
  patients: {file: patients.csv, decimal: comma}
  visits: {file: visits.csv}
  labs: {file: labs.csv}
rows:
  from: visits
  join:
    - {table: patients, on: {pid: patient_id}}
  one_per: {columns: [pid], take: first, order: date}
  facts:
    mmse:
      {table: labs, on: {pid: pid}, where: "code = 'MMSE'", value: value, take: last, order: date}
    moca: {table: labs, on: {pid: pid}, where: "code = 'MOCA'", value: number(value), take: mean}
    hippo: {table: labs, on: {pid: pid}, where: "code = 'HIPPO'", value: value}
    hippo_unit: {table: labs, on: {pid: pid}, where: "code = 'HIPPO'", value: unit}
columns:
  subjectcode: pid
  gender: {column: patients.sex, codes: {m: M, w: F}}
  subjectage: {expression: "round(years_between(date_of(birth, '%d.%m.%Y'), date_of(date)), 2)"}
  subjectageyears: {expression: "full_years(date_of(birth, '%d.%m.%Y'), date_of(date))"}
  minimentalstate: mmse
  montrealcognitiveassessment: moca
  lefthippocampus: {column: hippo, unit: {column: hippo_unit, known: [mm3, cm3]}}
  tiv: {column: head, unit: mL}
  adnicategory: {column: dx, codes: {d: AD, n: CN}, others: MCI, default: CN}
  alzheimerbroadcategory: {constant: Other}
"""
PATIENTS = [
    "patient_id;sex;birth;head;dx", "p1;m;01.02.1950;1500,5;d", "p2;w;03.04.1940;1400;x",
    "p3;w;29.02.1944;;",
]  # fmt: skip
VISIT_ROWS = ["pid,date", "p1,2021-01-02", "p1,2020-01-02", "p2,2020-05-06", "p3,2020-02-28"]
LABS = [
    "pid,code,value,unit,date", "p1,MMSE,28,,2020-01-02", "p1,MMSE,25,,2021-01-02",
    "p1,HIPPO,3500,mm3,2020-01-01", "p2,HIPPO,3.2,cm3,2020-01-01", "p1,MOCA,20,,2020-01-01",
    "p1,MOCA,22,,2020-01-02",
]  # fmt: skip


@pytest.fixture
def ward(folder):
    """Writes the three files, each with more lines."""

    def writing(patients=(), visits=(), labs=()):
        for name, lines in (
            ("patients", [*PATIENTS, *patients]),
            ("visits", [*VISIT_ROWS, *visits]),
            ("labs", [*LABS, *labs]),
        ):
            (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
        return folder

    return writing


def test_joins_facts_units_codes_ages_and_defaults(home, ward):
    mapping = parse_mapping(WARD.encode(), "ward.yaml")
    done = harmonise(home, [ward()], mapping, MODEL, "ward")
    (snapshot,) = done.snapshots
    found = pq.read_table(snapshot.path).sort_by("subjectcode").to_pydict()
    assert found["subjectcode"] == ["p1", "p2", "p3"]
    assert found["gender"] == ["M", "F", "F"]
    assert found["subjectageyears"] == [69, 80, 75]
    assert found["subjectage"] == [69.92, 80.09, 76.0]
    assert found["minimentalstate"] == [25, None, None]
    assert found["montrealcognitiveassessment"] == [21, None, None]
    assert found["lefthippocampus"] == [3.5, 3.2, None]
    assert found["tiv"] == [1500.5, 1400, None]
    assert found["adnicategory"] == ["AD", "MCI", "CN"]
    assert found["alzheimerbroadcategory"] == ["Other"] * 3
    assert "birth" not in found
    assert "date" not in found


def test_the_mapping_is_kept_with_the_version(home, ward):
    mapping = parse_mapping(WARD.encode(), "ward.yaml")
    (first,) = harmonise(home, [ward()], mapping, MODEL, "ward").snapshots
    assert first.mapping == mapping.hash
    assert first.mapping_path.read_bytes() == WARD.encode()
    other = parse_mapping(WARD.replace("constant: Other", "constant: CN").encode(), "ward.yaml")
    ward(patients=["p4;m;01.01.1950;;"], visits=["p4,2020-01-01"])
    (second,) = harmonise(home, [ward()], other, MODEL, "ward", allow_small_change=True).snapshots
    assert [v.mapping for v in Datasets(home).versions(MODEL.key, "ward")] == [
        mapping.hash,
        other.hash,
    ]
    assert first.mapping_path.exists()
    assert second.mapping_path.read_bytes() == other.content
    Datasets(home).remove(MODEL.key, "ward")
    assert not first.mapping_path.exists()


@pytest.mark.parametrize(
    "more, kind, file, row, column",
    [
        ({"patients": [f"p4;{SECRET};01.01.1950;;"]}, Kind.UNMAPPED_VALUE, "patients.csv", 5, "gender"),  # noqa: E501
        ({"patients": [f"p4;m;{SECRET};;"]}, Kind.WRONG_TYPE, None, None, "subjectage"),
        ({"patients": ["p4;m;31.02.1950;;"]}, Kind.WRONG_TYPE, None, None, "subjectageyears"),
        ({"patients": [f"p4;m;01.01.1950;{SECRET};"]}, Kind.WRONG_TYPE, "patients.csv", 5, "tiv"),
        ({"patients": ["p4;m;01.01.1950;14.5;"]}, Kind.WRONG_TYPE, "patients.csv", 5, "tiv"),
        ({"labs": ["p4,MMSE,99,,2020-01-01"]}, Kind.ABOVE_MAXIMUM, "labs.csv", 8, "minimentalstate"),  # noqa: E501
        ({"labs": [f"p4,MMSE,{SECRET},,2020-01-01"]}, Kind.WRONG_TYPE, "labs.csv", 8, "minimentalstate"),  # noqa: E501
        ({"labs": [f"p4,MOCA,{SECRET},,2020-01-01"]}, Kind.WRONG_TYPE, "visits.csv", 6, "montrealcognitiveassessment"),  # noqa: E501
        ({"labs": ["p4,HIPPO,3,inch,2020-01-01"]}, Kind.UNKNOWN_UNIT, "labs.csv", 8, "lefthippocampus"),  # noqa: E501
        ({"labs": ["p4,HIPPO,3,,2020-01-01"]}, Kind.UNKNOWN_UNIT, "labs.csv", 8, "lefthippocampus"),
        ({"labs": ["p4,HIPPO,3,cm3,2020-01-01", "p4,HIPPO,4,cm3,2020-01-01"]}, Kind.SEVERAL_VALUES, "labs.csv", 8, "lefthippocampus"),  # noqa: E501
        ({"labs": ["p4,MMSE"]}, Kind.RAGGED_ROW, "labs.csv", 8, None),
    ],
)  # fmt: skip
def test_a_problem_leads_to_its_row(covered, ward, more, kind, file, row, column):
    patients = [*more.get("patients", ["p4;m;01.01.1950;;"])]
    ward(patients, ["p4,2020-01-01"], more.get("labs", ()))
    report = covered(WARD, MODEL).report
    found = [p for p in report.problems if p.kind is kind and p.column == column]
    assert found, report.problems
    assert found[0].file == (file or "visits.csv")
    assert found[0].rows == ((row,) if row else (6,))
    assert SECRET not in report.model_dump_json()


def test_bad_rows_are_set_aside_by_file_and_row(home, ward):
    folder = ward(["p4;m;01.01.1950;;"], ["p4,2020-01-01"], ["p4,MMSE,99,,2020-01-01", "broken"])
    mapping = parse_mapping(WARD.encode(), "ward.yaml")
    with pytest.raises(NotClean):
        harmonise(home, [folder], mapping, MODEL, "ward")
    done = harmonise(home, [folder], mapping, MODEL, "ward", quarantine=True)
    assert done.snapshots[0].patients == 3
    aside = done.quarantined.read_text()
    assert "8,minimentalstate: above the maximum 30,,labs.csv,p4" in aside
    assert "9,fewer cells than the header,broken,labs.csv" in aside


def test_coverage_tells_codes_and_what_is_left_out(covered, ward, folder):
    ward(["p4;x;01.01.1950;;", "p5;x;01.01.1950;;"], ["p4,2020-01-01", "p5,2020-01-01"])
    (folder / "spare.csv").write_text("a,b\n1,2\n")
    labs = folder / "labs.csv"
    labs.write_text(labs.read_text().replace("date\n", "date,ward_note\n").replace("\np", ",\np"))
    labs.write_text(labs.read_text().rstrip("\n") + ",\n")
    found = covered(WARD, MODEL, sample=2)
    gender = next(v for v in found.variables if v.code == "gender")
    assert (gender.filled, gender.missing, gender.rejected) == (3, 2, 2)
    assert [(code.code, code.rows) for code in gender.unmapped] == [("x", 2)]
    assert found.unused == ("spare.csv",)
    assert found.unread == ("labs.csv: ward_note",)
    assert "righthippocampus" in found.empty
    assert len(found.sample) == 2
    assert found.sample[0].before["gender"] in ("m", "w", "x")
    assert "subjectcode" not in found.sample[0].after


def test_free_text_in_a_code_list_is_not_shown(covered, ward):
    people = [f"q{i};{SECRET} number {i};01.01.1950;;" for i in range(60)]
    ward(people, [f"q{i},2020-01-01" for i in range(60)])
    gender = next(v for v in covered(WARD, MODEL).variables if v.code == "gender")
    assert (gender.unmapped, gender.hidden) == ((), 60)


WIDE = """
mapping: "1"
name: Visits side by side
sources: {wide: {file: wide.csv}}
rows:
  from: wide
  visits:
    BL: {volume: vol_0, unused: ""}
    M6: {volume: vol_6, unused: ""}
    M12: {volume: vol_12, unused: ""}
columns: {subjectid: id, visitid: visit, volume: volume}
"""
LONG = """
mapping: "1"
name: Visits below each other
sources: {long: {file: long.csv}}
rows:
  from: long
  where: "visit = 'BL'"
  facts:
    later: {table: long, on: {id: id}, where: "visit = 'M12'", value: vol}
columns: {subjectcode: id, tiv: later}
"""


def test_wide_becomes_long(home, folder):
    (folder / "wide.csv").write_text("id,vol_0,vol_6,vol_12\na,1,2,3\nb,4,,\nc,,,\n")
    mapping = parse_mapping(WIDE.encode(), "wide.yaml")
    (snapshot,) = harmonise(home, [folder], mapping, VISITS, "ward").snapshots
    found = pq.read_table(snapshot.path).to_pydict()
    assert found["subjectid"] == ["a", "a", "a", "b"]
    assert found["visitid"] == ["BL", "M6", "M12", "BL"]
    assert found["volume"] == [1, 2, 3, 4]


def test_long_becomes_wide(covered, folder):
    (folder / "long.csv").write_text("id,visit,vol\na,BL,1\na,M12,2\nb,BL,3\n")
    found = covered(LONG, MODEL)
    assert found.report.clean
    assert (found.report.records, found.variables[1].filled) == (2, 1)


def test_a_zip_and_single_files_are_as_good_as_a_folder(home, ward, tmp_path):
    folder = ward()
    mapping = parse_mapping(WARD.encode(), "ward.yaml")
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    (first,) = harmonise(home, [tmp_path / "export.zip"], mapping, MODEL, "ward").snapshots
    (second,) = harmonise(home, sorted(folder.iterdir()), mapping, MODEL, "ward").snapshots
    assert first.hash == second.hash


def test_the_same_files_give_the_same_content(home, ward):
    mapping = parse_mapping(WARD.encode(), "ward.yaml")
    hashes = {
        harmonise(home, [ward()], mapping, MODEL, code).snapshots[0].records
        for code in ("one", "two")
    }
    one, two = (Datasets(home).current(MODEL.key, code) for code in ("one", "two"))
    left, right = (pq.read_table(s.path).drop_columns("dataset") for s in (one, two))
    assert hashes == {3}
    assert left.equals(right)


def changed(old, new):
    assert old in WARD
    return WARD.replace(old, new)


@pytest.mark.parametrize(
    "text, where, told",
    [
        (changed("tiv: {column: head, unit: mL}", "tiv: {column: head, unit: mL, codes: {a: b}}"),
         "columns.tiv", "either a unit or codes"),
        (changed("unit: mL", "unit: kg"), "columns.tiv.unit", "measure different things"),
        (changed("unit: mL", "unit: furlongish"), "columns.tiv.unit", "no unit that is known"),
        (changed("unit: mL", "unit: {from: mm3, to: kg}"), "columns.tiv.unit", "different things"),
        (changed("  tiv:", "  head_volume:"), "columns.head_volume", "no variable"),
        (changed("subjectcode: pid", "tau_level: pid"), "columns.tau_level", "no variable"),
        (changed("subjectcode: pid", "fdg: pid"), "columns", "Nothing fills subjectcode"),
        (changed("minimentalstate: mmse", "minimentalstate: msme"), "columns.minimentalstate.column",  # noqa: E501
         "Did you mean mmse"),
        (changed("labs: {file: labs.csv}", "labs: {file: lab.csv}"), "sources.labs", "No file is named"),  # noqa: E501
        (changed("{table: patients, on", "{table: nobody, on"), "rows.join.0", "no source or table"),  # noqa: E501
        (changed("code = 'MMSE'", "number(code) = 1"), "rows.facts.mmse.where", "cannot choose rows"),  # noqa: E501
        (changed("code = 'MMSE'", "exists (select 1)"), "rows.facts.mmse.where", "may not hold"),
        (changed("full_years(date_of(birth, '%d.%m.%Y'), date_of(date))", "date_of(date)"),
         "columns.subjectageyears", "Dates are not published"),
        (changed("full_years(date_of(birth, '%d.%m.%Y'), date_of(date))", "birth + date"),
         "columns.subjectageyears", "does not fit its columns"),
        (changed("full_years(date_of(birth, '%d.%m.%Y'), date_of(date))", "birth = date"),
         "columns.subjectageyears", "neither a text nor a number"),
        (changed("take: last, order: date", "take: last"), "rows.facts.mmse", "needs an order"),
        (changed('mapping: "1"', 'mapping: "2"'), "mapping", "Input should be '1'"),
        (changed("decimal: comma", "decimals: comma"), "sources.patients.decimals", "Extra inputs"),
        (changed("name: The", "name: &a The"), None, None),
        (changed("tiv: {column: head, unit: mL}", "gender: {column: head}"), "line", "is there twice"),  # noqa: E501
        (changed("name: The ward's export", "name: *a"), "line", "aliases"),
        ("a: [", "line", "not valid YAML"),
        ("mapping: !!python/object/apply:os.system ['true']", "mapping", ""),
    ],
)  # fmt: skip
def test_a_mapping_that_cannot_be_used_is_told(covered, ward, text, where, told):
    ward()
    if where is None:
        assert covered(text, MODEL).report.clean
        return
    with pytest.raises(MappingError) as caught:
        covered(text, MODEL)
    assert where in str(caught.value)
    assert told in str(caught.value)


def test_a_join_that_would_double_rows_is_refused(covered, ward):
    ward(["p1;w;01.01.1950;;"])
    with pytest.raises(MappingError, match="would be doubled"):
        covered(WARD, MODEL)


def test_a_table_made_of_itself_is_refused(covered, ward):
    ward()
    text = WARD.replace("rows:\n", "tables:\n  a: {from: b}\n  b: {from: a}\nrows:\n", 1)
    with pytest.raises(MappingError, match="made of itself"):
        covered(text.replace("  from: visits", "  from: a"), MODEL)


def test_codes_are_texts_and_not_yaml_booleans(covered, folder):
    (folder / "a.csv").write_text("id,sex\n1,NO\n2,yes\n3,1\n")
    text = """
mapping: "1"
name: Norway
sources: {a: {file: a.csv}}
rows: {from: a}
columns: {subjectcode: id, gender: {column: sex, codes: {NO: F, yes: M, 1: M}}}
"""
    assert covered(text, MODEL).report.clean


@pytest.fixture
def mip(home, capsys):
    ModelStore(home).add(MODEL)

    def run(*arguments):
        code = 0
        home_option = () if arguments[0] in ("list", "show") else ("--home", str(home.path))
        try:
            main(["harmonise", *map(str, arguments), *home_option])
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_the_commands(mip, ward, tmp_path):
    (tmp_path / "ward.yaml").write_text(WARD)
    common = (
        ward(),
        "--mapping",
        tmp_path / "ward.yaml",
        "--model",
        MODEL.key,
        "--dataset",
        "ward",
    )
    code, out, _ = mip("check", *common, "--sample", 1)
    assert (code, "No problems." in out) == (0, True)
    assert "gender “" in out
    code, out, _ = mip("check", *common, "--json")
    assert json.loads(out)["report"]["records"] == 3
    code, out, _ = mip("run", *common)
    assert code == 0
    assert "Published ward, version 1: 3 patients" in out
    ward(["p4;x;01.01.1950;;"], ["p4,2020-01-01"])
    code, out, _ = mip("check", *common)
    assert (code, "x (1)" in out) == (1, True)
    code, out, _ = mip("run", *common, "--json")
    assert (code, json.loads(out)["problems"][0]["file"]) == (1, "patients.csv")
    shutil.rmtree(common[0])


def test_shipped_mappings_are_listed_and_shown(mip):
    assert "omop_5_4" in mip("list")[1]
    assert len(json.loads(mip("list", "--json")[1])) == 7
    assert mip("show", "fhir_r4")[1].startswith("# FHIR R4")
    code, _, err = mip("show", "nothing")
    assert (code, "omop_5_4" in err) == (1, True)


def test_the_mapping_in_the_documents_can_be_used(covered, folder):
    page = (ROOT / "docs" / "mappings.md").read_text()
    text = page.split("```yaml\n")[1].split("```")[0]
    (folder / "patients.csv").write_text(
        "patient_id;sex;birth;dx;hippo_l\np1;w;01.02.1950;d;3500,5\n"
    )
    excel(
        folder / "visits1.xlsx",
        (
            "Export",
            [["pid", "date", "status"], ["p1", "2020-01-02", "done"], ["p1", "2019-01-02", ""]],
        ),
    )
    frame = pd.DataFrame({"pid": ["p1"], "code": ["MMSE"], "value": [28.0], "date": ["2020-01-02"]})
    pyreadstat.write_sav(frame, folder / "labs.sav")
    found = covered(text, MODEL)
    assert found.report.clean
    assert [variable.filled for variable in found.variables] == [1] * 6
