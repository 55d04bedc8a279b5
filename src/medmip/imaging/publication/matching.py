"""Which scan belongs to which row: the same patient, and the nearest visit within a window."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Fate(StrEnum):
    """What becomes of an accepted scan.

    A scan is ambiguous where several rows, or for one row several scans, are as near as each
    other; it is spare where another scan is nearer to its row or, where no date counts, younger.
    """

    JOINED = "joined"
    NO_PATIENT = "no patient"
    OUTSIDE = "outside the window"
    AMBIGUOUS = "ambiguous"
    UNDATED = "undated"
    SPARE = "spare"


@dataclass(frozen=True)
class DatedScan:
    """A scan, its patient's pseudonym, and its moved date where it has one that counts here."""

    id: str
    patient: str
    day: date | None


@dataclass(frozen=True)
class Visit:
    """A row of a dataset, its patient's pseudonym, and its moved date where it has one."""

    row: int
    patient: str
    day: date | None


@dataclass(frozen=True)
class Matching:
    """joined is the scan of each row that gets one; fates are those of all scans, by id."""

    joined: Mapping[int, str]
    fates: Mapping[str, Fate]

    def count(self, fate: Fate) -> int:
        return Counter(self.fates.values())[fate]


_Claim = tuple[int, DatedScan]
"""How far a scan is from the row that it claims, and the scan."""


def matched(scans: Sequence[DatedScan], visits: Sequence[Visit], window: int | None) -> Matching:
    """Each row gets at most one scan, and each scan goes to one row.

    window is in days; with None no date counts, and a patient's one row gets the youngest scan.
    Nothing is chosen by chance: what is as near as another is left out.
    """
    rows: dict[str, list[Visit]] = defaultdict(list)
    for visit in visits:
        rows[visit.patient].append(visit)
    fates: dict[str, Fate] = {}
    claims: dict[int, list[_Claim]] = defaultdict(list)
    for scan in scans:
        there = rows.get(scan.patient, [])
        if not there:
            fates[scan.id] = Fate.NO_PATIENT
        elif window is None:
            if len(there) > 1:
                fates[scan.id] = Fate.AMBIGUOUS
            else:
                claims[there[0].row].append((0, scan))
        else:
            found = _nearest(scan, there, window)
            if isinstance(found, Fate):
                fates[scan.id] = found
            else:
                claims[found[0]].append((found[1], scan))
    joined: dict[int, str] = {}
    for row, claimed in claims.items():
        best = _youngest(claimed) if window is None else _closest(claimed)
        for _, scan in claimed:
            fates[scan.id] = Fate.SPARE
        for scan in best:
            fates[scan.id] = Fate.JOINED if len(best) == 1 else Fate.AMBIGUOUS
        if len(best) == 1:
            joined[row] = best[0].id
    return Matching(joined, fates)


def _nearest(scan: DatedScan, visits: Sequence[Visit], window: int) -> Fate | tuple[int, int]:
    """The row of the nearest visit and the days to it, or why there is none."""
    day = scan.day
    if day is None:
        return Fate.UNDATED
    away = sorted(
        (abs((visit.day - day).days), visit.row) for visit in visits if visit.day is not None
    )
    if not away:
        return Fate.UNDATED
    days, row = away[0]
    if days > window:
        return Fate.OUTSIDE
    if len(away) > 1 and away[1][0] == days:
        return Fate.AMBIGUOUS
    return row, days


def _closest(claims: Sequence[_Claim]) -> list[DatedScan]:
    least = min(days for days, _ in claims)
    return [scan for days, scan in claims if days == least]


def _youngest(claims: Sequence[_Claim]) -> list[DatedScan]:
    """Among several scans of which one has no date, nobody knows which is the youngest."""
    scans = [scan for _, scan in claims]
    days = [scan.day for scan in scans if scan.day is not None]
    if len(days) < len(scans):
        return scans
    return [scan for scan in scans if scan.day == max(days)]
