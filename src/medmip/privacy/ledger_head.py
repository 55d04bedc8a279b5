"""The ledger's head: how far it reached, kept outside the database and sealed."""

import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
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
        self._sync_at_hand = threading.Event()
        self.key = self._made(home)

    def read(self) -> Head | None:
        """The head; None where it is missing or its seal is not ours."""
        with alone(self._path.parent):
            return self._read()

    def _read(self) -> Head | None:
        try:
            content = json.loads(self._path.read_bytes())
            head, seal = Head(int(content["number"]), str(content["hash"])), str(content["seal"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return head if hmac.compare_digest(seal, self._seal(head)) else None

    def advance(self, newest: Head, before: Head, hash_of: Callable[[int], str | None]) -> None:
        """Moves on to the newest row, unless rows are missing that the head knows of.

        before is the row before it, and hash_of tells the hash of any other by its number. A head
        whose row is gone stays where it is, so that rows written afterwards hide nothing.
        """
        with alone(self._path.parent):
            head = self._read()
            if head is None or head.number >= newest.number:
                return
            if head == before or head.number == 0 or hash_of(head.number) == head.hash:
                self._write(newest)

    def _write(self, head: Head) -> None:
        content = json.dumps({"number": head.number, "hash": head.hash, "seal": self._seal(head)})
        sector = content.encode().ljust(SECTOR)
        try:
            descriptor = os.open(self._path, os.O_WRONLY)
        except FileNotFoundError:
            write_atomically(self._path, sector)
            return
        try:
            os.pwrite(descriptor, sector, 0)
        finally:
            os.close(descriptor)
        if not self._sync_at_hand.is_set():
            self._sync_at_hand.set()
            timer = threading.Timer(SYNCED_WITHIN, self._sync)
            timer.daemon = True
            timer.start()

    def _sync(self) -> None:
        self._sync_at_hand.clear()
        # The home may be gone: a test's, or one that was moved.
        with suppress(FileNotFoundError):
            descriptor = os.open(self._path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _seal(self, head: Head) -> str:
        content = f"head {head.number} {head.hash}"
        return hmac.new(self.key, content.encode(), hashlib.sha256).hexdigest()

    def _made(self, home: Home) -> bytes:
        """The key, made once with the head of an empty ledger, readable by its owner alone."""
        path = home.keys / "ledger.key"
        with alone(self._path.parent):
            if not path.exists():
                self.key = secrets.token_bytes(32)
                self._write(Head(0, FIRST))
                # The key comes last: where it stands, a missing head was taken away.
                write_atomically(path, self.key)
        return path.read_bytes()
