"""The traps of CSV files: what a lenient reader takes silently, an import tells or reads right."""

import csv

import pytest

from medmip.catalogue.data_model import DataModel
from medmip.errors import MipError
from medmip.ingest import IngestError, Kind, NotClean, check, import_file
from tests.ingest.files import CLEAN, CLOSED, SECRET, VISITS, WARD, rows
from tests.store.models import integer, text


def found(report):
    """Each problem as (kind, column, count, rows)."""
    return [(p.kind, p.column, p.count, p.rows) for p in report.problems]


def test_columns_are_found_by_name_not_by_place(imported):
    columns = imported("gender,volume,subjectcode,age\nF,1.5,p1,40\nM,2.5,p2,50\n")
    assert columns["subjectcode"] == ["p1", "p2"]
    assert columns["age"] == [40, 50]
    assert list(columns) == ["subjectcode", "age", "volume", "gender", "dataset", "__patient"]


def test_a_fraction_is_never_rounded_even_late(checked):
    lines = [f"p{i},{i % 90},1," for i in range(30_000)]
    assert found(checked(rows(*lines, "last,2.5,1,"))) == [(Kind.FRACTION, "age", 1, (30_002,))]


@pytest.mark.parametrize("whole", ["3", "3.0", "+3", "3e0", " 3 ", "003"])
def test_whole_numbers_however_written(imported, whole):
    assert imported(rows(f"p1,{whole},,"))["age"] == [3]


@pytest.mark.parametrize(
    "cell,kind",
    [
        ("x", Kind.WRONG_TYPE),
        ("1_000", Kind.WRONG_TYPE),
        ("0x1F", Kind.WRONG_TYPE),
        ("true", Kind.WRONG_TYPE),
        ("1 2", Kind.WRONG_TYPE),
        ("1e", Kind.WRONG_TYPE),
        ("--1", Kind.WRONG_TYPE),
        ("1.5.2", Kind.WRONG_TYPE),
        ("2020-01-01", Kind.WRONG_TYPE),
        ("inf", Kind.NOT_FINITE),
        ("-Infinity", Kind.NOT_FINITE),
        ("+nan", Kind.NOT_FINITE),
        ("1e999", Kind.NOT_FINITE),
        ("-1", Kind.BELOW_MINIMUM),
        ("100.0001", Kind.ABOVE_MAXIMUM),
    ],
)
def test_what_is_no_number_in_bounds(checked, cell, kind):
    assert found(checked(rows(f"p1,1,{cell},F"))) == [(kind, "volume", 1, (2,))]


def test_whole_numbers_beyond_double_precision(checked):
    wide = DataModel(
        code="wide", version="1", label="Wide", variables=(text("subjectcode"), integer("age"))
    )
    report = checked("subjectcode,age\np1,9007199254740993\np2,9007199254740991\n", wide)
    assert found(report) == [(Kind.WRONG_TYPE, "age", 1, (2,))]


def test_a_single_sex_column_stays_text(imported):
    header = "subjectcode,gender,code"
    assert imported(rows("p1,F,T", "p2,F,F", header=header))["gender"] == ["F", "F"]
    assert imported(rows("p1,F,T", "p2,F,F", header=header))["code"] == ["T", "F"]


def test_codes_keep_their_zeros(imported):
    columns = imported(rows("007,007,1,007", header="subjectcode,code,apoe4,remark"))
    assert (columns["subjectcode"], columns["code"], columns["remark"]) == (["007"],) * 3


@pytest.mark.parametrize("cell", ["01/02/2020", "12:30", "1,234", "true", "1e5"])
def test_free_text_is_not_interpreted(imported, cell):
    assert imported(rows(f'p1,"{cell}"', header="subjectcode,remark"))["remark"] == [cell]


