"""The transport of one hospital: its site's records are folded in this process."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Protocol, TypeVar

import numpy as np

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Variable
from medmip.fold.adjustment import Adjustment
from medmip.fold.block import Block
from medmip.fold.block_cache import BlockCache
from medmip.fold.cohort import Cohort, CohortSize, DatasetSize
from medmip.fold.encoding import encoded_blocks
from medmip.fold.local import Cancelled, fold_blocks
from medmip.fold.statistic import Count, FloatArray, Statistic, sum_over
from medmip.privacy.guard import Access, Guard, SnapshotRows
from medmip.store.engine import Engine, Partition, Selection
from medmip.store.filters import Filter
from medmip.store.snapshots import Snapshot
from medmip.store.visits import Visits

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)


@dataclass
class Site:
    """One hospital's data and its guard; key is the secret that its patients are dealt by."""

    engine: Engine
    guard: Guard
    snapshots: tuple[Snapshot, ...]
    cache: BlockCache = field(default_factory=BlockCache)
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class CohortSpec:
    """Whose records and which variables: what a request asks for, already validated.

    missing: `drop` analyses complete cases only, `keep` leaves missing values in. partition
    divides the patients into groups, for validation. visits makes one record of a patient's, of
    the visits that the filter keeps; y and x are told as the data model has them. Of a cohort
    that is prepared before it is analysed: adjustable is true; besides are the further variables
    that this needs; gaps are the variables whose missing values stay in; keyed says that it makes
    random draws for records.
    """

    model: DataModel
    datasets: tuple[str, ...]
    y: tuple[Variable, ...]
    x: tuple[Variable, ...]
    filter: Filter | None
    missing: Literal["drop", "keep"]
    partition: Partition | None = None
    visits: Visits | None = None
    adjustable: bool = False
    besides: tuple[Variable, ...] = ()
    gaps: tuple[str, ...] = ()
    keyed: bool = False

    @property
    def groups(self) -> int:
        """The number of groups that the cohort is divided into, 0 where it is not."""
        if self.partition is None:
            return 0
        return self.partition.folds or len(self.datasets)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Every variable once, x before y."""
        named = (*self.x, *self.y, *self.besides)
        return tuple({variable.code: variable for variable in named}.values())

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that records are told apart by, where they need keys."""
        named = (self.model.patient_column, self.model.visit_column)
        return tuple(code for code in named if code is not None) if self.keyed else ()

    def taken(self, variables: Sequence[Variable]) -> tuple[Variable, ...]:
        """The variables as the analysis meets them, once visits are one record."""
        if self.visits is None:
            return tuple(variables)
        return tuple(self.visits.variable(variable) for variable in variables)

    def levels(self) -> dict[str, tuple[str, ...]]:
        """The level codes of every nominal variable; those of `dataset` are the cohort's."""
        return {
            variable.code: self.datasets if variable.code == "dataset" else variable.levels
            for variable in self.variables
            if variable.is_nominal
        }


class Watcher(Protocol):
    """Whoever follows a run: told of its progress, asked whether to stop."""

    def advanced(self, rounds: int, fraction: float | None) -> None:
        """Rounds finished so far, and how much of the present one, 0 to 1, where known."""

    def cancelled(self) -> bool: ...


@dataclass(frozen=True)
class DatasetCounts(Statistic):
    """Patients and records of each of the cohort's d datasets, (d,)."""

    patients: Count
    records: Annotated[FloatArray, sum_over("patients")]


def open_cohort(
    sites: Sequence[Site], spec: CohortSpec, access: Access, watcher: Watcher | None = None
) -> Cohort:
    """The cohort of a request, once every site's guard has let it in; raises Refused."""
    transport = InProcess(sites, spec, access, watcher)
    size = transport.admit()
    guards = [site.guard.policy for site in sites]
    return Cohort(
        y=spec.taken(spec.y),
        x=spec.taken(spec.x),
        levels=spec.levels(),
        datasets=spec.datasets,
        size=size,
        minimum=max(policy.minimum_cell for policy in guards),
        releases_extremes=all(policy.extremes for policy in guards),
        transport=transport,
        groups=spec.groups,
    )


def preview_cohort(
    sites: Sequence[Site], spec: CohortSpec, access: Access
) -> dict[str, int | None]:
    """About how many patients each dataset has in a cohort that is still being built.

    Rounded down by every site's guard; None where fewer than the minimum.
    """
    told: dict[str, int | None] = dict.fromkeys(spec.datasets, 0)
    for site in sites:
        part = _Part.of(site, spec, access)
        sizes = site.engine.sizes(part.selection)
        counts = site.guard.preview(part.access, [size.patients for size in sizes])
        for snapshot, count in zip(part.selection.snapshots, counts, strict=True):
            before = told[snapshot.dataset]
            told[snapshot.dataset] = None if before is None or count is None else before + count
    return told


