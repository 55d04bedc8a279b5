"""k-anonymity, l-diversity and t-closeness of a written snapshot, with the least loss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from medmip.anonymise.classes import (
    Cells,
    Classes,
    Quasi,
    Roller,
    SensitiveColumn,
    coded,
    distances,
    distinct,
)
from medmip.anonymise.errors import AnonymisationError
from medmip.anonymise.hierarchy import Codes, hierarchy
from medmip.anonymise.lattice import Found, Node, Trial, least_loss
from medmip.anonymise.risk import Risk, risk
from medmip.anonymise.settings import KAnonymity, Sensitive
from medmip.anonymise.step import Step
from medmip.catalogue.data_model import DataModel
from medmip.store.parquet import COMPRESSION, PATIENT_COLUMN, ROW_GROUP
from medmip.store.sql_session import SqlSession, literal, parquet, quoted

MOST_VALUES = 2_000
"""Different values of a sensitive variable; a distribution over more says little about a class."""


class Closeness(BaseModel):
    """What was measured of a sensitive variable over the classes that are published.

    fewest is the smallest number of different values in a class, farthest the largest distance
    of a class's distribution from that of all records brought in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fewest: int
    farthest: float


class Generalised(BaseModel):
    """What it took to make patients look alike.

    levels are the chosen steps of each quasi-identifier, suppressed the share of records left
    out, loss the mean share of the quasi-identifiers' information that is gone, tried the number
    of generalisations looked at.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    k: int
    levels: Mapping[str, int]
    suppressed: float
    loss: float
    tried: int
    before: Risk
    after: Risk
    sensitive: Mapping[str, Closeness] = {}


@dataclass(frozen=True)
class Plan:
    """What will be done to a file: its columns as SQL, the records left out, and the card's words.

    The records left out are those whose quasi-identifiers are in the session's table `left_out`.
    """

    generalised: Generalised
    columns: Mapping[str, str]
    steps: tuple[Step, ...]
    leaves_out: bool


@dataclass(frozen=True)
class _Measured:
    roller: Roller
    records: int


def plan(
    session: SqlSession,
    file: Path,
    model: DataModel,
    settings: KAnonymity,
    oldest: Mapping[str, float],
) -> Plan:
    """The generalisation of a snapshot's file that keeps the settings and loses least.

    oldest is the cap of each variable that is an age. Raises AnonymisationError where the
    settings do not fit the file, or nothing keeps them.
    """
    names = [*settings.quasi_identifiers]
    _check(session, file, model, settings)
    measured = _measure(session, file, model, settings, oldest)
    roller, records = measured.roller, measured.records
    allowed = int(settings.suppression * records)

    def trial(node: Node) -> Trial:
        classes = roller.classes(node)
        out = int(classes.records[classes.broken].sum())
        return Trial(out <= allowed and out < records, _loss(roller, node, out / records))

    # Distances of a union may exceed the bound where one part did not: nothing is ruled out then.
    far = any(rule.closeness is not None for rule in settings.sensitive.values())
    found = least_loss(
        [quasi.losses.tolist() for quasi in roller.quasi],
        trial,
        monotone=not far or allowed == 0,
    )
    if found is None:
        raise AnonymisationError(
            f"No generalisation makes {settings.k} patients look alike with at most "
            f"{settings.suppression:.1%} of the records left out.",
            remedy="Allow more suppression, ask less of the sensitive variables, or lower k.",
        )
    classes = roller.base_classes(found.node)
    out = _note_left_out(session, classes, names)
    generalised = _told(settings, roller, found, classes, records)
    steps = [
        Step(column=name, done=quasi.hierarchy.told(step))
        for name, quasi, step in zip(names, roller.quasi, found.node, strict=True)
        if step
    ]
    if out:
        share = f"{generalised.suppressed:.2%} of the records left out, whose patients would be "
        steps.append(Step(column=None, done=share + "too few that look alike"))
    columns = {
        name: quasi.hierarchy.sql(step)
        for name, quasi, step in zip(names, roller.quasi, found.node, strict=True)
    }
    return Plan(generalised, columns, tuple(steps), bool(out))


def carry_out(
    session: SqlSession, file: Path, target: Path, plan: Plan, *, longitudinal: bool
) -> None:
    """Write the generalised snapshot, and prove on it that every class is large enough.

    Raises AnonymisationError where the proof fails; target is then gone.
    """
    if not plan.steps:
        file.rename(target)
        return
    _write(session, file, target, plan, longitudinal=longitudinal)
    file.unlink()
    patients = f"count(DISTINCT {PATIENT_COLUMN})" if longitudinal else "count(*)"
    names = ", ".join(quoted(name) for name in plan.columns)
    (row,) = session.rows(
        f"SELECT min(n) FROM (SELECT {patients} AS n FROM {parquet(target)} GROUP BY {names})"  # noqa: S608
    )
    if int(str(row[0])) < plan.generalised.k:
        target.unlink()
        raise AnonymisationError(
            f"A class of fewer than {plan.generalised.k} patients was left.",
            remedy="Please report this: it must not happen.",
        )


def _write(
    session: SqlSession, file: Path, target: Path, plan: Plan, *, longitudinal: bool
) -> None:
    replaced = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in plan.columns.items())
    rows = f"{parquet(file)} AS r"
    if plan.leaves_out:
        same = " AND ".join(
            f"r.{quoted(name)} IS NOT DISTINCT FROM left_out.{quoted(name)}"
            for name in plan.columns
        )
        rows += f" ANTI JOIN left_out ON {same}"
    number = "row_number() OVER () - 1"
    if longitudinal:
        session.run(
            f"""
            CREATE OR REPLACE TABLE remaining AS
            SELECT p, row_number() OVER (ORDER BY p) - 1 AS number
            FROM (SELECT DISTINCT r.{PATIENT_COLUMN} AS p FROM {rows})
            """  # noqa: S608
        )
        number = f"(SELECT number FROM remaining WHERE p = r.{PATIENT_COLUMN})"  # noqa: S608
    session.run(
        f"""
        COPY (
            SELECT * REPLACE ({replaced}, ({number})::INTEGER AS {PATIENT_COLUMN}) FROM {rows}
        ) TO {literal(str(target))}
        (FORMAT parquet, COMPRESSION {COMPRESSION}, ROW_GROUP_SIZE {ROW_GROUP})
        """  # noqa: S608
    )


def _measure(
    session: SqlSession,
    file: Path,
    model: DataModel,
    settings: KAnonymity,
    oldest: Mapping[str, float],
) -> _Measured:
    names, sensitive = [*settings.quasi_identifiers], [*settings.sensitive]
    columns = ", ".join(quoted(name) for name in [*names, *sensitive])
    patient = f", {PATIENT_COLUMN}" if model.longitudinal else ""
    session.run(
        f"""
        CREATE OR REPLACE TABLE alike AS
        SELECT row_number() OVER () - 1 AS "__cell", *
        FROM (SELECT {columns}{patient}, count(*) AS "__records" FROM {parquet(file)} GROUP BY ALL)
        """  # noqa: S608
    )
    table = session.arrow('FROM alike ORDER BY "__cell"')
    records = table["__records"].to_numpy().astype(np.int64)
    quasi, own = [], []
    together = sum(rule.weight for rule in settings.quasi_identifiers.values())
    for name in names:
        codes, values = coded(table[name])
        steps = hierarchy(model.variable(name), settings.quasi_identifiers[name], oldest.get(name))
        weights = np.bincount(codes, weights=records, minlength=len(values)).astype(np.int64)
        share = settings.quasi_identifiers[name].weight * len(names) / together
        quasi.append(Quasi(steps, steps.codes(values), share * steps.losses(values, weights)))
        own.append(codes)
    columns_told, values_told = [], []
    for name in sensitive:
        told, column = _sensitive(table[name], settings.sensitive[name], records, name)
        values_told.append(told)
        columns_told.append(column)
    people = table[PATIENT_COLUMN].to_numpy().astype(np.int64) if patient else None
    cells = Cells(tuple(own), tuple(values_told), people, records)
    return _Measured(Roller(quasi, columns_told, cells, settings.k), int(records.sum()))


def _sensitive(
    column: pa.ChunkedArray, rule: Sensitive, records: Codes, name: str
) -> tuple[Codes, SensitiveColumn]:
    """The number of each cell's value, numbers in their order; missing is a value, the last."""
    codes, values = coded(column)
    if len(values) > MOST_VALUES:
        raise AnonymisationError(
            f"sensitive.{name}: it has more than {MOST_VALUES:,} different values.",
            remedy="Name a variable with levels or whole numbers.",
        )
    ordered = not pa.types.is_string(values.type)
    if ordered:
        rank = np.empty(len(values), dtype=np.int64)
        rank[pc.sort_indices(values).to_numpy()] = np.arange(len(values))
        codes = rank[codes]
    totals = np.bincount(codes, weights=records, minlength=len(values)).astype(np.int64)
    return codes, SensitiveColumn(rule, ordered, totals)


