"""One hospital's data and its guard, and the part of a cohort that it holds."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Annotated, Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from medmip.federation.question import Question, Road
from medmip.federation.specification import CohortSpec
from medmip.fold.block import Block
from medmip.fold.block_cache import BlockCache
from medmip.fold.dominance import dominated
from medmip.fold.encoding import encoded_blocks
from medmip.fold.local import Folding
from medmip.fold.statistic import Count, FloatArray, Statistic, sum_over
from medmip.privacy.guard import Access, Guard, SnapshotRows
from medmip.store.engine import Engine, Selection
from medmip.store.snapshots import Snapshot

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)
T_co = TypeVar("T_co", bound=Statistic, covariant=True)
Progress = Callable[[int], None]


@runtime_checkable
class HeldUp(Protocol):
    """A progress that is also told whom a round waits for."""

    def held_up(self, by: str) -> None:
        """The round waits for somebody; empty once it gets on."""


"""Told how many records more have been folded; raises Cancelled to stop."""


class Summing(Protocol[T_co]):
    """A fold that has begun."""

    def total(self) -> T_co | None:
        """The sum, once all is folded; None where there is no record."""


class Workers(Protocol):
    """Where a site's published records are folded, if not in this process."""

    def takes(self, part: "Part", question: Question[Any, Any]) -> bool:
        """Whether they know the kernel, and can read these records."""

    def folding(self, part: "Part", question: Question[State, S], progress: Progress) -> Summing[S]:
        """The fold of a part's records, begun."""


@dataclass
class Site:
    """One hospital's data and its guard; key is the secret that its patients are dealt by.

    workers, if any, fold what they can.
    """

    engine: Engine
    guard: Guard
    snapshots: tuple[Snapshot, ...]
    cache: BlockCache = field(default_factory=BlockCache)
    key: bytes = field(default=b"", repr=False)
    workers: Workers | None = None


@dataclass(frozen=True)
class DatasetCounts(Statistic):
    """Patients and records of each of the cohort's d datasets, (d,)."""

    patients: Count
    records: Annotated[FloatArray, sum_over("patients")]


@dataclass(frozen=True)
class PartSize:
    """How much of a cohort a site holds.

    counts are not guarded yet, None where the site holds no record; patients and records are
    their totals, chosen the records before any is dropped for a missing value.
    """

    counts: DatasetCounts | None
    patients: int
    records: int
    chosen: int


def dataset_counts(block: Block, datasets: int) -> DatasetCounts:
    """Patients and records of one block by dataset."""
    return DatasetCounts(
        patients=block.cells(block.dataset, datasets),
        records=np.bincount(block.dataset, minlength=datasets).astype(np.float64),
    )


