"""The ledger's head: how far it reached, kept outside the database and sealed."""

import hmac
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from medmip.catalogue.atomic_file import alone, write_atomically
from medmip.catalogue.home import Home

FIRST = "0" * 64
"""What the first row follows."""
SECTOR = 512
"""Bytes that a disk writes as a whole; the head fills them, so that it may be written in place."""
SYNCED_WITHIN = 1.0
"""Seconds within which the head is on the disk."""


@dataclass(frozen=True)
class Head:
    """The number and the hash of the newest row that is known to have been written."""

    number: int
    hash: str


class LedgerHead:
    """The key that seals the ledger, and its head, both in the home's folder of keys.

    Without a head kept apart nobody would miss rows taken from the ledger's end. It never runs
    ahead of the rows, which are on the disk before it moves on, and lags behind them by a row that
    was written just before a kill, or a second's rows after a power cut: to sync it with each row
    would double what a release costs.
    """

    def __init__(self, home: Home) -> None:
        self._path = home.keys / "ledger.head"
        self._known: tuple[bytes, Head] | None = None
        self._sync_at_hand = threading.Event()
        self.key = self._made(home)

    def read(self) -> Head | None:
        """The head; None where it is missing or its seal is not ours."""
        with alone(self._path.parent), suppress(OSError), self._opened(os.O_RDONLY) as file:
            return self._told(file)
        return None

    def advance(self, newest: Head, before: Head, hash_of: Callable[[int], str | None]) -> None:
        """Moves on to the newest row, unless rows are missing that the head knows of.

        before is the row before it, and hash_of tells the hash of any other by its number. A head
        whose row is gone stays where it is, so that rows written afterwards hide nothing.
        """
        with alone(self._path.parent), suppress(FileNotFoundError), self._opened() as file:
            head = self._told(file)
            if head is None or head.number >= newest.number:
                return
            if head == before or head.number == 0 or hash_of(head.number) == head.hash:
                sector = self._sector(newest)
                os.pwrite(file, sector, 0)
                self._known = (sector, newest)
                self._sync_soon()

    @contextmanager
    def _opened(self, flags: int = os.O_RDWR) -> Iterator[int]:
        descriptor = os.open(self._path, flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _told(self, file: int) -> Head | None:
        """The head in an open file; None where it is damaged or its seal is not ours."""
        sector = os.pread(file, 2 * SECTOR, 0)
        # What this process wrote last it need not check anew in every round of an analysis.
        if self._known is not None and self._known[0] == sector:
            return self._known[1]
        try:
            content = json.loads(sector)
            head, seal = Head(int(content["number"]), str(content["hash"])), str(content["seal"])
        except (ValueError, KeyError, TypeError):
            return None
        return head if hmac.compare_digest(seal, self._seal(head)) else None

    def _sector(self, head: Head) -> bytes:
        content = json.dumps({"number": head.number, "hash": head.hash, "seal": self._seal(head)})
        return content.encode().ljust(SECTOR)

    def _sync_soon(self) -> None:
        if not self._sync_at_hand.is_set():
            self._sync_at_hand.set()
            timer = threading.Timer(SYNCED_WITHIN, self._sync)
            timer.daemon = True
            timer.start()

    def _sync(self) -> None:
        self._sync_at_hand.clear()
        # The home may be gone: a test's, or one that was moved.
        with suppress(FileNotFoundError), self._opened() as file:
            os.fsync(file)

    def _seal(self, head: Head) -> str:
        content = f"head {head.number} {head.hash}"
        return hmac.digest(self.key, content.encode(), "sha256").hex()

    def _made(self, home: Home) -> bytes:
        """The key, made once with the head of an empty ledger, readable by its owner alone."""
        path = home.keys / "ledger.key"
        with alone(self._path.parent):
            if not path.exists():
                self.key = secrets.token_bytes(32)
                write_atomically(self._path, self._sector(Head(0, FIRST)))
                # The key comes last: where it stands, a missing head was taken away.
                write_atomically(path, self.key)
        return path.read_bytes()
