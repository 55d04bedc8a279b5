"""A site's records folded by the workers of a cluster; only their sum comes back.

Each partition is folded where its blocks are kept, and sums are added by a tree on the workers,
whose shape the number of partitions alone decides: a rerun gives the same bits, whichever worker
does what. The guard is this process's: what comes back has not passed it.
"""

import contextlib
import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from weakref import WeakValueDictionary

import numpy as np

from medmip.catalogue.home import Home
from medmip.federation.dask_connection import ClusterTrouble, Connection
from medmip.federation.dask_spread import Spread, spread_out
from medmip.federation.kernels import described, name_of
from medmip.federation.partition_work import (
    Ask,
    Homes,
    Piece,
    Share,
    about,
    folded,
    joined,
    kept,
    known_kernels,
    own_version,
)
from medmip.federation.question import Change, Question
from medmip.federation.site import HeldUp, Part, Progress, Summing
from medmip.federation.wire import encoded
from medmip.fold.statistic import IntArray, Statistic
from medmip.logbook import logger
from medmip.store.engine import KeyArray, Selection
from medmip.store.engine_settings import EngineSettings, engine_settings
from medmip.store.partition_folders import partition_folder
from medmip.store.partitions import Partitions
from medmip.store.placed import Placed
from medmip.store.snapshots import Snapshot

if TYPE_CHECKING:
    from distributed import Client

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)
log = logger("medmip.federation.dask_cluster")
_GLANCE = 0.05
"""Seconds between looks at whether a run was cancelled."""
_SLOW = 10.0
"""Seconds that workers wait for others before the log names those."""
_COUNTED = 5.0
"""Seconds after which the workers are counted again, some of which may be new."""
_JOINED_AT_ONCE = 4
"""Shares that one task joins, so that they come together on the workers."""
_MOST_COHORTS = 32
"""Cohorts whose pieces the cluster knows; what the others' workers keep is bounded by bytes."""
_LARGE = 2**16
"""Bytes of a question that is sent to the cluster once instead of once a partition."""