class InProcess:
    """Folds over sites in this process; each site's guard checks what leaves it."""

    def __init__(
        self, sites: Sequence[Site], spec: CohortSpec, access: Access, watcher: Watcher | None
    ) -> None:
        self._watcher = watcher
        self._spec = spec
        self._rounds = 0
        self._parts = [_Part.of(site, spec, access) for site in sites]
        self._patients: list[int] = []
        self._records = 0
        self._groups: tuple[int, ...] | None = None
        self._adjustments: tuple[Adjustment, ...] = ()

    def admit(self) -> CohortSize:
        """Counts the cohort and asks every site's guard; raises Refused."""
        return self._admitted(lambda part, patients: part.admit(patients))

    def share(self, groups: tuple[int, ...]) -> tuple["InProcess", CohortSize]:
        """The same road to the records of these groups alone; raises Refused."""
        shared = copy(self)
        shared._groups = groups
        return shared, shared._admitted(
            lambda part, patients: part.site.guard.admit_share(part.access, patients)
        )

    def adjusted(self, adjustments: tuple[Adjustment, ...]) -> "InProcess":
        """The same road to the same records, changed further by these adjustments."""
        changed = copy(self)
        changed._adjustments = (*self._adjustments, *adjustments)
        return changed

    def _admitted(self, admit: Callable[["_Part", int], None]) -> CohortSize:
        counts = [self._sum(part, dataset_counts, len(self._spec.datasets)) for part in self._parts]
        self._patients = [0 if count is None else int(count.patients.sum()) for count in counts]
        self._records = int(sum(count.records.sum() for count in counts if count is not None))
        everyone_empty = not any(self._patients)
        for part, patients in zip(self._parts, self._patients, strict=True):
            if patients or everyone_empty:
                admit(part, patients)
        released = [
            part.site.guard.release(part.access, count, patients)
            for part, count, patients in zip(self._parts, counts, self._patients, strict=True)
            if count is not None
        ]
        total = released[0]
        for count in released[1:]:
            total = total + count
        selected = self._records
        if self._groups is None:
            selected = sum(part.selected for part in self._parts)
        datasets = tuple(
            DatasetSize(
                code, *(_unmasked(field[index]) for field in (total.records, total.patients))
            )
            for index, code in enumerate(self._spec.datasets)
        )
        return CohortSize(self._records, sum(self._patients), selected - self._records, datasets)

    def fold(self, kernel: Callable[[Block, State], S], state: State, cells: Sequence[str]) -> S:
        total: S | None = None
        for part, patients in zip(self._parts, self._patients, strict=True):
            local = self._sum(part, kernel, state)
            if local is None:
                continue
            released = part.site.guard.release(part.access, local, patients, cells)
            total = released if total is None else total + released
        if total is None:
            raise RuntimeError("a cohort was admitted without records")
        self._rounds += 1
        self._advance(None)
        return total

    def _advance(self, fraction: float | None) -> None:
        if self._watcher is not None:
            self._watcher.advanced(self._rounds, fraction)

    def _sum(self, part: "_Part", kernel: Callable[[Block, State], S], state: State) -> S | None:
        seen = 0

        def each(block: Block) -> None:
            nonlocal seen
            if self._watcher is not None and self._watcher.cancelled():
                raise Cancelled
            seen += block.records
            if self._records:
                self._advance(min(1.0, seen / self._records))

        blocks = part.blocks()
        if self._groups is not None:
            groups = self._groups
            blocks = (block for whole in blocks if (block := whole.share(groups)).records)
        return fold_blocks(blocks, self._adjusting(kernel), state, each=each)

    def _adjusting(self, kernel: Callable[[Block, State], S]) -> Callable[[Block, State], S | None]:
        """The kernel of adjusted blocks, so that threads share that work; None of no record."""
        if not self._adjustments:
            return kernel
        changes = self._adjustments

        def adjusting(raw: Block, state: State) -> S | None:
            block = raw.adjusted(changes)
            return kernel(block, state) if block.records else None

        return adjusting


@dataclass(frozen=True)
class _Part:
    """One site's share of a cohort; positions maps its snapshots to the cohort's datasets."""

    site: Site
    selection: Selection
    positions: tuple[int, ...]
    access: Access
    selected: int

    @classmethod
    def of(cls, site: Site, spec: CohortSpec, access: Access) -> "_Part":
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
        return cls(site, selection, positions, completed, selected)

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

    def blocks(self) -> Iterator[Block]:
        # Blocks hold each dataset's position in the cohort, so another order needs other blocks.
        return self.site.cache.blocks(
            f"{self.selection.key()}|{self.positions}",
            self.expected,
            lambda: encoded_blocks(self.site.engine, self.selection, self.positions, self.site.key),
        )

    def admit(self, patients: int) -> None:
        """Asks the guard whether the site's share of the cohort may be analysed; raises Refused."""
        self.site.guard.admit(self.access, patients, self.rows)

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


def _compared(site: Site, selection: Selection) -> Selection:
    """The records that the overlap rule compares: with missing values dropped, or not."""
    if site.guard.policy.overlap == "records":
        return selection.unprepared()
    return selection.whole()


def dataset_counts(block: Block, datasets: int) -> DatasetCounts:
    """Patients and records of one block by dataset."""
    return DatasetCounts(
        patients=block.cells(block.dataset, datasets),
        records=np.bincount(block.dataset, minlength=datasets).astype(np.float64),
    )


def _unmasked(value: object) -> int | None:
    return None if value is np.ma.masked else int(np.asarray(value))
