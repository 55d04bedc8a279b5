"""A site, and an invitation, as the hub has them on record."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row

from medmip.federation.identity import PublicIdentity
from medmip.federation.succession import Succession


class SiteState(StrEnum):
    """Where a site stands at the hub."""

    WAITING = "waiting"
    MEMBER = "member"
    REJECTED = "rejected"
    REVOKED = "revoked"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Site:
    """A site as its hub knows it. skew is its clock against the hub's in seconds, ahead positive.

    former_key is accepted beside key until former_until; successions tell peers who pinned an
    earlier key how it became the present one.
    """

    node: str
    name: str
    state: SiteState
    key: PublicIdentity
    former_key: PublicIdentity | None
    former_until: datetime | None
    successions: tuple[Succession, ...]
    asked: datetime
    decided: datetime | None
    seen: datetime | None
    skew: float | None
    version: str

    def keys(self, now: datetime) -> tuple[PublicIdentity, ...]:
        """The keys that speak for the site now."""
        if self.former_key is None or self.former_until is None or self.former_until < now:
            return (self.key,)
        return (self.key, self.former_key)


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation that was handed out: node and key are those of its one-time identity."""

    node: str
    name: str
    key: PublicIdentity
    expires: datetime
    used_by: str | None
    closed: bool

    def is_open(self, now: datetime) -> bool:
        """Whether its one-time identity may still speak to the hub."""
        return not self.closed and now < self.expires


def site_of(row: Row[Any]) -> Site:
    """The site in a row of hub_sites."""
    return Site(
        node=row.node,
        name=row.name,
        state=SiteState(row.state),
        key=PublicIdentity.from_hex(row.key),
        former_key=PublicIdentity.from_hex(row.former_key) if row.former_key else None,
        former_until=_zoned(row.former_until),
        successions=_successions(row.successions),
        asked=row.asked.replace(tzinfo=UTC) if row.asked.tzinfo is None else row.asked,
        decided=_zoned(row.decided),
        seen=_zoned(row.seen),
        skew=row.skew,
        version=row.version,
    )


def invited_of(row: Row[Any]) -> Invited:
    """The invitation in a row of hub_invitations."""
    expires = _zoned(row.expires)
    assert expires is not None
    return Invited(
        row.node, row.name, PublicIdentity.from_hex(row.key), expires, row.used_by, row.closed
    )


def _successions(stored: Iterable[object]) -> tuple[Succession, ...]:
    return tuple(Succession.model_validate(one) for one in stored)


def _zoned(moment: datetime | None) -> datetime | None:
    """SQLite gives back what it was given in UTC without its zone."""
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
