"""What a worker of a cluster does: it folds partitions by the kernels of MIP's own algorithms.

A question names a kernel; a worker runs what it has installed, as a far site does. What it has read
it keeps between rounds, so that a worker that takes over another's partition reads it anew.
Nothing raised here crosses the cluster: its messages could be logged with what they were raised
of, so a failure is a value like a sum.
"""

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from threadpoolctl import ThreadpoolController

from medmip.algorithms.registry import registry
from medmip.errors import MipError
from medmip.federation.desk_messages import software_version
from medmip.federation.kernels import Kernel, kernels_of_all, kernels_reached
from medmip.federation.question import Change, Question, Road
from medmip.federation.site import dataset_counts
from medmip.federation.sum_tree import Branch, grown
from medmip.federation.wire import concrete, decoded_as
from medmip.fold.block import Block
from medmip.fold.block_cache import BlockCache
from medmip.fold.dominance import dominated
from medmip.fold.encoding import encoded_blocks
from medmip.fold.statistic import Statistic
from medmip.store.duckdb_engine import DuckDBEngine
from medmip.store.engine import BoolArray, IntArray, KeyArray, Selection, Size
from medmip.store.partition_folders import PartitionFolder
from medmip.store.stored_partition import StoredPartition

MEGABYTE = 2**20
_WHILE = 0.1
"""Seconds of work that a person who waits is told of."""


class WorkFailed(MipError):
    """A worker could not fold its partition."""

    title = "A worker of the cluster failed"
    status = 500


@dataclass(frozen=True, eq=False)
class Piece:
    """What is read of one partition for a cohort.

    name is equal only for equal blocks; folder holds all partitions; selection is of the one
    version that the partition is of, and position its dataset's place in the cohort; groups and
    keys are those of its records, (kept,), where the selection has any: the secret that they are
    made by stays with MIP. expected is about how many bytes its blocks take, memory the megabytes
    of blocks that a worker keeps.
    """

    name: str
    folder: PartitionFolder
    part: StoredPartition
    selection: Selection
    position: int
    groups: IntArray | None
    keys: KeyArray | None
    expected: int
    memory: int


@dataclass(frozen=True)
class Ask:
    """A question as it travels: a kernel by its name, its state and adjustments as on the wire."""

    software: str
    kernel: str
    state: bytes
    groups: tuple[int, ...] | None
    adjustments: tuple[bytes, ...]


@dataclass(frozen=True)
class Failure:
    """Why a partition was not folded; kind is the error's class, frames where it was raised."""

    kind: str
    what: str
    where: str | None = None
    remedy: str | None = None
    frames: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: Exception, file: str) -> "Failure":
        if isinstance(error, MipError):
            return cls(_kind(type(error)), error.what, error.where, error.remedy)
        # A foreign message may quote a record, so only its kind and place are told.
        frames = traceback.extract_tb(error.__traceback__)
        return cls(
            "",
            f"{file} was not folded: {type(error).__name__}",
            remedy="The administrator finds the place in the log.",
            frames=tuple(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames),
        )

    def error(self) -> MipError:
        """The error as it would have been raised here."""
        known = {_kind(kind): kind for kind in concrete(MipError)}
        kind: type[MipError] = known.get(self.kind, WorkFailed)
        try:
            return kind(self.what, where=self.where, remedy=self.remedy)
        except TypeError:
            return WorkFailed(self.what, where=self.where, remedy=self.remedy)


@dataclass(frozen=True)
class Folded:
    """The sum over some partitions, None where they have no record."""

    statistic: Statistic | None = None
    records: int = 0


@dataclass(frozen=True)
class Share:
    """The sums of partitions in a row, of which some are whole branches, or why there are none.

    astray is how many shares were folded away from their homes.
    """

    branches: tuple[Branch[Folded], ...] = ()
    astray: int = 0
    failure: Failure | None = None

    @property
    def whole(self) -> Folded:
        """The one sum that all of them are."""
        (branch,) = self.branches or (Branch(0, 0, Folded()),)
        return branch.sum


@dataclass(frozen=True)
class Homes:
    """Tells the scheduler the worker that each task is best done by, (key: address)."""

    of: Mapping[str, str]

    def __call__(self, key: str) -> list[str]:
        return [self.of[key]]


def kept(value: Any) -> Any:  # noqa: ANN401 - whatever several tasks need
    """A task whose result others depend on; the scheduler gives it to another worker if need be."""
    return value


@dataclass(frozen=True)
class Row:
    """Partitions that follow each other, to be folded by one task.

    first is the first one's number of all, the number of all partitions; home is the worker who
    keeps their blocks, if it lives.
    """

    pieces: tuple[Piece, ...]
    first: int
    all: int
    home: str


def dealt(pieces: Sequence[Piece], homes: Sequence[str]) -> Iterator[Row]:
    """The pieces cut into a row for each home, of about as many records; none is empty."""
    ends = np.cumsum([piece.part.records for piece in pieces], dtype=np.float64)
    if not ends.size:
        return
    middle = ends - np.diff(ends, prepend=0) / 2
    places = np.minimum(middle * len(homes) / ends[-1], len(homes) - 1).astype(np.int64)
    for place in np.unique(places):
        first, after = np.searchsorted(places, (place, place + 1)).tolist()
        yield Row(tuple(pieces[first:after]), first, len(pieces), homes[place])