@pytest.mark.parametrize("code", ["", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", '""', " "])
def test_missing_codes(imported, code):
    columns = imported(
        rows(
            "p1,1,1,F,x",
            f"p2,{code},{code},{code},{code}",
            header="subjectcode,age,volume,gender,remark",
        )
    )
    for name in ("age", "volume", "gender", "remark"):
        assert columns[name][1] is None


def test_a_missing_code_that_is_a_level_is_a_level(imported):
    columns = imported(rows("p1,NA,NA", header="subjectcode,code,volume"))
    assert (columns["code"], columns["volume"]) == (["NA"], [None])


def test_missing_codes_can_be_told(imported, checked):
    content = rows("p1,-9,1,F")
    assert imported(content, missing=("-9",))["age"] == [None]
    assert found(checked(content)) == [(Kind.BELOW_MINIMUM, "age", 1, (2,))]


def test_blanks_around_codes_and_levels_do_not_matter(imported, checked):
    columns = imported(rows(" p1 , 40 ,\t1.5, F "))
    assert (columns["subjectcode"], columns["gender"], columns["volume"]) == (["p1"], ["F"], [1.5])
    assert checked(rows("p1,1,1,F", " p1,1,1,F")).problems[0].kind is Kind.DUPLICATE_PATIENT


@pytest.mark.parametrize(
    "header,expected",
    [
        ("subjectcode,aeg", [(Kind.UNKNOWN_COLUMN, "aeg", 1, (1,))]),
        ("subjectcode,Age", [(Kind.UNKNOWN_COLUMN, "Age", 1, (1,))]),
        ("subjectcode,", [(Kind.UNKNOWN_COLUMN, "", 1, (1,))]),
        ("subjectcode,subjectcode", [(Kind.DUPLICATE_COLUMN, "subjectcode", 2, (1,))]),
        ("remark,age", [(Kind.MISSING_COLUMN, "subjectcode", 1, ())]),
        ("p7,8", [(Kind.BAD_HEADER, None, 1, (1,))]),
        ("", [(Kind.BAD_HEADER, None, 1, (1,))]),
        ('"subjectcode,age', [(Kind.BAD_HEADER, None, 1, (1,))]),
    ],
)
def test_headers(checked, header, expected):
    assert found(checked(f"{header}\np1,4\n")) == expected


def test_a_column_in_upper_and_lower_case_is_a_duplicate(checked):
    kinds = [problem[:3] for problem in found(checked("subjectcode,age,AGE\np1,4,5\n"))]
    assert (Kind.DUPLICATE_COLUMN, "age", 2) in kinds


def test_a_near_name_is_suggested(checked):
    (problem,) = checked("subjectcode,gendre\np1,F\n").problems
    assert "did you mean gender?" in problem.rule


def test_a_file_without_a_header_tells_no_value(checked):
    report = checked(f"{SECRET},40\nFord,50\n")
    assert found(report) == [(Kind.BAD_HEADER, None, 1, (1,))]
    assert SECRET not in report.model_dump_json()


@pytest.mark.parametrize(
    "content,kind",
    [
        ("", Kind.EMPTY_FILE),
        ("\n\n", Kind.BAD_HEADER),
        (b"\xef\xbb\xbf", Kind.BAD_HEADER),
        ("subjectcode,age\n", Kind.NO_RECORDS),
        ("subjectcode,age", Kind.NO_RECORDS),
        ("subjectcode,age\n,\n\n,\n", Kind.NO_RECORDS),
    ],
)
def test_nothing_to_import(checked, content, kind):
    assert [problem.kind for problem in checked(content).problems] == [kind]


def test_blank_rows_are_skipped_and_shift_no_row_number(checked):
    content = rows("p1,1,1,F", "", ",,,", "p2,1,1,X", "", "", "p3,999,1,F", "", "")
    report = checked(content)
    assert (report.records, report.blank) == (3, 4)
    assert found(report) == [
        (Kind.ABOVE_MAXIMUM, "age", 1, (8,)),
        (Kind.UNKNOWN_LEVEL, "gender", 1, (5,)),
    ]


def test_a_blank_line_within_quotes_is_part_of_the_cell(imported, checked):
    content = rows(
        'p1,"a\n\nb"', "", 'p2,"5"" x\n\n"', 'p3,6" y', "", "p4,z", header="subjectcode,remark"
    )
    assert imported(content)["remark"] == ["a\n\nb", '5" x\n\n', '6" y', "z"]
    assert checked(content).blank == 2


def test_ragged_rows_are_told_by_row(checked):
    content = rows("p1,1,1,F", "p2,1", "p3,1,1,F,9", 'p4,1,1,"F', 'F"', "p5,1,1,X")
    report = checked(content)
    assert found(report)[:3] == [
        (Kind.RAGGED_ROW, None, 1, (3,)),
        (Kind.RAGGED_ROW, None, 1, (4,)),
        (Kind.UNKNOWN_LEVEL, "gender", 2, (5, 6)),
    ]


def test_delimiters_at_the_end_of_a_row_lose_nothing(imported):
    columns = imported("subjectcode,remark\np1,x,\np2,y,,\np3,z\n")
    assert columns["remark"] == ["x", "y", "z"]


def test_a_ragged_row_after_any_sample(checked):
    lines = [f"p{i},1,1,F" for i in range(50_000)]
    assert found(checked(rows(*lines, "x,1"))) == [(Kind.RAGGED_ROW, None, 1, (50_002,))]


def test_a_small_ragged_file_does_not_become_one_column(checked):
    report = checked("subjectcode,age\np1,1,2\np2\n")
    assert [problem.kind for problem in report.problems] == [Kind.RAGGED_ROW] * 2


@pytest.mark.parametrize("before", [0, 1, 5, 3_000, 100_000])
@pytest.mark.parametrize("after", [0, 1, 4, 3_000, 300_000])
def test_an_unclosed_quote_never_swallows_the_file(checked, before, after):
    lines = [f"p{i},1,1,F" for i in range(before)]
    lines += ['open,1,1,"F', *[f"q{i},1,1,F" for i in range(after)]]
    (problem,) = checked(rows(*lines)).problems
    assert problem.kind is Kind.UNBALANCED_QUOTE
    assert problem.rows == (before + 2,)


def test_quotes_that_swallow_rows_between_them(checked):
    header = "subjectcode,age,remark"
    content = rows('p1,1,"a', "p2,1,b", "p3,1,c", 'p4,1,d"', "p5,1,e", header=header)
    report = checked(content)
    assert [problem.kind for problem in report.problems] == [Kind.SWALLOWED_ROWS]


@pytest.mark.parametrize("bad", ['"F"x', 'a"b"', '"F\\"'])
def test_quotes_in_the_wrong_place(checked, bad):
    report = checked(rows("p1,1,1,F", f"p2,1,1,{bad}", "p3,1,1,M"))
    (problem,) = report.problems
    assert problem.kind in (Kind.BAD_QUOTE, Kind.UNKNOWN_LEVEL)
    assert problem.rows == (3,)


def test_patients_are_there_once(checked):
    report = checked(rows("p1,1,1,F", "p2,1,1,F", "p1,2,2,M", ",1,1,F", "NA,1,1,M"))
    assert found(report) == [
        (Kind.EMPTY_PATIENT, "subjectcode", 2, (5, 6)),
        (Kind.DUPLICATE_PATIENT, "subjectcode", 2, (2, 4)),
    ]


def test_a_patient_may_be_in_two_datasets(home, write):
    header = "dataset,subjectcode,age"
    path = write(rows("north,p1,1", "south,p1,1", "north,p2,2", header=header))
    snapshots = import_file(home, path, CLOSED)
    assert [(s.dataset, s.records) for s in snapshots] == [("north", 2), ("south", 1)]


def test_visits_are_there_once_and_patients_are_contiguous(home, write, checked, imported):
    header = "subjectid,visitid,volume"
    lines = ["b,M12,1", "a,BL,2", "b,BL,3", "a,M6,4", "b,M6,5"]
    columns = imported(rows(*lines, header=header), VISITS)
    assert columns["subjectid"] == ["a", "a", "b", "b", "b"]
    assert columns["visitid"] == ["BL", "M6", "BL", "M6", "M12"]
    assert columns["__patient"] == [0, 0, 1, 1, 1]
    report = checked(rows(*lines, "a,BL,9", "c,,1", "d,M99,1", header=header), VISITS)
    assert found(report) == [
        (Kind.EMPTY_VISIT, "visitid", 1, (8,)),
        (Kind.UNKNOWN_LEVEL, "visitid", 1, (9,)),
        (Kind.DUPLICATE_PATIENT, "subjectid", 2, (3, 7)),
    ]
    assert found(checked("subjectid,volume\na,1\n", VISITS))[0][:2] == (
        Kind.MISSING_COLUMN,
        "visitid",
    )


def test_datasets_are_those_told_and_those_of_the_model(checked):
    header = "dataset,subjectcode"
    assert found(checked(rows("north,p1", "south,p2", ",p3", header=header), CLOSED, "north")) == [
        (Kind.EMPTY_DATASET, "dataset", 1, (4,)),
        (Kind.OTHER_DATASET, "dataset", 1, (3,)),
    ]
    assert found(checked(rows("north,p1", "east,p2", header=header), CLOSED, None)) == [
        (Kind.UNKNOWN_LEVEL, "dataset", 1, (3,))
    ]
    assert found(checked(rows("../x,p1", "ok,p2", header=header), WARD, None)) == [
        (Kind.DATASET_NAME, "dataset", 1, (2,))
    ]
    assert found(checked(CLEAN, WARD, None)) == [(Kind.MISSING_COLUMN, "dataset", 1, ())]
    with pytest.raises(IngestError, match="has no dataset"):
        checked(CLEAN, CLOSED, "east")
    with pytest.raises(IngestError, match="made of letters"):
        checked(CLEAN, WARD, "../x")


def test_twenty_rows_are_shown_and_all_are_written(checked, home):
    report = checked(rows(*[f"p{i},1,1,X" for i in range(500)]))
    (problem,) = report.problems
    assert (problem.count, problem.rows) == (500, tuple(range(2, 22)))
    assert report.written == home.logs / "ward.csv.problems.csv"
    with report.written.open(newline="") as file:
        listed = list(csv.reader(file))
    assert listed[0] == ["row", "column", "problem", "rule", "file"]
    assert [int(line[0]) for line in listed[1:]] == list(range(2, 502))
    assert {tuple(line[1:3]) for line in listed[1:]} == {("gender", "unknown level")}
    assert report.written.stat().st_mode & 0o777 == 0o600


def test_the_list_of_problems_can_be_put_elsewhere(write, tmp_path):
    target = tmp_path / "mine.csv"
    report = check(write(rows("p1,1,1,X")), WARD, "ward", report=target)
    assert report.written == target
    assert check(write(CLEAN), WARD, "ward").written is None
    with pytest.raises(IngestError, match="cannot be written"):
        check(write(rows("p1,1,1,X")), WARD, "ward", report=tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        rows(f"{SECRET},{SECRET},{SECRET},{SECRET}", f"{SECRET},1"),
        rows(f"{SECRET}1,1,1,F", f'x,1,1,"{SECRET}'),
        rows(f'x,"{SECRET}"{SECRET},1,F'),
        rows(f"{SECRET},{SECRET}\x00,1,F"),
        rows(f"{SECRET},{SECRET},1,F").encode() + b"\xc3\xa9\xff\n",
        rows(f"{SECRET},1", header="dataset,subjectcode"),
        f"{SECRET},{SECRET}\n{SECRET},1\n",
    ],
)
def test_no_message_report_or_log_tells_a_value(home, write, content):
    with pytest.raises(NotClean) as caught:
        import_file(home, write(content), CLOSED, "north")
    told = [str(caught.value), repr(caught.value), caught.value.report.model_dump_json()]
    told += [file.read_text() for file in home.logs.iterdir()]
    assert SECRET not in "".join(told)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_files_that_are_none(tmp_path, home):
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(IngestError, match="no such file"):
            check(path, WARD, "ward", home=home)


def test_binary_files_are_told_clearly(checked, tmp_path):
    report = checked(b"\x89PNG\r\n\x1a\n" + b"\x00" * 99)
    assert report.problems
    assert report.problems[0].kind in (Kind.BAD_ENCODING, Kind.NUL_BYTE, Kind.BAD_HEADER)
    with pytest.raises(IngestError, match="an Excel workbook or a zip"):
        checked(b"PK\x03\x04" + bytes(range(256)) * 40)


def test_an_option_error_is_of_our_family(checked):
    with pytest.raises(MipError):
        checked(CLEAN, encoding="no-such")