def _loss(roller: Roller, node: Node, suppressed: float) -> float:
    """The mean loss of the quasi-identifiers' cells; a record left out has lost all."""
    kept = float(np.mean([quasi.losses[s] for quasi, s in zip(roller.quasi, node, strict=True)]))
    return kept + (1 - kept) * suppressed


def _note_left_out(session: SqlSession, classes: Classes, quasi: Sequence[str]) -> int:
    names = ", ".join(quoted(name) for name in quasi)
    cells = np.flatnonzero(classes.broken[classes.of_cell])
    session.run(
        f"CREATE OR REPLACE TABLE left_out AS SELECT DISTINCT {names} FROM alike "  # noqa: S608
        'WHERE "__cell" IN (SELECT unnest(?::BIGINT[]))',
        [cells.tolist()],
    )
    return len(cells)


def _told(
    settings: KAnonymity, roller: Roller, found: Found, classes: Classes, records: int
) -> Generalised:
    before = roller.base_classes((0,) * len(roller.quasi))
    kept = ~classes.broken
    sensitive: dict[str, Closeness] = {}
    cells = roller.base
    parts = zip(settings.sensitive, roller.sensitive, cells.sensitive, strict=True)
    for name, column, values in parts:
        count = len(classes.patients)
        few = distinct(classes.of_cell, values, len(column.totals), count)[kept]
        far = distances(column, classes.of_cell, values, cells.records, count)[kept]
        sensitive[name] = Closeness(fewest=int(few.min()), farthest=round(float(far.max()), 6))
    return Generalised(
        k=settings.k,
        levels=dict(zip(settings.quasi_identifiers, found.node, strict=True)),
        suppressed=round(float(classes.records[classes.broken].sum()) / records, 6),
        loss=round(found.loss, 6),
        tried=found.tried,
        before=risk(before.patients, settings.k, settings.population),
        after=risk(classes.patients[kept], settings.k, settings.population),
        sensitive=sensitive,
    )


def _check(session: SqlSession, file: Path, model: DataModel, settings: KAnonymity) -> None:
    rows = session.rows(f"SELECT column_name FROM (DESCRIBE FROM {parquet(file)})")  # noqa: S608
    present = {str(name) for (name,) in rows}
    keys = {model.patient_column, model.visit_column, "dataset"}
    for name in [*settings.quasi_identifiers, *settings.sensitive]:
        if name not in present or name in keys:
            raise AnonymisationError(
                f"k_anonymity: {name} is not among the published variables.",
                remedy="Name variables of the data model that the file has.",
            )
    both: Sequence[str] = sorted({*settings.quasi_identifiers} & {*settings.sensitive})
    if both:
        raise AnonymisationError(
            f"k_anonymity: {', '.join(both)} cannot be both a quasi-identifier and sensitive."
        )
