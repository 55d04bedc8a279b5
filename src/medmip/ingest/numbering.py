"""How the rows of `cells` are numbered for the person who looks for them in the file."""

from dataclasses import dataclass
from typing import Protocol

from medmip.ingest.session import Session, literal
from medmip.ingest.staging import Column


class Numbering(Protocol):
    """Where rows stand in their file."""

    def prepare(self, session: Session) -> None:
        """Make what `located` needs, once `rejected` is there."""

    def located(self, column: Column, rows: str) -> str:
        """A query of k, line, file for `FROM cells …`; file is NULL where there is but one."""


@dataclass(frozen=True, slots=True)
class ByCounting:
    """Rows of a CSV file below its header: the k-th good one, and those rejected before it."""

    def prepare(self, session: Session) -> None:
        """A rejected row has no k, so how many were rejected before the k-th good one is kept."""
        session.run(
            """
            CREATE TABLE shift AS
            SELECT before, max(nth) AS rejected
            FROM (
                SELECT nth, line - 1 - nth AS before
                FROM (SELECT line, row_number() OVER (ORDER BY line) AS nth FROM rejected)
            )
            GROUP BY before
            """
        )

    def located(self, column: Column, rows: str) -> str:  # noqa: ARG002
        return f"""
            SELECT broken.k, broken.k + 1 + coalesce(shift.rejected, 0) AS line, NULL AS file
            FROM (SELECT k {rows}) AS broken ASOF LEFT JOIN shift ON broken.k > shift.before
            """  # noqa: S608


@dataclass(frozen=True, slots=True)
class ByOrigin:
    """Rows made of several files' rows: `o`, and a column's own origin, is file * 2^40 + row."""

    files: tuple[str, ...]

    def prepare(self, session: Session) -> None:
        """The origin is there."""

    def located(self, column: Column, rows: str) -> str:
        origin = f"coalesce({column.origin}, o)" if column.origin else "o"
        files = ", ".join(literal(file) for file in self.files)
        return (
            f"SELECT k, {origin} & {(1 << 40) - 1} AS line, "
            f"[{files}][1 + ({origin} >> 40)] AS file {rows}"
        )


@dataclass(frozen=True, slots=True)
class ByColumn:
    """Rows that carry their number in the column `line`."""

    def prepare(self, session: Session) -> None:
        """The number is there."""

    def located(self, column: Column, rows: str) -> str:  # noqa: ARG002
        return f"SELECT k, line, NULL AS file {rows}"
