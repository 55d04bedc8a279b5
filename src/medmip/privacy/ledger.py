"""The ledger: every release and refusal, append-only, each row sealed to the one before."""

import hmac
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Engine, desc, func, insert, or_, select

from medmip.privacy.guard import Access
from medmip.privacy.ledger_head import FIRST, Head, LedgerHead
from medmip.privacy.suppression import BoolArray
from medmip.store.state import cohorts, driver_of, ledger

_POLICY = "policy"
_MEMBERSHIP = "membership"
_MOST_WORDS = 8
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_LOCKED = "LOCK TABLE ledger IN EXCLUSIVE MODE"
_WRITTEN = insert(ledger)
_NEWEST = select(ledger.c.number, ledger.c.hash).order_by(desc(ledger.c.number)).limit(1)


@dataclass(frozen=True)
class LedgerRow:
    """One release or refusal; hash seals it together with the row before (previous)."""

    number: int
    at: str
    user: str
    experiment: str
    algorithm: str
    cohort: str
    snapshots: Mapping[str, str]
    statistic: str
    verdict: str
    rule: str
    reason: str
    suppressed: int
    previous: str
    hash: str


@dataclass(frozen=True)
class LedgerRun:
    """What the ledger holds of one experiment: how many releases and refusals, and why the last.

    began and ended are the times of its first and last row.
    """

    experiment: str
    user: str
    algorithm: str
    began: str
    ended: str
    released: int
    refused: int
    reason: str