class DaskCluster:
    """Folds parts of cohorts on a cluster; implements Workers."""

    def __init__(self, settings: EngineSettings, home: Home) -> None:
        self._settings = settings
        self._partitions = Partitions(partition_folder(settings, home), settings.partition_records)
        self._connection = Connection(settings)
        self._topic = f"mip-{token_hex(8)}"
        self._lock = threading.Lock()
        self._spread: OrderedDict[str, Spread] = OrderedDict()
        # Weak, so that what nobody waits for any more is given up.
        self._foldings: WeakValueDictionary[str, _ClusterFolding[Any]] = WeakValueDictionary()
        self._heard: Client | None = None
        self._threads: Mapping[str, int] = {}
        self._counted = -math.inf

    def takes(self, part: Part, question: Question[Any, Any]) -> bool:
        held = part.selection.snapshots
        placed = not held or any(isinstance(snapshot, Placed) for snapshot in held)
        # Algorithms of other packages are run by this process alone, which enabled them.
        return not placed and name_of(question.kernel) in known_kernels()

    def folding(self, part: Part, question: Question[State, S], progress: Progress) -> Summing[S]:
        key, spread = self._spread_of(part)
        kernel = described(question.kernel)
        ask = Ask(
            own_version(),
            kernel.name,
            encoded(question.state, kernel.state),
            question.road.groups,
            tuple(encoded(change, Change) for change in question.road.adjustments),
        )
        name = f"{self._topic}-{token_hex(8)}"
        folding = _ClusterFolding[S](
            spread, progress, self._settings.patience, lambda: self._forget(key, spread)
        )
        self._foldings[name] = folding
        try:
            folding.begin(ask, self._topic, name)
        except Exception as error:  # noqa: BLE001 - of many libraries
            raise _lost(error) from None
        return folding

    def check(self) -> tuple[list[str], list[str]]:
        """The workers' addresses, and what is wrong with them.

        Raises ClusterTrouble, or StoreError of the place of partitions.
        """
        client = self._connection.client()
        folder = self._partitions.folder
        with folder.probe() as probe:
            try:
                found = client.run(about, folder, probe, on_error="return")
            except Exception as error:  # noqa: BLE001 - of many libraries
                raise _lost(error) from None
        wrong = [] if found else ["no worker has joined the scheduler"]
        for address, told in sorted(found.items()):
            if isinstance(told, Exception):
                wrong.append(f"{address} cannot run MIP: {type(told).__name__}")
            elif told[0] != own_version():
                wrong.append(f"{address} has MIP {told[0]}, not {own_version()}")
            elif told[1]:
                wrong.append(f"{address} {told[1]}")
        return sorted(found), wrong

    def close(self) -> None:
        """Ends the connection, and the cluster where it was begun here."""
        with self._lock:
            self._spread.clear()
        self._connection.close()

    def _spread_of(self, part: Part) -> tuple[str, Spread]:
        secret = hashlib.sha256(b"cohort" + part.site.key).hexdigest()
        key = f"{part.cohort}|{secret}"
        with self._lock:
            client = self._listening()
            known = self._spread.get(key)
        threads = self._threads_of(client)
        if known is None or not known.holds(client, threads):
            # Without the lock: to divide a large dataset takes minutes, and others go on meanwhile.
            known = spread_out(client, threads, self._pieces(part, key))
        with self._lock:
            self._spread[key] = known
            self._spread.move_to_end(key)
            while len(self._spread) > _MOST_COHORTS:
                self._spread.popitem(last=False)
        return key, known

    def _forget(self, key: str, spread: Spread) -> None:
        """Rows are dealt anew in the next round, among the workers that there are then."""
        with self._lock:
            if self._spread.get(key) is spread:
                del self._spread[key]
            self._counted = -math.inf

    def _threads_of(self, client: "Client") -> Mapping[str, int]:
        """How many threads each worker has, as of a moment ago."""
        if time.monotonic() - self._counted > _COUNTED:
            try:
                self._threads = client.nthreads()
            except Exception as error:  # noqa: BLE001 - of many libraries
                raise _lost(error) from None
            self._counted = time.monotonic()
        if not self._threads:
            self._counted = -math.inf
            raise ClusterTrouble(
                "The cluster has no worker", remedy="Start workers, then run it again."
            )
        return self._threads

    def _listening(self) -> "Client":
        """The client, which hears of records that were folded."""
        client = self._connection.client()
        if self._heard is not client:
            self._spread.clear()
            self._counted = -math.inf
            client.subscribe_topic(self._topic, self._hear)
            self._heard = client
        return client

    def _hear(self, event: tuple[float, Any]) -> None:
        name, first, done, records = event[1]
        folding = self._foldings.get(name)
        if folding is not None:
            folding.hear(first, done, records)

    def _pieces(self, part: Part, key: str) -> list[Piece]:
        pieces = []
        total = sum(snapshot.records for snapshot in part.selection.snapshots)
        for snapshot, position in zip(part.selection.snapshots, part.positions, strict=True):
            own = replace(part.selection, snapshots=(snapshot,))
            stored = self._partitions.of(snapshot)
            groups, keys, places = self._beside(part, own, snapshot)
            told = replace(own, snapshots=(replace(snapshot, source="", applied=""),))
            for index, held in enumerate(stored):
                if not held.records:
                    continue
                mine = None if places is None else places == index
                pieces.append(
                    Piece(
                        name=hashlib.sha256(f"{key}|{held.sha256}".encode()).hexdigest(),
                        folder=self._partitions.folder,
                        part=held,
                        selection=told,
                        position=position,
                        groups=None if groups is None else groups[mine],
                        keys=None if keys is None else keys[mine],
                        expected=part.expected * held.records // max(total, 1),
                        memory=self._settings.memory,
                    )
                )
        return pieces

    def _beside(
        self, part: Part, own: Selection, snapshot: Snapshot
    ) -> tuple[IntArray | None, KeyArray | None, IntArray | None]:
        """Of the records kept of one version: their groups, keys and partitions, (kept,) each."""
        engine, key = part.site.engine, part.site.key
        groups = keys = None
        if own.partition is not None and own.partition.folds:
            groups = engine.groups(own, key)[0]
            groups = groups.astype(np.min_scalar_type(own.partition.folds))
        if own.identity:
            keys = engine.keys(own, key)[0]
        if groups is None and keys is None:
            return None, None, None
        ((held, patients),) = engine.rows(own)
        places = self._partitions.places(snapshot)[held]
        if own.visits is not None and patients is not None:
            # One record a patient, in the patients' order.
            places = places[np.unique(patients[held], return_index=True)[1]]
        return groups, keys, places


def cluster_of(home: Home) -> DaskCluster | None:
    """The cluster that a home's `mip.toml` names, not begun yet; raises SettingsError."""
    settings = engine_settings(home)
    return DaskCluster(settings, home) if settings.kind == "dask" else None


def close_cluster(cluster: DaskCluster | None) -> None:
    """Closes a cluster, where there is one."""
    if cluster is not None:
        cluster.close()


