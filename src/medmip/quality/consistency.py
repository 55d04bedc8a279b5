"""Patients whose visits contradict each other."""

from collections.abc import Sequence

from medmip.quality.columns import Columns
from medmip.store.parquet import PATIENT_COLUMN
from medmip.store.sql_session import SqlSession, literal, quoted


def changing(session: SqlSession, here: Columns, constant: Sequence[str]) -> dict[str, int]:
    """For each variable that should not change, the patients with several values of it."""
    found: dict[str, int] = {}
    for name in (name for name in constant if name in here.names):
        (row,) = session.rows(
            f"""
            SELECT count(*) FROM (
                SELECT 1 FROM {_rows(here)} GROUP BY {PATIENT_COLUMN}
                HAVING count(DISTINCT {quoted(name)}) > 1
            )
            """  # noqa: S608
        )
        found[name] = int(str(row[0]))
    return found


def falling(session: SqlSession, here: Columns, increasing: Sequence[str]) -> dict[str, int]:
    """For each variable that cannot fall, the patients with whom it does at a later visit."""
    found: dict[str, int] = {}
    for name in (name for name in increasing if name in here.names):
        (row,) = session.rows(
            f"""
            SELECT count(DISTINCT patient) FROM (
                SELECT {PATIENT_COLUMN} AS patient, {quoted(name)} AS now, lag(now) OVER (
                    PARTITION BY {PATIENT_COLUMN} ORDER BY file_row_number
                ) AS before
                FROM {_rows(here)} WHERE {quoted(name)} IS NOT NULL
            ) WHERE now < before
            """  # noqa: S608
        )
        found[name] = int(str(row[0]))
    return found


def _rows(here: Columns) -> str:
    """The file's records with their place: a patient's visits stand in their order."""
    return f"read_parquet({literal(str(here.path))}, file_row_number = true)"
