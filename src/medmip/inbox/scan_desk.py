"""The desk for scans: watches their inbox and has what arrives brought in, in a process apart."""

import contextlib
import hashlib
import queue
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.errors import MipError
from medmip.imaging.apart import Apart
from medmip.imaging.outcome import ScanOutcome
from medmip.imaging.rules import rules_of
from medmip.imaging.settings import imaging_settings
from medmip.inbox.arrivals import STILL, Arrivals
from medmip.inbox.listing import Lying
from medmip.inbox.records import ScanRecords
from medmip.inbox.scan_item import LOOSE, ScanItem, ScanItemState
from medmip.inbox.scan_listing import lying_scans, name_of
from medmip.logbook import logger
from medmip.notices.event import Event, Kind
from medmip.notices.outbox import Tell

LOOK_EVERY = 0.4
_SHARE = 20
"""A look at trees of many files takes a while: the pause after it is so many times as long."""
log = logger("medmip.inbox")


class ScanDesk:
    """What lies in a home's inbox for scans. Only the home's one server opens it.

    Nothing there is altered. What is known is written down whenever it changes, so that a killed
    server goes on where it was; what could not be read is tried again at the next start. tell is
    given a notice of how many were brought in.
    """

    def __init__(self, home: Home, tell: Tell = lambda *_: None) -> None:
        self.home = home
        self._tell = tell
        self._seconds = imaging_settings(home).still_seconds
        self._records = ScanRecords(home)
        self._items = {item.name: item for item in self._records.all()}
        self._arrivals = Arrivals(self._still)
        self._lock = threading.RLock()
        self._work: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._apart = Apart(home)
        self._entered = 0
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "ScanDesk":
        """Takes up what a stopped or killed server left, and begins to watch."""
        with self._lock:
            self._entered += 1
            if self._entered > 1:
                return self
            with contextlib.suppress(OSError):
                self.home.scan_inbox.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._stop.clear()
            self._apart = Apart(self.home)
            self._work = queue.SimpleQueue()
            under = self._under()
            for item in [*self._items.values()]:
                failed = item.state is not ScanItemState.READ
                if failed or (under and item.under != under):
                    self._read(item)
            self._threads = [
                threading.Thread(target=self._watch, name="scan-inbox", daemon=True),
                threading.Thread(target=self._labour, name="scan-inbox-work", daemon=True),
            ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops watching; what is being read is left to the next start."""
        with self._lock:
            self._entered -= 1
            if self._entered:
                return
        self._stop.set()
        self._apart.stop()
        self._work.put(None)
        for thread in self._threads:
            thread.join(timeout=5)

    def items(self) -> list[ScanItem]:
        """Everything that lies in the inbox for scans, by name."""
        with self._lock:
            return sorted(self._items.values(), key=lambda item: item.name.casefold())

    def _watch(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                self._look(begun)
            except Exception as error:  # noqa: BLE001 - watching goes on, whatever one look met
                log.error("the inbox for scans could not be looked at", kind=type(error).__name__)
            self._stop.wait(max(LOOK_EVERY, _SHARE * (time.monotonic() - begun)))

    def _look(self, now: float) -> None:
        inbox = self.home.scan_inbox
        there = {name_of(found.path, inbox): found for found in lying_scans(inbox)}
        with self._lock:
            for name, found in there.items():
                self._note(name, found, now)
            for name in [name for name in self._items if name not in there]:
                # What was taken stays; the scans remember what became of it.
                self._arrivals.forget(name)
                del self._items[name]
                self._records.forget(name)

    def _note(self, name: str, found: Lying, now: float) -> None:
        known = self._items.get(name)
        arriving = known is None or known.state is ScanItemState.ARRIVING
        if known is not None and known.stamp == found.stamp and not arriving:
            return
        item = ScanItem(
            name=name,
            state=ScanItemState.ARRIVING,
            files=len(found.files),
            size=found.size,
            changed=datetime.fromtimestamp(found.changed, UTC),
            seen=known.seen if known and known.stamp == found.stamp else datetime.now(UTC),
            stamp=found.stamp,
            outcome=known.outcome if known else None,
        )
        # What is arriving is not written down: the next start would look at it anyway.
        self._items[name] = item
        if self._arrivals.is_whole(name, found, now):
            self._read(item)

    def _still(self, found: Lying, told: bool) -> float:
        # Between the files of a folder that is copied nobody has one open.
        single = told and found.files == (found.path,)
        return min(STILL, self._seconds) if single else self._seconds

    def _read(self, item: ScanItem) -> None:
        self._keep(item.model_copy(update={"state": ScanItemState.READING}))
        self._work.put(item.name)

    def _keep(self, item: ScanItem) -> None:
        with self._lock:
            self._items[item.name] = item
            self._records.write(item)

    def _labour(self) -> None:
        while (name := self._work.get()) is not None and not self._stop.is_set():
            item = self._items.get(name)
            if item is None or item.state is not ScanItemState.READING:
                continue
            under = self._under()
            try:
                outcome = self._apart.add(self._paths(name))
            except Exception as error:  # noqa: BLE001 - nothing foreign may end the desk's work
                log.error("scans of the inbox could not be added", kind=type(error).__name__)
                outcome = ScanOutcome(trouble="The process that reads scans could not be started.")
            if outcome is not None:
                self._settle(item, outcome, under)

    def _settle(self, before: ScanItem, outcome: ScanOutcome, under: str) -> None:
        """Keep what became of an item, unless it was changed or lost meanwhile."""
        state = ScanItemState.READ if outcome.trouble is None else ScanItemState.FAILED
        with self._lock:
            now = self._items.get(before.name)
            if now is None or now.stamp != before.stamp or now.state is not ScanItemState.READING:
                return
            self._keep(now.model_copy(update={"state": state, "outcome": outcome, "under": under}))
        if outcome.trouble is not None:
            self._tell(Event(Kind.SCANS_FAILED))
        elif outcome.new:
            self._tell(Event(Kind.SCANS_FINISHED, outcome.new))
        log.info("scans of the inbox were read", scans=len(outcome.scans), new=outcome.new)

    def _paths(self, name: str) -> Sequence[Path]:
        inbox = self.home.scan_inbox
        if name != LOOSE:
            return [path for path in inbox.iterdir() if name_of(path, inbox) == name]
        return [path for found in lying_scans(inbox) if found.path == inbox for path in found.files]

    def _under(self) -> str:
        """Names the rules and the pseudonyms by which scans are read now; empty if unreadable."""
        try:
            settings = imaging_settings(self.home)
            said = f"{rules_of(self.home).hash} {settings.model} {settings.dataset}"
        except MipError:
            return ""
        return hashlib.sha256(said.encode()).hexdigest()[:16]
