"""What people decide of a measured scan: accepted, rejected, or to be measured anew, and why."""

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medmip.catalogue.atomic_file import alone, sync_folder, write_atomically
from medmip.catalogue.home import Home
from medmip.errors import NotFound
from medmip.imaging.errors import ImagingError
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.record import VOLUMES
from medmip.privacy.guard import Access
from medmip.privacy.ledger import Ledger

REVIEWS = "reviews.json"
LONGEST = 500


class Decision(StrEnum):
    """What is to become of a measurement."""

    ACCEPT = "accept"
    REJECT = "reject"
    REDO = "redo"


class Standing(StrEnum):
    """Where a scan stands: only what is accepted may reach a dataset."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REDO = "to be measured anew"


class Review(BaseModel):
    """One decision; measurement is the hash of the `volumes.json` that it is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measurement: str
    decision: Decision
    reason: str
    by: str
    at: datetime


class Reviews(BaseModel):
    """All decisions of one scan, oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    all: tuple[Review, ...] = Field(default=())


_STANDINGS = {
    Decision.ACCEPT: Standing.ACCEPTED,
    Decision.REJECT: Standing.REJECTED,
    Decision.REDO: Standing.REDO,
}


def reviews_of(scan: Path) -> Reviews:
    """The decisions of a scan, by its folder. Raises ImagingError where they are not readable."""
    try:
        return Reviews.model_validate_json((scan / REVIEWS).read_bytes())
    except FileNotFoundError:
        return Reviews()
    except ValidationError:
        raise ImagingError(
            f"The reviews of scan {scan.name} cannot be read.",
            where=REVIEWS,
            remedy="Bring the file back from a backup; until then the scan reaches no dataset.",
        ) from None


def standing(scan: Path) -> Standing:
    """Where a scan stands, by its folder: the last decision, if it is about what is measured now.

    A measurement made anew waits for a review again, whatever was decided of the former one.
    """
    done = reviews_of(scan).all
    if not done:
        return Standing.WAITING
    last = done[-1]
    present = _measurement(scan)
    if last.decision is Decision.REDO and present is None:
        return Standing.REDO
    return _STANDINGS[last.decision] if last.measurement == present else Standing.WAITING


def decide(
    home: Home, ledger: Ledger, scan: str, decision: Decision, reason: str, by: str
) -> Review:
    """Write a decision into the ledger, then beside the scan.

    What is to be measured anew loses its volumes, so that the next `measure` does it. Raises
    ImagingError where the reason is empty or too long, NotFound where no such scan is measured,
    OSError where the disk refuses.
    """
    said = " ".join(reason.split())
    if not 1 <= len(said) <= LONGEST:
        raise ImagingError(
            f"A review needs a reason of 1 to {LONGEST} characters.",
            remedy="Say in few words what was seen; name no patient.",
        )
    shelf = Shelf(home)
    if scan not in {record.id for record in shelf.records()}:
        raise _unmeasured()
    folder = shelf.scans / scan
    with alone(shelf.scans):
        measurement = _measurement(folder)
        if measurement is None:
            raise _unmeasured()
        former = reviews_of(folder).all
        review = Review(
            measurement=measurement, decision=decision, reason=said, by=by, at=datetime.now(UTC)
        )
        # The ledger first: what it does not tell of is not decided.
        ledger.record(
            Access(user=by, experiment="", algorithm=""),
            statistic="scan review",
            verdict=decision,
            rule="",
            reason=f"scan {scan}: {said}",
            suppressed=0,
        )
        kept = Reviews(all=(*former, review))
        write_atomically(folder / REVIEWS, kept.model_dump_json(indent=2).encode())
        if decision is Decision.REDO:
            (folder / VOLUMES).unlink()
            sync_folder(folder)
    return review


def _measurement(scan: Path) -> str | None:
    try:
        return hashlib.sha256((scan / VOLUMES).read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _unmeasured() -> NotFound:
    return NotFound(
        "There is no measured scan of this id.",
        remedy="`mip imaging review` lists those that are; `mip imaging measure` measures.",
    )
