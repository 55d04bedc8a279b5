"""Invented files: every valid one is read back as it was written, every other one is an answer."""

import csv
import io
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import example, given, settings
from hypothesis import strategies as st

from medmip.catalogue.home import Home
from medmip.ingest import IngestError, Options, check
from medmip.ingest.dialect import MISSING
from medmip.ingest.publish import bring_in
from tests.as_it_is import as_it_is
from tests.ingest.files import WARD

DELIMITERS = [",", ";", "\t", "|"]
CODECS = {"utf-8-sig": "utf-8", "utf-16": "utf-8"}


def letters(encoding):
    """Every printable character of an encoding, and those that CSV files stumble over."""
    characters = st.characters(
        codec=CODECS.get(encoding, encoding),
        exclude_characters="\ufeff\ufffd",
        exclude_categories=["Cs", "Cc"],
    )
    return characters | st.sampled_from(" ,;\t|\"'\n")


@st.composite
def tables(draw):
    """A valid table as text cells, with the dialect to write it in."""
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"]))
    decimal = draw(st.sampled_from([".", ","]))
    texts = st.text(letters(encoding), max_size=12).filter(
        lambda text: text.strip(" \t") not in MISSING
    )
    patients = draw(
        st.lists(
            st.text(st.sampled_from("abcXYZ019-_."), min_size=1, max_size=8).filter(
                lambda code: code not in MISSING
            ),
            min_size=1,
            max_size=12,
            unique=True,
        )
    )
    body = {
        "subjectcode": patients,
        "age": [draw(st.none() | st.integers(0, 120)) for _ in patients],
        "volume": [draw(st.none() | st.floats(0, 100)) for _ in patients],
        "gender": [draw(st.none() | st.sampled_from(["F", "M"])) for _ in patients],
        "code": [draw(st.none() | st.sampled_from(["NA", "T", "F", "007"])) for _ in patients],
        "remark": [draw(st.none() | texts) for _ in patients],
    }
    order = draw(st.permutations(list(body)))
    return {name: body[name] for name in order}, {
        "encoding": encoding,
        "decimal": decimal,
        "delimiter": draw(st.sampled_from(DELIMITERS)),
        "quote": draw(st.sampled_from(['"', "'"])),
        "newline": draw(st.sampled_from(["\n", "\r\n", "\r"])),
        # Python's own writer leaves a line feed unquoted where lines end otherwise.
        "all": any("\n" in (remark or "") for remark in body["remark"]) or draw(st.booleans()),
    }


def written(body, dialect):
    target = io.StringIO(newline="")
    writer = csv.writer(
        target,
        delimiter=dialect["delimiter"],
        quotechar=dialect["quote"],
        quoting=csv.QUOTE_ALL if dialect["all"] else csv.QUOTE_MINIMAL,
        lineterminator=dialect["newline"],
    )
    writer.writerow(body)
    for row in zip(*body.values(), strict=True):
        writer.writerow(
            repr(cell).replace(".", dialect["decimal"])
            if isinstance(cell, float)
            else "" if cell is None else cell
            for cell in row
        )  # fmt: skip
    return target.getvalue().encode(dialect["encoding"])


@settings(max_examples=60, deadline=None)
@given(tables())
def test_a_valid_table_is_read_back_as_it_was_written(drawn):
    body, dialect = drawn
    told = {name: dialect[name] for name in ("encoding", "decimal", "delimiter", "quote")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ward.csv"
        path.write_bytes(written(body, dialect))
        done = bring_in(
            as_it_is(Home(Path(folder) / "home").prepare()), path, WARD, "ward", Options(**told)
        )
        columns = pq.read_table(done.snapshots[0].path).to_pydict()
    assert {name: columns[name] for name in body} == body
    assert columns["__patient"] == list(range(len(body["subjectcode"])))


@settings(max_examples=40, deadline=None)
@given(tables())
def test_a_valid_table_is_detected_or_a_person_is_asked(drawn):
    """Without being told anything, never a wrong number: right, or a problem."""
    body, dialect = drawn
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ward.csv"
        path.write_bytes(written(body, dialect))
        home = as_it_is(Home(Path(folder) / "home").prepare())
        report = check(path, WARD, "ward", home=home)
        if not report.clean:
            return
        done = bring_in(home, path, WARD, "ward")
        columns = pq.read_table(done.snapshots[0].path).to_pydict()
    for name in ("subjectcode", "age", "volume", "gender", "code"):
        assert columns[name] == body[name], name


header = st.sampled_from(
    [b"", b"subjectcode,age,remark\n", b"\xff\xfe", b"\xef\xbb\xbfsubjectcode\n", b"subjectcode;\n"]
)
pieces = st.lists(
    st.sampled_from(
        [b",", b"\n", b'"', b"'", b"\r\n", b"p1", b"p2", b"3", b"2.5", b";", b"\t", b"\\", b" "]
    )
    | st.binary(max_size=6),
    max_size=60,
).map(b"".join)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300) | st.tuples(header, pieces).map(b"".join))
@example(b"PAR1")
def test_any_bytes_are_a_report_and_never_a_crash(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ward.csv"
        path.write_bytes(content)
        home = Home(Path(folder) / "home").prepare()
        try:
            report = check(path, WARD, "ward", home=home)
        except IngestError:
            parquet = content.startswith(b"PAR1") and content.endswith(b"PAR1")
            assert parquet or content.startswith((b"PK\x03\x04", b"$FL"))
            return
        assert report.clean or report.written
        if not report.blocked:
            lines = content.decode("utf-8", "replace").splitlines()
            assert report.records + report.blank < len(lines) + 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["a", '"', '""', ",", "\n", "b,c\n", '"x"', '"\n"']), max_size=30))
def test_no_record_is_ever_lost(parts):
    """Python's own strict reader sees the same records, or the import tells a problem."""
    content = "subjectcode,remark\n" + "".join(parts)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ward.csv"
        path.write_text(content)
        report = check(path, WARD, "ward", home=Home(Path(folder) / "home").prepare())
    try:
        records = list(csv.reader(io.StringIO(content, newline=""), strict=True))[1:]
    except csv.Error:
        assert not report.clean or '"' in content
        return
    # Delimiters at the end of a row make empty cells, and nothing is lost by them.
    records = [record[:2] if not any(record[2:]) else record for record in records]
    full = [record for record in records if record and record != ["", ""]]
    if not report.blocked:
        assert report.records == len(full)
    if report.clean:
        assert all(len(record) == 2 for record in full)