def folded(row: Row, ask: Ask, topic: str, name: str) -> Share:
    """The sums over a row; how far it is, where it takes a while, is told under the topic."""
    from distributed import get_worker  # noqa: PLC0415 - only where there is a cluster

    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    branches: list[Branch[Folded]] = []
    records, told = 0, time.monotonic()
    file = row.pieces[0].part.file
    try:
        question = asked(ask)
        for place, piece in enumerate(row.pieces):
            # Nobody waits for the rest of what was cancelled.
            if task is not None and task.state == "cancelled":
                return Share()
            file = piece.part.file
            found = fold(piece, question)
            branches.append(Branch(0, row.first + place, found))
            records += found.records
            if time.monotonic() - told > _WHILE:
                worker.log_event(topic, (name, row.first, place + 1, records))
                told = time.monotonic()
    except Exception as error:  # noqa: BLE001 - told as a value
        return Share(failure=Failure.of(error, file))
    astray = int(worker.address != row.home)
    return Share(tuple(grown(branches, row.all, combined)), astray)


def fold(piece: Piece, question: Question[Any, Statistic]) -> Folded:
    """The sum over one partition."""
    total: Statistic | None = None
    records = 0
    for block in question.over(_blocks(piece)):
        part = question.answer(block)
        records += block.records
        if part is not None:
            total = part if total is None else total + part
    return Folded(total, records)


def joined(partitions: int, *shares: Share) -> Share:
    """Shares of rows that follow each other as one, of so many partitions in all."""
    for share in shares:
        if share.failure is not None:
            return share
    branches = (branch for share in shares for branch in share.branches)
    return Share(
        tuple(grown(branches, partitions, combined)), sum(share.astray for share in shares)
    )


def combined(parts: Sequence[Folded]) -> Folded:
    """The sum of parts in their order."""
    total: Statistic | None = None
    for part in parts:
        if part.statistic is not None:
            total = part.statistic if total is None else total + part.statistic
    return Folded(total, sum(part.records for part in parts))


def about(folder: PartitionFolder, probe: str) -> tuple[str, str]:
    """The version of MIP that a worker has, and why it does not see the partitions, if so.

    It has loaded what it needs to fold afterwards.
    """
    known_kernels()
    return own_version(), folder.trouble(probe)


@cache
def own_version() -> str:
    """The version of MIP that runs here, looked up once."""
    return software_version()


@cache
def known_kernels() -> Mapping[str, Kernel]:
    """The kernels of MIP's own algorithms, and those that a site's guard asks."""
    return kernels_of_all(registry().values()) | kernels_reached((dominated, dataset_counts))


def asked(ask: Ask) -> Question[Any, Statistic]:
    """The question, taken from the wire; raises WorkFailed where it cannot be answered here."""
    if ask.software != own_version():
        raise WorkFailed(
            f"A worker has MIP {own_version()}, and {ask.software} asks it",
            remedy="Install the same version on all.",
        )
    kernel = known_kernels().get(ask.kernel)
    if kernel is None:
        raise WorkFailed(f"A worker knows no kernel {ask.kernel[:200]}")
    return Question(
        kernel.function,
        decoded_as(ask.state, kernel.state),
        road=Road(ask.groups, tuple(_change(content) for content in ask.adjustments)),
    )


def _blocks(piece: Piece) -> Iterator[Block]:
    cache = _cache()
    cache.capacity = piece.memory * MEGABYTE
    return cache.blocks(piece.name, piece.expected, lambda: _read(piece))


def _read(piece: Piece) -> Iterator[Block]:
    (snapshot,) = piece.selection.snapshots
    with piece.folder.opened(piece.part) as path:
        own = replace(snapshot, path=path, records=piece.part.records)
        selection = replace(piece.selection, snapshots=(own,))
        given = _Given(piece, _engine(piece.folder.root, passing=piece.folder.passing))
        yield from encoded_blocks(given, selection, (piece.position,))


@dataclass(frozen=True)
class _Given:
    """Scans a partition, whose groups and keys are given."""

    piece: Piece
    engine: DuckDBEngine

    def scan(self, selection: Selection) -> Iterator[tuple[int, pa.RecordBatch]]:
        return self.engine.scan(selection)

    def sizes(self, selection: Selection) -> tuple[Size, ...]:
        return self.engine.sizes(selection)

    def rows(self, selection: Selection) -> tuple[tuple[BoolArray, IntArray | None], ...]:
        return self.engine.rows(selection)

    def groups(self, _selection: Selection, _key: bytes) -> tuple[IntArray, ...]:
        assert self.piece.groups is not None
        return (self.piece.groups,)

    def keys(self, _selection: Selection, _key: bytes) -> tuple[KeyArray, ...]:
        assert self.piece.keys is not None
        return (self.piece.keys,)


@cache
def _engine(folder: Path, *, passing: bool) -> DuckDBEngine:
    # A worker's threads are the cluster's affair.
    return DuckDBEngine(folder, threads=1, passing=passing)


@cache
def _cache() -> BlockCache:
    ThreadpoolController().limit(limits=1, user_api="blas")
    return BlockCache()


@lru_cache(maxsize=256)
def _change(content: bytes) -> Change:
    """The adjustment of these bytes; the same object each time, so that blocks know it."""
    found: Change = decoded_as(content, Change)
    return found


def _kind(error: type[MipError]) -> str:
    return f"{error.__module__}:{error.__qualname__}"
