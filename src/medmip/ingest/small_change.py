"""The risk of versions: whoever sees results on two may learn about patients who differ."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from medmip.catalogue.data_model import DataModel
from medmip.ingest.errors import SmallChange
from medmip.ingest.session import Session
from medmip.store.parquet import PATIENT_COLUMN
from medmip.store.snapshots import Snapshot


def refuse_small_change(
    session: Session,
    file: Path,
    earlier: Sequence[Snapshot],
    model: DataModel,
    dataset: str,
    minimum: int,
) -> None:
    """Raises SmallChange where file differs from an earlier version by 1 to minimum - 1 patients.

    A patient differs who is in one of them only, or whose values differ in the columns of both.
    Versions without patient codes cannot be compared.
    """
    columns = set(pq.read_schema(file).names)
    for snapshot in reversed(earlier):
        if model.patient_column not in columns & set(snapshot.variables):
            continue
        shared = sorted((columns & set(snapshot.variables)) - {PATIENT_COLUMN})
        added, removed, changed = (
            int(str(count))
            for count in session.rows(
                _comparison(model.patient_column, shared), [str(file), str(snapshot.path)]
            )[0]
        )
        if 0 < added + removed + changed < minimum:
            raise SmallChange(
                f"{dataset} would differ from its version {snapshot.version} by fewer than "
                f"{minimum} patients ({added} added, {removed} removed, {changed} changed), "
                "so that results on both versions together could tell about single patients.",
                remedy="Wait for more patients, or publish it all the same with "
                "--allow-small-change.",
            )


def _comparison(patient: str, shared: Sequence[str]) -> str:
    values = ", ".join(f'"{name}"' for name in shared)
    records = f"""
        SELECT "{patient}" AS patient, bit_xor(hash(row({values}))) AS contents
        FROM read_parquet(?) GROUP BY patient
        """  # noqa: S608
    return f"""
        SELECT count(*) FILTER (b.patient IS NULL), count(*) FILTER (a.patient IS NULL),
            count(*) FILTER (a.contents <> b.contents)
        FROM ({records}) AS a FULL JOIN ({records}) AS b ON a.patient = b.patient
        """  # noqa: S608
