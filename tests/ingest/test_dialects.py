"""Files as programs write them: delimiters, encodings, quotes, decimal marks, line ends."""

import pytest

from medmip.ingest import IngestError, Kind, Options
from tests.ingest.files import CLEAN, rows

EXPECTED = {"age": [40, 50, None], "volume": [1.5, 2.5, None], "gender": ["F", "M", None]}


def same(columns):
    return {name: columns[name] for name in EXPECTED} == EXPECTED


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(imported, checked, delimiter):
    content = CLEAN.replace(",", delimiter)
    assert same(imported(content))
    assert checked(content).dialect.delimiter == delimiter


@pytest.mark.parametrize("name,mark", [("tab", "\t"), ("semicolon", ";"), (":", ":")])
def test_a_delimiter_can_be_told(imported, name, mark):
    assert same(imported(CLEAN.replace(",", mark), delimiter=name))


@pytest.mark.parametrize("bad", ["", "ab", "a", '"', "\n", "."])
def test_what_is_no_delimiter_is_refused(bad):
    with pytest.raises(ValueError, match="delimiter"):
        Options(delimiter=bad)


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"],
)
def test_encodings_are_detected(imported, encoding):
    content = rows("p1,40,1.5,F,é", header="subjectcode,age,volume,gender,remark")
    assert imported(content.encode(encoding))["remark"] == ["é"]


def test_windows_characters_are_kept(imported, checked):
    content = rows("p1,€ “x”", header="subjectcode,remark").encode("cp1252")
    assert imported(content)["remark"] == ["€ “x”"]
    assert checked(content).dialect.encoding == "cp1252"


def test_an_encoding_late_in_the_file_is_found(imported):
    """Beyond any sample: three megabytes of ASCII, then one Windows letter."""
    lines = [f"p{i},{'x' * 100}" for i in range(30_000)]
    content = rows(*lines, "last,Zoë", header="subjectcode,remark").encode("latin-1")
    assert imported(content)["remark"][-1] == "Zoë"


def test_a_letter_across_the_chunks_of_the_copy_is_kept(imported):
    for shift in range(4):
        head = "subjectcode,remark\np1," + "x" * ((1 << 20) - 24 + shift)
        assert imported(f"{head}é☃\n")["remark"][0].endswith("xé☃")


def test_an_encoding_can_be_told(imported, checked):
    content = rows("p1,Š", header="subjectcode,remark").encode("iso-8859-15")
    assert imported(content, encoding="iso-8859-15")["remark"] == ["Š"]
    with pytest.raises(IngestError, match="not known"):
        checked(content, encoding="klingon")
    with pytest.raises(IngestError, match="not known"):
        checked(content, encoding="base64")


@pytest.mark.parametrize(
    "content,kind,line",
    [
        (rows("p1,é", "p2,é", header="subjectcode,remark").encode() + b"p3,\xe9\n", "enc", 4),
        (b"subjectcode,remark\np1,\x81\x8d\n", "enc", 2),
        (b"\xff\xfesubjectcode", "enc", 1),
        (b"subjectcode,remark\np1,a\np2,a\x00b\n", "nul", 3),
    ],
)
def test_text_that_cannot_be_read_is_told_by_line(checked, content, kind, line):
    kinds = {"enc": Kind.BAD_ENCODING, "nul": Kind.NUL_BYTE}
    problems = checked(content).problems
    assert (problems[0].kind, problems[0].rows) == (kinds[kind], (line,))


def test_a_wrong_encoding_told_is_a_problem(checked):
    content = rows("p1,é", header="subjectcode,remark").encode("latin-1")
    assert checked(content, encoding="utf-8").problems[0].kind is Kind.BAD_ENCODING


@pytest.mark.parametrize(
    "end,name", [("\n", "LF"), ("\r\n", "CRLF"), ("\r", "CR")], ids=["LF", "CRLF", "CR"]
)
def test_line_ends(imported, checked, end, name):
    content = CLEAN.replace("\n", end)
    assert same(imported(content))
    assert same(imported(content.removesuffix(end)))
    assert checked(content).dialect.newline == name


def test_mixed_line_ends(imported, checked):
    content = CLEAN.replace("\n", "\r\n", 2)
    assert same(imported(content))
    assert checked(content).dialect.newline == "CRLF and LF"


def test_quoted_line_breaks_delimiters_and_quotes(imported):
    content = rows('p1,"a,b\nc"', 'p2,"say ""hi"""', 'p3,"x\r\ny"', header='"subjectcode","remark"')
    assert imported(content)["remark"] == ["a,b\nc", 'say "hi"', "x\ny"]


def test_single_quotes(imported, checked):
    content = rows("'p1','a,b'", "'p2','it''s'", header="subjectcode,remark")
    assert imported(content)["remark"] == ["a,b", "it's"]
    assert checked(content).dialect.quote == "'"
    assert imported(content.replace("subjectcode,remark", "'subjectcode','remark'"))


def test_no_quotes_can_be_told(imported):
    content = rows('p1,5" wide', 'p2,"', header="subjectcode,remark")
    assert imported(content, quote="")["remark"] == ['5" wide', '"']


def test_a_late_quoted_line_break_after_any_sample(imported):
    lines = [f"p{i},plain" for i in range(60_000)]
    columns = imported(rows(*lines, 'last,"a\nb"', header="subjectcode,remark"))
    assert columns["remark"][-1] == "a\nb"
    assert columns["__patient"][-1] == 60_000


def test_decimal_comma(imported, checked):
    content = "subjectcode;age;volume\np1;40;1,5\np2;50;-0\np3;;2,25e1\n"
    assert imported(content)["volume"] == [1.5, 0.0, 22.5]
    assert checked(content).dialect.decimal == ","
    assert checked(content, decimal=".").problems[0].kind is Kind.WRONG_TYPE


def test_a_decimal_comma_first_seen_late(imported):
    lines = [f"p{i};1" for i in range(50_000)]
    content = rows(*lines, "last;1,5", header="subjectcode;volume")
    assert imported(content)["volume"][-1] == 1.5


def test_a_quoted_decimal_comma_between_commas_must_be_told(imported, checked):
    content = 'subjectcode,volume\np1,"1,5"\n'
    assert checked(content).problems[0].kind is Kind.WRONG_TYPE
    assert imported(content, decimal=",")["volume"] == [1.5]


def test_commas_that_may_group_thousands_are_ambiguous(checked, imported):
    content = "subjectcode;volume\np1;1,234\np2;7\n"
    assert checked(content).problems[0].kind is Kind.AMBIGUOUS_DECIMAL
    assert imported(content, decimal=",")["volume"] == [1.234, 7.0]
    assert checked(content, decimal=".").problems[0].kind is Kind.WRONG_TYPE


def test_a_point_is_no_mark_where_the_comma_is(checked):
    content = "subjectcode;volume\np1;1,5\np2;2,5\np3;1.234\n"
    (problem,) = checked(content).problems
    assert (problem.kind, problem.rows) == (Kind.WRONG_TYPE, (4,))


def test_a_dialect_reads_as_a_sentence(checked):
    told = str(checked("subjectcode;volume\r\np1;1,5\r\n").dialect)
    assert told == "utf-8, semicolon between cells, double quotes, decimal comma, CRLF"
