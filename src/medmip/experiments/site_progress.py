"""How far each hospital of a run is, and what it has released or refused."""

import threading
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from medmip.federation.observer import Ending


class SiteState(StrEnum):
    """What a hospital is at, in the present round."""

    ASKED = "asked"
    ANSWERED = "answered"
    WAITING = "waiting"
    LOST = "lost"
    REFUSED = "refused"
    FAILED = "failed"


class Release(BaseModel):
    """A kind of answer that a hospital has let out, how often, and when last.

    masked tells that nobody but the hospital itself saw its numbers.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    times: int
    masked: bool
    last: datetime


class SiteProgress(BaseModel):
    """One hospital of a run: its state, questions asked and answered; reason says why it ended."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: SiteState
    asked: int = 0
    answered: int = 0
    reason: str = ""
    released: tuple[Release, ...] = ()


class SiteWatch:
    """Follows the hospitals of one run; implements the federation's Observer.

    Other threads read it while the run goes on.
    """

    def __init__(self) -> None:
        self._sites: dict[str, SiteProgress] = {}
        self._releases: dict[str, dict[tuple[str, bool], Release]] = {}
        self._lock = threading.Lock()

    def told(self) -> tuple[SiteProgress, ...]:
        """Every hospital that was asked, by name."""
        with self._lock:
            return tuple(
                site.model_copy(update={"released": tuple(self._releases.get(name, {}).values())})
                for name, site in sorted(self._sites.items())
            )

    def asked(self, site: str) -> None:
        known = self._known(site)
        self._change(site, state=SiteState.ASKED, asked=known.asked + 1)

    def answered(self, site: str) -> None:
        known = self._known(site)
        self._change(site, state=SiteState.ANSWERED, answered=known.answered + 1)

    def released(self, site: str, what: str, *, masked: bool) -> None:
        with self._lock:
            releases = self._releases.setdefault(site, {})
            known = releases.get((what, masked))
            releases[what, masked] = Release(
                what=what,
                times=known.times + 1 if known else 1,
                masked=masked,
                last=datetime.now(UTC),
            )

    def waiting(self, site: str) -> None:
        self._change(site, state=SiteState.WAITING)

    def ended(self, site: str, how: Ending, why: str) -> None:
        self._change(site, state=SiteState(how), reason=why)

    def _known(self, site: str) -> SiteProgress:
        return self._sites.get(site) or SiteProgress(name=site, state=SiteState.ASKED)

    def _change(self, site: str, **values: SiteState | int | str) -> None:
        with self._lock:
            self._sites[site] = self._known(site).model_copy(update=values)
