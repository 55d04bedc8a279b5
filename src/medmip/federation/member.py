"""Whoever holds a part of a cohort: a site in this process, or one far away."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from medmip.errors import MipError
from medmip.federation.question import Question, Road
from medmip.federation.site import DatasetCounts, Part, Progress
from medmip.fold.statistic import Statistic

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)


class SiteTrouble(MipError):
    """A site did not answer, or not as it should; site is its name."""

    title = "A site did not take part as it should"
    status = 502

    def __init__(self, what: str, *, site: str, remedy: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.site = site


@dataclass(frozen=True)
class Admitted:
    """A part that its guard let in.

    counts has passed the guard, None where the part is empty; patients and records are the
    part's totals, chosen the records before any is dropped for a missing value; minimum and
    extremes are of the site's policy; snapshots are datasets with their versions' hashes; agreed is
    who agreed to the analysis there, where a person has to.
    """

    counts: DatasetCounts | None
    patients: int
    records: int
    chosen: int
    minimum: int
    extremes: bool
    snapshots: tuple[tuple[str, str], ...] = ()
    agreed: str = ""


class Member(Protocol):
    """One holder of a part of a cohort.

    A question begins at once, so that members work side by side; the function that is returned
    waits for the answer, and raises Refused, Cancelled or SiteTrouble.
    """

    @property
    def name(self) -> str:
        """What people call it."""

    def admit(
        self, road: Road, progress: Progress, *, if_empty: bool = False
    ) -> Callable[[], Admitted]:
        """Counts what lies at the end of a road and lets it in, where the guard does.

        A part without patients is not put to the guard, but where if_empty says so.
        """

    def fold(self, question: Question[State, S], progress: Progress) -> Callable[[], S | None]:
        """The guarded sum over its part; None where it has no record."""


@dataclass
class LocalMember:
    """A site in this process; threads that are free begin with its part of a question."""

    part: Part
    name: str = "this site"
    _patients: dict[tuple[int, ...] | None, int] = field(default_factory=dict)

    @property
    def patients(self) -> int:
        """How many of its patients were admitted, 0 before."""
        return self._patients.get(None, 0)

    def admit(
        self, road: Road, progress: Progress, *, if_empty: bool = False
    ) -> Callable[[], Admitted]:
        def admitted() -> Admitted:
            part, policy = self.part, self.part.site.guard.policy
            size = part.size(road, progress)
            self._patients[road.groups] = size.patients
            if size.patients or if_empty:
                part.admit(road, size.patients, progress)
            counts = size.counts
            return Admitted(
                None if counts is None else part.released(counts, size.patients),
                size.patients,
                size.records,
                size.chosen,
                policy.minimum_cell,
                policy.extremes,
                tuple(part.access.snapshots.items()),
            )

        return admitted

    def fold(self, question: Question[State, S], progress: Progress) -> Callable[[], S | None]:
        folding = self.part.folding(question, progress)

        def summed() -> S | None:
            found = folding.total()
            if found is None:
                return None
            patients = self._patients[question.road.groups]
            return self.part.released(found, patients, question.cells)

        return summed
