"""Names and SQL of what readers see: one flat view, one view of facts, a list of the datasets."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET, Variable, VariableType

DATA = "ldsm_data"
"""The schema of the copies and of who may see which; closed to everybody but MIP."""
VIEWS = "ldsm"
READERS = "mip_ldsm_readers"
"""The role that every reader's account has."""
MODEL = "data_model"
_TYPES = {VariableType.REAL: "double precision", VariableType.INTEGER: "bigint"}


@dataclass(frozen=True)
class Copied:
    """A dataset that is copied: its model, the columns of its table, and which of them are CDEs."""

    model: DataModel
    dataset: str
    columns: tuple[str, ...]
    cdes: tuple[str, ...]

    @property
    def table(self) -> str:
        """A name that is short enough, and of letters and digits alone."""
        digest = hashlib.sha256(f"{self.model.key}\n{self.dataset}".encode()).hexdigest()
        return f"d_{digest[:24]}"

    @property
    def patient(self) -> str:
        return self.model.patient_column

    def type_of(self, column: str) -> str:
        """The type of a column in PostgreSQL; codes of patients and datasets are text."""
        variable: Variable | None = self.model.all_variables.get(column)
        if variable is None or column in (self.patient, DATASET):
            return "text"
        return _TYPES.get(variable.type, "text")


def local_features(copies: Sequence[Copied]) -> sql.Composable:
    """Every record of every dataset in one flat table; a variable that a dataset lacks is NULL.

    A column's type is the widest among the datasets: text before numbers before whole numbers.
    """
    columns: dict[str, str] = {MODEL: "text", DATASET: "text"}
    for copied in copies:
        for column in copied.columns:
            columns[column] = _wider(columns.get(column), copied.type_of(column))
    if not copies:
        return sql.SQL("SELECT NULL::text AS {}, NULL::text AS {} WHERE false").format(
            sql.Identifier(MODEL), sql.Identifier(DATASET)
        )
    return sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {} FROM {} WHERE {}").format(
            sql.SQL(", ").join(_cell(copied, name, kind) for name, kind in columns.items()),
            sql.Identifier(DATA, copied.table),
            _seen(copied),
        )
        for copied in copies
    )


def federation_features(copies: Sequence[Copied]) -> sql.Composable:
    """The common data elements as facts: rid, colname and val, all text, a row for each patient
    and element, NULL where there is no value. Datasets of several visits are not among them: a
    fact says nothing of its visit.
    """
    flat = [copied for copied in copies if not copied.model.longitudinal and copied.cdes]
    if not flat:
        return sql.SQL(
            "SELECT NULL::text AS rid, NULL::text AS colname, NULL::text AS val WHERE false"
        )
    return sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "SELECT t.{patient} AS rid, v.colname, v.val FROM {table} AS t "
            "CROSS JOIN LATERAL (VALUES {facts}) AS v (colname, val) WHERE {seen}"
        ).format(
            patient=sql.Identifier(copied.patient),
            table=sql.Identifier(DATA, copied.table),
            facts=sql.SQL(", ").join(_fact(copied, code) for code in copied.cdes),
            seen=_seen(copied),
        )
        for copied in flat
    )


def _seen(copied: Copied) -> sql.Composable:
    """Whether the account that asks may see a dataset; asked once, before any row is read."""
    return sql.SQL("{}({})").format(sql.Identifier(VIEWS, "may_read"), sql.Literal(copied.table))


def _cell(copied: Copied, name: str, kind: str) -> sql.Composable:
    if name == MODEL:
        value: sql.Composable = sql.Literal(copied.model.key)
    elif name in copied.columns:
        value = sql.Identifier(name)
    else:
        value = sql.SQL("NULL")
    return sql.SQL("{}::{} AS {}").format(value, sql.SQL(kind), sql.Identifier(name))


def _fact(copied: Copied, code: str) -> sql.Composable:
    value = (
        sql.SQL("t.{}").format(sql.Identifier(code)) if code in copied.columns else sql.SQL("NULL")
    )
    return sql.SQL("({}::text, {}::text)").format(sql.Literal(code), value)


def _wider(one: str | None, other: str) -> str:
    order = ("bigint", "double precision", "text")
    return other if one is None else max(one, other, key=order.index)
