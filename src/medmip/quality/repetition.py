"""Records that repeat another patient's, within a dataset and across datasets."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET
from medmip.quality.columns import Columns
from medmip.store.sql_session import SqlSession, parquet, quoted

LEAST = 5
"""Present numbers that two records must share to be called the same: fewer agree by chance."""


def repeated_within(session: SqlSession, here: Columns, model: DataModel) -> int | None:
    """Records whose values are all those of another patient's; None where that says nothing."""
    shared = _contents(model, here.names)
    if shared is None:
        return None
    (row,) = session.rows(
        f"""
        SELECT coalesce(sum(n), 0) FROM (
            SELECT count(*) AS n FROM ({_hashed(here.path, shared, model)})
            GROUP BY content HAVING count(DISTINCT patient) > 1
        )
        """  # noqa: S608
    )
    return int(str(row[0]))


def repeated_across(
    session: SqlSession, here: Columns, others: Mapping[str, Path], model: DataModel
) -> dict[str, int]:
    """For each other dataset the records of this one that it holds too, in what both have."""
    found: dict[str, int] = {}
    for code, path in others.items():
        both = [name for name in Columns(path).names if name in here.names]
        shared = _contents(model, both)
        if shared is None:
            continue
        (row,) = session.rows(
            f"""
            SELECT count(*) FROM ({_hashed(here.path, shared, model)})
            SEMI JOIN ({_hashed(path, shared, model)}) USING (content)
            """  # noqa: S608
        )
        found[code] = int(str(row[0]))
    return found


def _contents(model: DataModel, names: Sequence[str]) -> tuple[str, ...] | None:
    keys = {model.patient_column, model.visit_column, DATASET, "subjectvisitid"}
    known = model.all_variables
    shared = tuple(name for name in sorted(names) if name not in keys and name in known)
    numbers = [name for name in shared if known[name].is_numeric]
    return shared if len(numbers) >= LEAST else None


def _hashed(path: Path, shared: Sequence[str], model: DataModel) -> str:
    cells = ", ".join(quoted(name) for name in shared)
    known = model.all_variables
    filled = " + ".join(
        f"({quoted(name)} IS NOT NULL)::INTEGER" for name in shared if known[name].is_numeric
    )
    return f"""
        SELECT {quoted(model.patient_column)} AS patient, hash(row({cells})) AS content
        FROM {parquet(path)} WHERE {filled} >= {LEAST}
        """  # noqa: S608
