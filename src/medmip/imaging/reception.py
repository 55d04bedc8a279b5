"""Images that were received: kept by study until nobody sends any more, then brought in.

`received/open/<study>` is being sent, `received/closed/<study>` waits to be brought in, and
`received/done/<study>` was; the names are digests. A machine that stops at any moment loses no
image that `keep` returned for.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from medmip.catalogue.atomic_file import sync_folder
from medmip.catalogue.home import Home
from medmip.errors import Conflict
from medmip.imaging.apart import Apart
from medmip.imaging.settings import ReceiverSettings
from medmip.logbook import logger

LOOK_EVERY = 0.5
TRY_AGAIN_AFTER = 600.0
"""Seconds after which a study that could not be brought in, as by a full disk, is tried again."""
BROKEN_OFF = 5
"""How many times longer a study is waited for whose sending was broken off: the rest may come."""
_PASSING = ".partial"
log = logger("medmip.imaging")


class Sender(Protocol):
    """Who sends images: lives for as long as more may come, and is released if it said all."""

    is_released: bool

    def is_alive(self) -> bool:
        """Whether it may still send."""


@dataclass
class _Study:
    """When something of it came last, who sent it, and how many images are being written."""

    came: float
    broken: bool = False
    senders: set[Sender] = field(default_factory=set)
    writing: int = 0

    def is_over(self, now: float, quiet: float) -> bool:
        if self.writing or any(sender.is_alive() for sender in self.senders):
            return False
        broken = self.broken or not all(sender.is_released for sender in self.senders)
        return now - self.came >= quiet * (BROKEN_OFF if broken else 1)


class Reception:
    """The folder `received` of a home; one process at a time opens it."""

    def __init__(self, home: Home, settings: ReceiverSettings) -> None:
        self._root = home.received
        self._open = home.received / "open"
        self._closed = home.received / "closed"
        self._done = home.received / "done"
        self._settings = settings
        self._apart = Apart(home)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._studies: dict[str, _Study] = {}
        self._due: dict[str, float] = {}

    @contextmanager
    def working(self) -> Iterator[None]:
        """Takes up what a stopped or killed process left, and brings in what comes.

        Raises Conflict where another process does so.
        """
        for folder in (self._root, self._open, self._closed, self._done):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._root, os.O_RDONLY)
        try:
            self._hold(descriptor)
            self._take_up()
            thread = threading.Thread(target=self._labour, name="reception", daemon=True)
            thread.start()
            try:
                yield
            finally:
                self._stop.set()
                self._apart.stop()
                thread.join(timeout=20)
        finally:
            os.close(descriptor)

    def keep(self, sender: Sender, study: str, content: bytes) -> bool:
        """Write an image so that it outlives a power cut; False where the disk is nearly full.

        Raises OSError where the disk refuses.
        """
        free = shutil.disk_usage(self._root).free
        if free - len(content) < self._settings.free_megabytes * 2**20:
            log.error("too little space is free to receive images", free=free)
            return False
        name = hashlib.sha256(study.encode()).hexdigest()[:32]
        with self._lock:
            found = self._studies.setdefault(name, _Study(time.monotonic()))
            found.senders.add(sender)
            found.writing += 1
        try:
            self._write(self._open / name, content)
        finally:
            with self._lock:
                found.writing -= 1
                found.came = time.monotonic()
        return True

    def _write(self, folder: Path, content: bytes) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(self._open)
        image = folder / f"{secrets.token_hex(8)}.dcm"
        aside = image.with_suffix(_PASSING)
        try:
            with aside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.rename(aside, image)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        sync_folder(folder)

    def _hold(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Conflict(
                f"Another `mip imaging listen` runs on {self._root.parent}",
                remedy="Stop it, or choose another folder with --home.",
            ) from None

    def _take_up(self) -> None:
        now = time.monotonic()
        for folder in self._open.iterdir():
            for half in folder.glob(f"*{_PASSING}"):
                half.unlink()
            self._studies[folder.name] = _Study(now, broken=True)
        for folder in self._done.iterdir():
            shutil.rmtree(folder)
        self._due = {folder.name: now for folder in self._closed.iterdir()}

    def _labour(self) -> None:
        while not self._stop.is_set():
            try:
                now = time.monotonic()
                self._close_what_is_over(now)
                for name in [name for name, due in self._due.items() if due <= now]:
                    self._bring_in(name)
            except Exception as error:  # noqa: BLE001 - what was acknowledged is tried again
                log.error("received images could not be brought in", kind=type(error).__name__)
            self._stop.wait(min(LOOK_EVERY, self._settings.quiet_seconds / 4))

    def _close_what_is_over(self, now: float) -> None:
        with self._lock:
            quiet = self._settings.quiet_seconds
            over = [name for name, one in self._studies.items() if one.is_over(now, quiet)]
            for name in over:
                # What comes later of the same study is another folder.
                closed = f"{name}-{secrets.token_hex(4)}"
                del self._studies[name]
                # Where the disk refused its first image there is no folder.
                with suppress(FileNotFoundError):
                    os.rename(self._open / name, self._closed / closed)
                    self._due[closed] = now
        if over:
            sync_folder(self._closed)
            sync_folder(self._open)

    def _bring_in(self, name: str) -> None:
        folder = self._closed / name
        self._due[name] = time.monotonic() + TRY_AGAIN_AFTER
        outcome = self._apart.add([folder])
        if outcome is None:
            return
        if outcome.trouble is not None:
            log.error("received images could not be brought in", study=name)
            return
        # Else a kill would leave a part of it, to be taken for the whole.
        os.rename(folder, self._done / name)
        sync_folder(self._closed)
        del self._due[name]
        shutil.rmtree(self._done / name)
        log.info("received images were brought in", scans=len(outcome.scans), new=outcome.new)