class Ledger:
    """Writes and checks the chain of rows; nobody without the key can rewrite it unseen."""

    def __init__(self, engine: Engine, head: LedgerHead) -> None:
        self._engine = engine
        self._head = head
        # Put together once and carried out by the driver itself: a row is written in every round
        # of every analysis, and SQLAlchemy's share of it would be several times the database's.
        self._written = _WRITTEN.compile(dialect=engine.dialect)
        literal = {"literal_binds": True}
        self._newest = str(_NEWEST.compile(dialect=engine.dialect, compile_kwargs=literal))

    def record(
        self,
        access: Access,
        *,
        statistic: str,
        verdict: str,
        rule: str,
        reason: str,
        suppressed: int,
    ) -> None:
        """Writes a row in a transaction of its own; it is on the disk when this returns."""
        row = _unnumbered(access, statistic, verdict, rule, reason, suppressed)
        connection = self._engine.raw_connection()
        try:
            driver = connection.driver_connection
            assert driver is not None
            server = self._engine.dialect.name == "postgresql"
            driver.execute(_LOCKED if server else "BEGIN IMMEDIATE")
            newest, before = self._append(driver, row)
            driver.commit()
        finally:
            # What was not committed is rolled back.
            connection.close()
        self._head.advance(newest, before, self._hash_of)

    @contextmanager
    def together(
        self,
        access: Access,
        *,
        statistic: str,
        verdict: str,
        rule: str = "",
        reason: str = "",
        suppressed: int = 0,
    ) -> Iterator[Connection]:
        """A transaction for the change that the row tells of: both are written, or neither."""
        row = _unnumbered(access, statistic, verdict, rule, reason, suppressed)
        with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(_LOCKED)
            yield connection
            newest, before = self._append(driver_of(connection), row)
        self._head.advance(newest, before, self._hash_of)

    def _append(self, driver: Any, row: dict[str, Any]) -> tuple[Head, Head]:  # noqa: ANN401
        """Adds a row within the driver's transaction; the new head and the one before."""
        number, previous = driver.execute(self._newest).fetchone() or (0, FIRST)
        row |= {"number": number + 1, "previous": previous}
        row["at"] = datetime.now(UTC).isoformat(timespec="microseconds")
        sealed = self._sealed(row)
        values = row | {"hash": sealed, "snapshots": json.dumps(row["snapshots"])}
        names = self._written.positiontup
        driver.execute(self._written.string, [values[name] for name in names] if names else values)
        return Head(number + 1, sealed), Head(number, previous)

    def note_policy(self, policy: str) -> None:
        """Writes down the policy in force, where it is another than the last one written down."""
        self._note(_POLICY, "in force", policy)

    def note_membership(self, standing: str, where: str) -> None:
        """Writes down where this node stands in a federation, where that has changed."""
        self._note(_MEMBERSHIP, standing, where)

    def _note(self, statistic: str, verdict: str, reason: str) -> None:
        """Writes down what is now so, unless the last row of its kind says the same."""
        query = (
            select(ledger.c.verdict, ledger.c.reason)
            .where(ledger.c.statistic == statistic)
            .order_by(desc(ledger.c.number))
            .limit(1)
        )
        with self._engine.connect() as connection:
            last = connection.execute(query).first()
        if last is None or tuple(last) != (verdict, reason):
            self.record(
                Access(user="site", experiment="", algorithm=""),
                statistic=statistic,
                verdict=verdict,
                rule="",
                reason=reason,
                suppressed=0,
            )

    def rows(
        self, limit: int = 100, offset: int = 0, *, experiment: str | None = None
    ) -> list[LedgerRow]:
        """The newest rows first, of one experiment or of all."""
        query = select(ledger).order_by(desc(ledger.c.number)).limit(limit).offset(offset)
        if experiment is not None:
            query = query.where(ledger.c.experiment == experiment)
        with self._engine.connect() as connection:
            return [LedgerRow(**row._mapping) for row in connection.execute(query)]

    def find(
        self, search: str = "", verdict: str = "", limit: int = 100, offset: int = 0
    ) -> tuple[int, list[LedgerRow]]:
        """How many rows match, and a page of them, newest first.

        Every word of search is in the user, experiment, algorithm, statistic, rule or reason;
        verdict is the row's own, empty for any.
        """
        column = ledger.c
        told = (
            column.user,
            column.experiment,
            column.algorithm,
            column.statistic,
            column.rule,
            column.reason,
        )
        where: list[ColumnElement[bool]] = [
            or_(*(part.icontains(word, autoescape=True) for part in told))
            for word in search.replace("\0", "").split()[:_MOST_WORDS]
        ]
        if verdict:
            where.append(column.verdict == verdict.replace("\0", ""))
        page = select(ledger).where(*where).order_by(desc(column.number))
        with self._engine.connect() as connection:
            total = connection.scalar(select(func.count()).select_from(ledger).where(*where))
            rows = connection.execute(page.limit(limit).offset(offset))
            return total or 0, [LedgerRow(**row._mapping) for row in rows]

    def walk(self, step: int = 1000) -> Iterator[LedgerRow]:
        """Every row, oldest first, read in steps so that a long ledger needs little memory."""
        last = 0
        while True:
            query = (
                select(ledger).where(ledger.c.number > last).order_by(ledger.c.number).limit(step)
            )
            with self._engine.connect() as connection:
                rows = [LedgerRow(**row._mapping) for row in connection.execute(query)]
            yield from rows
            if len(rows) < step:
                return
            last = rows[-1].number

    def runs(self, limit: int = 50) -> list[LedgerRun]:
        """The experiments whose rows are the newest, those first."""
        named = ledger.c.experiment != ""
        query = (
            select(
                ledger.c.experiment,
                func.min(ledger.c.user).label("user"),
                func.min(ledger.c.algorithm).label("algorithm"),
                func.min(ledger.c.at).label("began"),
                func.max(ledger.c.at).label("ended"),
                func.count().filter(ledger.c.verdict == "released").label("released"),
                func.count().filter(ledger.c.verdict == "refused").label("refused"),
            )
            .where(named)
            .group_by(ledger.c.experiment)
            .order_by(desc(func.max(ledger.c.number)))
            .limit(limit)
        )
        with self._engine.connect() as connection:
            found = connection.execute(query).all()
            why = (
                select(ledger.c.experiment, ledger.c.reason)
                .where(
                    ledger.c.experiment.in_([row[0] for row in found]),
                    ledger.c.verdict.in_(("refused", "failed")),
                )
                .order_by(ledger.c.number)
            )
            reasons = {row.experiment: row.reason for row in connection.execute(why)}
        return [LedgerRun(**row._mapping, reason=reasons.get(row[0], "")) for row in found]

    def count(self) -> int:
        """The number of rows."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(ledger)).scalar_one())

    def has_head(self) -> bool:
        """Whether how far the ledger reached is still kept, under its seal."""
        return self._head.read() is not None

    def verify(self) -> int | None:
        """The number of the first row that was changed, moved or removed, or None.

        1 where the head, which the database cannot reach, was removed or changed.
        """
        head = self._head.read()
        if head is None:
            return 1
        previous, expected = FIRST, 1
        with self._engine.connect() as connection:
            for found in connection.execute(select(ledger).order_by(ledger.c.number)):
                row = LedgerRow(**found._mapping)
                told = {name: value for name, value in vars(row).items() if name != "hash"}
                intact = hmac.compare_digest(row.hash, self._sealed(told))
                known = row.number != head.number or row.hash == head.hash
                if row.number != expected or row.previous != previous or not intact or not known:
                    return expected
                previous, expected = row.hash, expected + 1
        return expected if expected <= head.number else None

    def _hash_of(self, number: int) -> str | None:
        with self._engine.connect() as connection:
            return connection.execute(
                select(ledger.c.hash).where(ledger.c.number == number)
            ).scalar_one_or_none()

    def _sealed(self, row: Mapping[str, Any]) -> str:
        """The seal of a row, which is of all that it tells but the seal itself."""
        canonical = _CANONICAL.encode(row)
        return hmac.digest(self._head.key, canonical.encode(), "sha256").hex()


def _unnumbered(
    access: Access, statistic: str, verdict: str, rule: str, reason: str, suppressed: int
) -> dict[str, Any]:
    """What a row tells, but its time and its place in the chain."""
    return {
        "user": access.user,
        "experiment": access.experiment,
        "algorithm": access.algorithm,
        "cohort": access.cohort,
        "snapshots": dict(access.snapshots),
        "statistic": statistic,
        "verdict": verdict,
        "rule": rule,
        "reason": reason,
        "suppressed": suppressed,
    }


class EarlierCohorts:
    """Whom earlier cohorts held, as packed bits, for the overlap rule."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def on(self, snapshot: str) -> Sequence[str]:
        query = select(cohorts.c.fingerprint).where(cohorts.c.snapshot == snapshot)
        with self._engine.connect() as connection:
            return list(connection.execute(query).scalars())

    def held_by(self, cohort: str) -> Mapping[str, BoolArray]:
        query = select(cohorts).where(cohorts.c.fingerprint == cohort)
        with self._engine.connect() as connection:
            return {
                row.snapshot: np.unpackbits(
                    np.frombuffer(zlib.decompress(row.held), dtype=np.uint8), count=row.records
                ).astype(np.bool_)
                for row in connection.execute(query)
            }

    def remember(self, cohort: str, held: Mapping[str, BoolArray]) -> None:
        rows = [
            {
                "fingerprint": cohort,
                "snapshot": snapshot,
                "records": len(bits),
                "held": zlib.compress(np.packbits(bits).tobytes(), 1),
            }
            for snapshot, bits in held.items()
        ]
        with self._engine.begin() as connection:
            query = select(cohorts.c.fingerprint).where(cohorts.c.fingerprint == cohort)
            if rows and connection.execute(query).first() is None:
                connection.execute(insert(cohorts), rows)
