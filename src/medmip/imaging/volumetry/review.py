"""What people decide of a measured scan: accepted, rejected, or to be measured anew, and why."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medmip.catalogue.atomic_file import alone, sync_folder, write_atomically
from medmip.catalogue.home import Home
from medmip.errors import Conflict, NotFound
from medmip.imaging.errors import ImagingError
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.record import VOLUMES
from medmip.privacy.guard import Access
from medmip.privacy.ledger import Ledger

REVIEWS = "reviews.json"
LONGEST = 500


class ReviewDecision(StrEnum):
    """What is to become of a measurement."""

    ACCEPT = "accept"
    REJECT = "reject"
    REDO = "redo"


class ScanStanding(StrEnum):
    """Where a scan stands: only what is accepted may reach a dataset."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    REDO = "to be measured anew"


class Review(BaseModel):
    """One decision; measurement is the hash of the `volumes.json` that it is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measurement: str
    decision: ReviewDecision
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True)
class Seen:
    """What a reviewer had before them: the hash of a measurement, and how many reviews it had."""

    measurement: str
    reviews: int


class Reviews(BaseModel):
    """All decisions of one scan, oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    all: tuple[Review, ...] = Field(default=())


_STANDINGS = {
    ReviewDecision.ACCEPT: ScanStanding.ACCEPTED,
    ReviewDecision.REJECT: ScanStanding.REJECTED,
    ReviewDecision.REDO: ScanStanding.REDO,
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


def stands(scan: Path) -> ScanStanding | None:
    """As `standing`; None where nothing is measured that a person could look at, or decided."""
    found = standing(scan)
    waits = found is ScanStanding.WAITING
    return None if waits and measurement_of(scan) is None else found


def standing(scan: Path) -> ScanStanding:
    """Where a scan stands, by its folder: the last decision, if it is about what is measured now.

    A measurement made anew waits for a review again, whatever was decided of the former one.
    """
    done = reviews_of(scan).all
    if not done:
        return ScanStanding.WAITING
    last = done[-1]
    present = measurement_of(scan)
    if last.decision is ReviewDecision.REDO and present is None:
        return ScanStanding.REDO
    return _STANDINGS[last.decision] if last.measurement == present else ScanStanding.WAITING


def decide(
    home: Home,
    ledger: Ledger,
    scan: str,
    decision: ReviewDecision,
    reason: str,
    by: str,
    seen: Seen | None = None,
) -> Review:
    """Write a decision into the ledger, then beside the scan.

    What is to be measured anew loses its volumes, so that the next `measure` does it. Raises
    ImagingError where the reason is empty or too long, NotFound where no such scan is measured,
    Conflict where it is no longer as it was seen, OSError where the disk refuses.
    """
    said = " ".join(reason.split())
    if not 1 <= len(said) <= LONGEST:
        raise ImagingError(
            f"A review needs a reason of 1 to {LONGEST} characters.",
            remedy="Say in few words what was seen; name no patient.",
        )
    shelf = Shelf(home)
    if shelf.find(scan) is None:
        raise _unmeasured()
    folder = shelf.scans / scan
    with alone(shelf.scans):
        measurement = measurement_of(folder)
        if measurement is None:
            raise _unmeasured()
        former = reviews_of(folder).all
        if seen not in (None, Seen(measurement, len(former))):
            raise Conflict(
                "The scan was measured anew or decided about by somebody else meanwhile.",
                remedy="Look at it as it is now; then decide.",
            )
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
        if decision is ReviewDecision.REDO:
            (folder / VOLUMES).unlink()
            sync_folder(folder)
    return review


def measurement_of(scan: Path) -> str | None:
    """The hash of a scan's `volumes.json`, by its folder; None where it is not measured."""
    try:
        return hashlib.sha256((scan / VOLUMES).read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def _unmeasured() -> NotFound:
    return NotFound(
        "There is no measured scan of this id.",
        remedy="`mip imaging review` lists those that are; `mip imaging measure` measures.",
    )
