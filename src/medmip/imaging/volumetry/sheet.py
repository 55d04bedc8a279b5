"""All that a reviewer is told of one scan: measurement, what is unusual, reviews, what waits."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from medmip.errors import NotFound
from medmip.imaging.errors import ImagingError
from medmip.imaging.people import Person
from medmip.imaging.record import ScanRecord, Verdict
from medmip.imaging.shelf import Shelf, record_in
from medmip.imaging.volumetry.atlas import AtlasRecord
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.record import VOLUMES, Quality, VolumesRecord, kept
from medmip.imaging.volumetry.reference import AT_MOST, Judgement, alike, judged
from medmip.imaging.volumetry.review import (
    Review,
    ScanStanding,
    measurement_of,
    reviews_of,
    stands,
)
from medmip.imaging.volumetry.steps import StepRecord

People = Callable[[Collection[str]], Mapping[str, Person]]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class ListedScan(ScanRecord):
    """A scan and where it stands; None where nothing was measured."""

    standing: ScanStanding | None


class Measurement(_Told):
    """How a scan was measured and what came out; hash is that of the file that holds it."""

    hash: str
    setting: SettingName
    atlas: AtlasRecord | None
    tools: dict[str, str]
    quality: Quality
    steps: tuple[StepRecord, ...]
    judgement: Judgement


class Waiting(_Told):
    """How many scans wait for a review, and which is next to this one in the list."""

    scans: int
    previous: str | None
    next: str | None


class ScanSheet(_Told):
    """One scan; measurement is None where it is not measured, or is to be measured anew."""

    scan: ListedScan
    measurement: Measurement | None
    reviews: tuple[Review, ...]
    waiting: Waiting


def listed(
    shelf: Shelf, verdict: Verdict | None, wanted: ScanStanding | None, limit: int, offset: int
) -> tuple[int, list[ListedScan]]:
    """How many scans there are, of one verdict and standing where told, and some, newest first."""
    if wanted is None:
        total, records = shelf.page(verdict, limit, offset)
    else:
        places = [folder for folder in shelf.newest() if _stands(folder) is wanted]
        chosen = [one for one in map(record_in, places) if one and verdict in (None, one.verdict)]
        total, records = len(chosen), chosen[offset : offset + limit]
    return total, [_listed(shelf, record) for record in records]


def sheet_of(shelf: Shelf, scan: str, people: People = lambda _: {}) -> ScanSheet:
    """The sheet of a scan by its id; people tells age and sex of patients by their pseudonyms.

    Raises NotFound, or ImagingError where files are damaged.
    """
    record = found(shelf, scan)
    folder = shelf.scans / record.id
    hashed = measurement_of(folder)
    try:
        measured = kept(folder)
    except ValidationError:
        raise ImagingError(
            "The volumes of this scan cannot be read.",
            where=VOLUMES,
            remedy="Have it measured anew with `mip imaging measure`, or bring the file back.",
        ) from None
    others = shelf.newest()
    return ScanSheet(
        scan=_listed(shelf, record),
        measurement=_measurement(
            hashed, measured, record.patient, _reference(record, measured, others), people
        )
        if hashed and measured
        else None,
        reviews=reviews_of(folder).all,
        waiting=_waiting(folder, others),
    )


def found(shelf: Shelf, scan: str) -> ScanRecord:
    """The record of a scan by its id; raises NotFound."""
    record = shelf.find(scan)
    if record is None:
        raise NotFound("There is no scan of this id.", remedy="The page Scans lists those kept.")
    return record


def _listed(shelf: Shelf, record: ScanRecord) -> ListedScan:
    return ListedScan(**record.model_dump(), standing=_stands(shelf.scans / record.id))


def _stands(scan: Path) -> ScanStanding | None:
    # Damaged reviews are told where that scan is looked at; until then nobody may rely on it.
    with suppress(ImagingError):
        return stands(scan)
    return None


def _measurement(
    hashed: str,
    record: VolumesRecord,
    patient: str | None,
    reference: Sequence[tuple[str | None, VolumesRecord]],
    people: People,
) -> Measurement:
    named = {one for one in (patient, *(who for who, _ in reference)) if one is not None}
    known = people(named) if patient is not None else {}
    person, others = known.get(patient or ""), [known.get(who or "") for who, _ in reference]
    return Measurement(
        hash=hashed,
        setting=record.setting,
        atlas=record.atlas,
        tools=record.tools,
        quality=record.quality,
        steps=record.steps,
        judgement=judged(record, [volumes for _, volumes in reference], person, others),
    )


def _reference(
    scan: ScanRecord, measured: VolumesRecord | None, others: Sequence[Path]
) -> list[tuple[str | None, VolumesRecord]]:
    """The newest accepted scans of other patients that were measured alike, by patient."""
    if measured is None:
        return []
    candidates = (
        folder
        for folder in others
        if folder.name != scan.id
        and _stands(folder) is ScanStanding.ACCEPTED
        and not _is_of(folder, scan.patient)
    )
    fit = ((who, one) for who, one in _read(candidates) if alike(one, measured))
    return list(islice(fit, AT_MOST))


def _is_of(scan: Path, patient: str | None) -> bool:
    other = record_in(scan)
    return patient is not None and other is not None and other.patient == patient


def _read(folders: Iterable[Path]) -> Iterator[tuple[str | None, VolumesRecord]]:
    for folder in folders:
        # What is damaged is told where that scan is looked at.
        with suppress(ValidationError):
            record, scan = kept(folder), record_in(folder)
            if record is not None:
                yield scan.patient if scan else None, record


def _waiting(scan: Path, others: Sequence[Path]) -> Waiting:
    waits = [_stands(folder) is ScanStanding.WAITING for folder in others]
    place = others.index(scan) if scan in others else 0
    before = [one.name for one, wait in zip(others[:place], waits[:place], strict=True) if wait]
    after = [
        one.name for one, wait in zip(others[place + 1 :], waits[place + 1 :], strict=True) if wait
    ]
    return Waiting(
        scans=sum(waits),
        previous=before[-1] if before else None,
        next=after[0] if after else None,
    )
