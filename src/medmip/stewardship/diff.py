"""What changed between two versions of a dataset: records, and how their values lie."""

from pydantic import BaseModel, ConfigDict

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET
from medmip.quality.columns import Columns
from medmip.quality.report import Number, number
from medmip.quality.thresholds import Thresholds
from medmip.quality.values import variable_quality
from medmip.store.parquet import PATIENT_COLUMN
from medmip.store.snapshots import Snapshot
from medmip.store.sql_session import SqlSession, parquet, quoted


class Moved(BaseModel):
    """One variable of both versions: its population stability index, and the mean's change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    psi: float
    moved: float | None


class Diff(BaseModel):
    """The records that one version has and the other has not, or has otherwise.

    A record is a patient's, or a patient's visit. added, changed and gone are None where the
    versions cannot be compared record by record: their patients' codes are not of one kind.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    dataset: str
    before: int
    after: int
    added: Number | None
    changed: Number | None
    gone: Number | None
    new_variables: tuple[str, ...]
    gone_variables: tuple[str, ...]
    moved: tuple[Moved, ...]


def diff(
    session: SqlSession, model: DataModel, before: Snapshot, after: Snapshot, minimum: int
) -> Diff:
    """The differences between two versions; numbers of records below minimum are withheld."""
    old, new = Columns(before.path), Columns(after.path)
    keys = {model.patient_column, model.visit_column, DATASET}
    both = [name for name in model.all_variables if name in old.names and name in new.names]
    counts = _records(session, model, before, after, both)
    told = [None if count is None else number(count, minimum) for count in counts]
    moved = []
    for name in both:
        variable = model.all_variables[name]
        if name in keys:
            continue
        found = variable_quality(new, old, variable, Thresholds().robust_z, minimum)
        if found.psi is not None:
            moved.append(Moved(code=name, psi=found.psi, moved=found.moved))
    return Diff(
        model=model.key,
        dataset=after.dataset,
        before=before.version,
        after=after.version,
        added=told[0],
        changed=told[1],
        gone=told[2],
        new_variables=tuple(name for name in new.names if name not in old.names),
        gone_variables=tuple(name for name in old.names if name not in new.names),
        moved=tuple(sorted(moved, key=lambda one: -one.psi)),
    )


def _records(
    session: SqlSession, model: DataModel, before: Snapshot, after: Snapshot, both: list[str]
) -> tuple[int | None, int | None, int | None]:
    keys = [name for name in (model.patient_column, model.visit_column) if name in both]
    if model.patient_column not in keys:
        return None, None, None
    values = ", ".join(quoted(name) for name in both if name != PATIENT_COLUMN)
    key = ", ".join(quoted(name) for name in keys)
    contents = "SELECT {key}, bit_xor(hash(row({values}))) AS contents FROM {file} GROUP BY {key}"
    parts = [
        contents.format(key=key, values=values, file=parquet(snapshot.path))
        for snapshot in (before, after)
    ]
    (row,) = session.rows(
        f"""
        SELECT count(*) FILTER (a.contents IS NULL),
            count(*) FILTER (a.contents <> b.contents),
            count(*) FILTER (b.contents IS NULL),
            count(*) FILTER (a.contents IS NOT NULL AND b.contents IS NOT NULL)
        FROM ({parts[0]}) AS a FULL JOIN ({parts[1]}) AS b USING ({key})
        """  # noqa: S608
    )
    added, changed, gone, shared = (int(str(count)) for count in row)
    return (added, changed, gone) if shared else (None, None, None)
