"""A person's consent to each new cohort and algorithm, where a site asks for it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from medmip.catalogue.atomic_file import alone, write_atomically
from medmip.catalogue.home import Home
from medmip.errors import MipError, NotFound
from medmip.federation.request import CohortRequest
from medmip.federation.site_runs import Opening
from medmip.federation.wire import encoded
from medmip.privacy.guard import Access, Refused, Witness
from medmip.privacy.ledger import Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.filters import Filter
from medmip.store.state import open_state

Decided = Literal["granted", "denied"]
MOST_WAITING = 500
"""Wishes that may wait at a time, so that a hub that asks without end fills no disk."""


class ApprovalsDamaged(MipError):
    """The file of consents cannot be read; everything waits until it can."""

    title = "The consents cannot be read"


class Wish(BaseModel):
    """Somebody at the hub wants a cohort analysed; by is who answered, where somebody did.

    steps say in words how the records are divided and prepared before they are analysed. asked and
    answered are in ISO 8601, answered empty while it waits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    user: str
    algorithms: tuple[str, ...]
    datasets: tuple[str, ...]
    variables: tuple[str, ...]
    filtered: bool
    asked: str
    answer: Literal["waiting", "granted", "denied"] = "waiting"
    by: str = ""
    answered: str = ""
    model: str = ""
    rules: Filter | None = None
    steps: tuple[str, ...] = ()


_WISHES = TypeAdapter(dict[str, Wish])


class Approvals:
    """Wishes and their answers, in one file that is replaced whole; witness is told of answers."""

    def __init__(self, path: Path, witness: Witness) -> None:
        self._path = path
        self._witness = witness

    @classmethod
    def of(cls, home: Home) -> "Approvals":
        """Those of a home that is a site."""
        return cls(home.site / "approvals.json", Ledger(open_state(home), LedgerHead(home)))

    def check(self, opening: Opening, approver: str) -> str:
        """Who agreed to this cohort and these algorithms; raises Refused where nobody has."""
        wish = _wish(opening)
        who = approver or "the site's administrator"
        with alone(self._path.parent):
            wishes = self._read()
            known = wishes.get(wish.id)
            if known is None:
                _check_room(wishes, who)
                wishes[wish.id] = wish
                self._write(wishes)
        if known is not None and known.answer == "granted":
            return known.by or who
        if known is not None and known.answer == "denied":
            raise Refused(f"{known.by or who} declined this analysis", rule="approval")
        raise Refused(
            f"{who} has to agree to this analysis first, and has been asked",
            rule="approval",
            remedy="Run it again once the site has agreed.",
        )

    def list(self) -> Sequence[Wish]:
        """Every wish, the newest last."""
        return sorted(self._read().values(), key=lambda wish: wish.asked)

    def answer(self, wish: str, answer: Decided, by: str) -> Wish:
        """Keeps a person's answer, which the ledger has first; raises NotFound."""
        with alone(self._path.parent):
            wishes = self._read()
            known = wishes.get(wish)
            if known is None:
                raise NotFound(
                    f"Nobody asked for {wish}", remedy="`mip site requests` lists who asks."
                )
            # A kill in between leaves a row too many, never a consent that nobody wrote down.
            self._witness.record(
                Access(user=by, experiment="", algorithm=", ".join(known.algorithms)[:100]),
                statistic="request",
                verdict=answer,
                rule="approval",
                reason=f"{known.user} on {', '.join(known.datasets)}, request {known.id}",
                suppressed=0,
            )
            told = {"answer": answer, "by": by, "answered": _moment()}
            wishes[wish] = known.model_copy(update=told)
            self._write(wishes)
            return wishes[wish]

    def _read(self) -> dict[str, Wish]:
        try:
            return _WISHES.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            raise ApprovalsDamaged(
                "is damaged", where=str(self._path), remedy="Restore it from a back-up."
            ) from None

    def _write(self, wishes: dict[str, Wish]) -> None:
        write_atomically(self._path, _WISHES.dump_json(wishes, indent=1))


def _check_room(wishes: Mapping[str, Wish], who: str) -> None:
    if sum(wish.answer == "waiting" for wish in wishes.values()) >= MOST_WAITING:
        raise Refused(
            f"{MOST_WAITING} analyses wait for {who} already",
            rule="approval",
            remedy="Ask again once some of them are answered.",
        )


def _moment() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _wish(opening: Opening) -> Wish:
    asked = opening.cohort
    names = tuple(sorted(part.name for part in opening.algorithms))
    content = encoded(asked, CohortRequest) + repr((opening.user, names)).encode()
    return Wish(
        id=hashlib.sha256(content).hexdigest()[:16],
        user=opening.user,
        algorithms=names,
        datasets=asked.datasets,
        variables=tuple(named.code for named in asked.used),
        filtered=asked.filter is not None,
        asked=_moment(),
        model=asked.model,
        rules=asked.filter,
        steps=tuple(_steps(asked)),
    )


def _steps(asked: CohortRequest) -> Iterator[str]:
    if asked.visits is not None:
        taken = [f"{part.how} of {code}" for code, part in asked.visits.taken]
        told = ", ".join([*taken, "the first value of any other variable"])
        yield f"One record is made of a patient’s visits: {told}"
    if asked.gaps:
        yield f"Missing values are filled in: {', '.join(asked.gaps)}"
    elif asked.missing == "keep":
        yield "Records with missing values are kept"
    if asked.adjustable:
        yield "Values are changed record by record first, such as standardised or harmonised"
    if asked.partition is not None and asked.partition.folds:
        yield f"Patients are dealt into {asked.partition.folds} groups, each told of apart"
    elif asked.partition is not None:
        yield "Each dataset is told of apart, and all the others without it"