class _ClusterFolding(Generic[S]):
    """A fold that the cluster is at."""

    def __init__(
        self, spread: Spread, progress: Progress, patience: float, astray: Callable[[], None]
    ) -> None:
        self._spread, self._progress, self._patience = spread, progress, patience
        self._astray = astray
        self._over = threading.Event()
        self._hearing = threading.Lock()
        self._heard: dict[int, tuple[int, int]] = {}
        self._told = 0
        self._sign = self._begun = time.monotonic()
        self._look = self._begun + _SLOW
        self._waited: frozenset[str] = frozenset()
        self._name = ""

    def begin(self, ask: Ask, topic: str, name: str) -> None:
        """Sends the question, in one message whatever the number of partitions."""
        import dask  # noqa: PLC0415 - only where there is a cluster

        self._name = name
        rows = self._spread.rows
        asked: Any = ask
        tasks: dict[str, Any] = {}
        homes: dict[str, str] = {}
        if len(ask.state) + sum(map(len, ask.adjustments)) > _LARGE:
            key = f"{name}-ask"
            tasks[key], homes[key] = (kept, ask), rows[0].home
            asked = key
        level = []
        for row, held in zip(rows, self._spread.held, strict=True):
            key = f"{name}-{row.first}"
            tasks[key] = (folded, held, asked, topic, name)
            homes[key] = row.home
            level.append(key)
        while len(level) > 1:
            below, level = level, []
            for start in range(0, len(below), _JOINED_AT_ONCE):
                shares = below[start : start + _JOINED_AT_ONCE]
                key = f"{shares[0]}+{len(shares)}"
                tasks[key] = (joined, rows[0].all, *shares)
                homes[key] = homes[shares[0]]
                level.append(key)
        with dask.annotate(workers=Homes(homes), allow_other_workers=True):
            self._root = self._spread.client.get(tasks, level[0], sync=False)
        # Of the event alone: the fold may be forgotten before it is over.
        over = self._over
        self._root.add_done_callback(lambda _: over.set())

    def hear(self, first: int, done: int, records: int) -> None:
        """Of the row that begins so, pieces were folded, perhaps once more, and their records."""
        with self._hearing:
            self._heard[first] = done, records
            self._sign = time.monotonic()

    def total(self) -> S | None:
        """The sum, once all is folded; raises what a kernel does, ClusterTrouble, Cancelled."""
        try:
            while not self._over.wait(_GLANCE):
                self._tell()
                self._look_round()
                if time.monotonic() - self._sign > self._patience:
                    raise self._slow()
            return self._answer()
        except BaseException:
            self._give_up()
            raise
        finally:
            self._held_up("")

    def _tell(self) -> None:
        with self._hearing:
            seen = sum(records for _, records in self._heard.values())
        more, self._told = seen - self._told, seen
        self._progress(max(more, 0))

    def _look_round(self) -> None:
        """Names in the log the workers that the others wait for, where they do for long."""
        now = time.monotonic()
        if now < self._look:
            return
        self._look = now + _SLOW
        # A cluster that is lost is told by its answer.
        with contextlib.suppress(Exception):
            busy = self._busy()
            if busy and busy == self._waited and busy < {row.home for row in self._spread.rows}:
                log.warning(
                    "workers keep the others waiting",
                    workers=sorted(busy),
                    seconds=round(now - self._begun),
                )
                self._look = math.inf
                self._held_up(f"{_named(busy)} since {datetime.now(UTC):%H:%M:%S} UTC")
            self._waited = busy

    def _busy(self) -> frozenset[str]:
        """The workers that are at it."""
        return frozenset(
            address
            for address, keys in self._spread.client.processing().items()
            if any(str(key).startswith(self._name) for key in keys)
        )

    def _held_up(self, by: str) -> None:
        told: object = self._progress
        if isinstance(told, HeldUp):
            told.held_up(by)

    def _answer(self) -> S | None:
        try:
            found: Share = self._root.result(timeout=self._patience)
        except Exception as error:  # noqa: BLE001 - of many libraries
            raise _lost(error) from None
        if found.astray or found.failure is not None:
            self._astray()
        if found.failure is not None:
            if found.failure.frames:
                log.error("partition not folded", frames=found.failure.frames)
            raise found.failure.error()
        self._progress(max(found.whole.records - self._told, 0))
        return cast("S | None", found.whole.statistic)

    def _slow(self) -> ClusterTrouble:
        busy: frozenset[str] = frozenset()
        with contextlib.suppress(Exception):
            busy = self._busy()
        with self._hearing:
            done = {row.first: self._heard.get(row.first, (0, 0))[0] for row in self._spread.rows}
        waited = [
            f"{row.pieces[min(done[row.first], len(row.pieces) - 1)].part.file} at {row.home}"
            for row in self._spread.rows
            if not busy or row.home in busy
        ]
        return ClusterTrouble(
            f"The cluster has not got on for {self._patience:g} seconds; waited for are "
            f"{', '.join(waited[:5])}",
            remedy="Look at these workers; `patience` in mip.toml says how long is waited.",
        )

    def _give_up(self) -> None:
        # What a worker is at goes on to the partition's end, and its sum is thrown away.
        with contextlib.suppress(Exception):
            self._spread.client.cancel([self._root])


def _named(addresses: frozenset[str]) -> str:
    """Workers as a person who waits is told of them: by machine and port, a few of many."""
    shown = sorted(address.rpartition("//")[2] for address in addresses)
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return f"worker{'s' if len(shown) > 1 else ''} {', '.join(shown[:3])}{more}"


def _lost(error: Exception) -> ClusterTrouble:
    """What a cluster's error is to the person who meets it; its own words may quote what it had."""
    kind = type(error).__name__
    if kind == "KilledWorker":
        return ClusterTrouble(
            "Several workers in turn died over the same partition",
            remedy="See whether they have memory enough; smaller partitions need less.",
        )
    return ClusterTrouble(
        f"The cluster was lost in the middle of a round: {kind}",
        remedy="See that its scheduler and workers run (`mip doctor`), then run it again.",
    )