@dataclass(frozen=True)
class Part:
    """One site's share of a cohort; positions maps its snapshots to the cohort's datasets."""

    site: Site
    selection: Selection
    positions: tuple[int, ...]
    access: Access
    selected: int
    datasets: int

    @classmethod
    def of(cls, site: Site, spec: CohortSpec, access: Access) -> "Part":
        held = [snapshot for snapshot in site.snapshots if snapshot.dataset in spec.datasets]
        variables = spec.variables
        selection = Selection(
            model=spec.model.key,
            snapshots=tuple(held),
            numeric=tuple(variable.code for variable in variables if variable.is_numeric),
            nominal=tuple(variable.code for variable in variables if variable.is_nominal),
            levels=spec.levels(),
            filter=spec.filter,
            complete=spec.missing == "drop",
            longitudinal=spec.model.longitudinal,
            partition=spec.partition,
            visits=spec.visits,
            gaps=spec.gaps,
            identity=spec.identity,
            adjustable=spec.adjustable,
        )
        positions = tuple(spec.datasets.index(snapshot.dataset) for snapshot in held)
        compared = _compared(site, selection)
        completed = replace(
            access,
            cohort=hashlib.sha256(compared.key().encode()).hexdigest(),
            snapshots={snapshot.dataset: snapshot.hash for snapshot in held},
        )
        selected = sum(size.records for size in site.engine.sizes(selection))
        return cls(site, selection, positions, completed, selected, len(spec.datasets))

    @property
    def expected(self) -> int:
        """About how many bytes its blocks take, with the design matrices beside them."""
        numeric, nominal = len(self.selection.numeric), self.selection.nominal
        levels = sum(len(self.selection.levels[code]) for code in nominal)
        design = numeric + levels if nominal else 0
        size = self.selected * (8 * (numeric + design) + 4 * (len(nominal) + 1))
        size += self.selected * 8 * bool(self.selection.identity)
        copies = 1 if self.selection.partition is None else 2
        return size * copies * (2 if self.selection.adjustable else 1)

    @cached_property
    def cohort(self) -> str:
        """A name that is equal only for equal blocks of one site."""
        # Blocks hold each dataset's position in the cohort, so another order needs other blocks.
        return f"{self.selection.key()}|{self.positions}"

    def blocks(self) -> Iterator[Block]:
        """The records, cached where they fit."""
        return self.site.cache.blocks(
            self.cohort,
            self.expected,
            lambda: encoded_blocks(self.site.engine, self.selection, self.positions, self.site.key),
        )

    def size(self, road: Road, progress: Progress) -> PartSize:
        """What lies at the end of a road; nothing of it has passed the guard."""
        counts = self.summed(Question(dataset_counts, self.datasets, road=road), progress)
        patients = 0 if counts is None else int(counts.patients.sum())
        records = 0 if counts is None else int(counts.records.sum())
        return PartSize(
            counts, patients, records, self.selected if road.groups is None else records
        )

    def admit(self, road: Road, patients: int, progress: Progress) -> None:
        """Asks the guard whether these patients may be analysed; raises Refused."""

        def summed(kernel: Callable[[Block, State], S], state: State) -> S | None:
            return self.summed(Question(kernel, state, road=road), progress)

        names = partial(dominated, summed, self.selection.numeric)
        if road.groups is None:
            self.site.guard.admit(self.access, patients, self.rows, names)
        else:
            self.site.guard.admit_share(self.access, patients, names)

    def summed(self, question: Question[State, S], progress: Progress) -> S | None:
        """The sum over its records, None where it has none; it has not passed the guard."""
        return self.folding(question, progress).total()

    def folding(self, question: Question[State, S], progress: Progress) -> Summing[S]:
        """The fold of its records, begun where helpers are free."""
        workers = self.site.workers
        if workers is not None and workers.takes(self, question):
            return workers.folding(self, question, progress)
        blocks = question.over(self.blocks())
        return Folding(blocks, question.answer, lambda block: progress(block.records))

    def released(self, statistic: S, patients: int, cells: tuple[str, ...] = ()) -> S:
        """The statistic as the guard lets it out; raises Refused."""
        return self.site.guard.release(self.access, statistic, patients, cells)

    def rows(self) -> list[SnapshotRows]:
        """Whom the guard compares with earlier cohorts, by the policy's overlap rule."""
        if self.site.guard.policy.overlap == "off":
            return []
        compared = _compared(self.site, self.selection)
        return [
            SnapshotRows(snapshot.hash, held, patient)
            for snapshot, (held, patient) in zip(
                compared.snapshots, self.site.engine.rows(compared), strict=True
            )
        ]


def previewed(site: Site, spec: CohortSpec, access: Access) -> dict[str, int | None]:
    """About how many patients each of the site's datasets has in a cohort still being built.

    Rounded down by the site's guard; None where fewer than the minimum.
    """
    part = Part.of(site, spec, access)
    sizes = site.engine.sizes(part.selection)
    counts = site.guard.preview(part.access, [size.patients for size in sizes])
    names = [snapshot.dataset for snapshot in part.selection.snapshots]
    return dict(zip(names, counts, strict=True))


def _compared(site: Site, selection: Selection) -> Selection:
    """The records that the overlap rule compares: with missing values dropped, or not."""
    if site.guard.policy.overlap == "records":
        return selection.unprepared()
    return selection.whole()
