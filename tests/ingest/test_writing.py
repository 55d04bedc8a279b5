"""Rows on their way from the engine into a snapshot's file."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medmip.ingest.errors import IngestError
from medmip.ingest.prepare import numbered
from medmip.ingest.session import Session
from medmip.store.parquet import PATIENT_COLUMN, ROW_GROUP, contents, write_batches, write_plain


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path, "500MB")


def test_rows_keep_their_order_and_patients_are_numbered_without_a_gap(
    session: Session, tmp_path: Path
) -> None:
    rows = 2 * ROW_GROUP + 5
    session.run(f"CREATE TABLE cells AS SELECT i + 1 AS k, i / 4 AS value FROM range({rows}) t(i)")
    sql = f"SELECT value, 'd' AS dataset, k AS {PATIENT_COLUMN} FROM cells"
    left_out = np.array([rows, 1, 70_000])
    write_batches(numbered(session.batches(sql, 20_480), left_out), tmp_path / "x.parquet")

    held = contents(tmp_path / "x.parquet")
    assert (held.records, held.patients) == (rows - 3, rows - 3)
    table = pq.read_table(tmp_path / "x.parquet")
    kept = np.delete(np.arange(rows), left_out - 1)
    np.testing.assert_array_equal(table["value"].to_numpy(), kept / 4)
    np.testing.assert_array_equal(table[PATIENT_COLUMN].to_numpy(), np.arange(rows - 3))
    groups = pq.ParquetFile(tmp_path / "x.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [
        ROW_GROUP,
        ROW_GROUP,
        2,
    ]


def test_small_batches_become_few_row_groups_of_what_is_written_for_the_moment(
    tmp_path: Path,
) -> None:
    batches = [
        pa.RecordBatch.from_pydict({"x": np.arange(begin, begin + 10)})
        for begin in range(0, 1010, 10)
    ]
    write_plain(iter([batches[0].slice(0, 0), *batches]), tmp_path / "x.parquet", 250)
    file = pq.ParquetFile(tmp_path / "x.parquet")
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert groups == [250, 250, 250, 250, 10]
    np.testing.assert_array_equal(file.read()["x"].to_numpy(), np.arange(1010))


def test_parameters_are_told_from_marks_in_texts_and_names(session: Session) -> None:
    sql = """SELECT ?::BLOB AS "what?", 'why? it''s' AS "say ""?"" ", ?::BLOB AS b"""
    none, batch = session.batches(sql, 10, [b"\x00one", b"two"])
    assert (none.num_rows, none.schema) == (0, batch.schema)
    assert batch.to_pydict() == {"what?": [b"\x00one"], 'say "?" ': ["why? it's"], "b": [b"two"]}
    # What they hold does not stay in the engine.
    assert session.rows("SELECT getvariable('parameter0')") == [(None,)]


def test_no_word_of_a_cell_in_what_goes_wrong_on_the_way(session: Session) -> None:
    session.run(
        "CREATE TABLE texts AS "
        "SELECT CASE WHEN i = 299999 THEN 'Hrdlicka' ELSE '1' END AS t FROM range(300000) t(i)"
    )
    with pytest.raises(IngestError) as raised:
        list(session.batches("SELECT CAST(t AS INTEGER) AS n FROM texts", 1000))
    assert "Hrdlicka" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_disk_without_room_is_told_as_the_system_does(tmp_path: Path) -> None:
    batch = pa.RecordBatch.from_pydict({PATIENT_COLUMN: pa.array([0], pa.int32())})
    with pytest.raises(OSError, match="No space left"):
        write_batches(iter([batch]), Path("/dev/full"))
