"""The ledger's head: how far it reached, kept outside the database and sealed."""

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from medmip.catalogue.atomic_file import write_atomically
from medmip.catalogue.home import Home

FIRST = "0" * 64
"""What the first row follows."""


@dataclass(frozen=True)
class Head:
    """The number and the hash of the newest row that is known to have been written."""

    number: int
    hash: str


class LedgerHead:
    """The key that seals the ledger, and its head, both in the home's folder of keys.

    Without a head kept apart nobody would miss rows taken from the ledger's end. It lags behind a
    row that was written just before a kill, and never runs ahead of the rows.
    """

    def __init__(self, home: Home) -> None:
        self._path = home.keys / "ledger.head"
        self.key = self._made(home)

    def read(self) -> Head | None:
        """The head; None where it is missing or its seal is not ours."""
        try:
            content = json.loads(self._path.read_bytes())
            head, seal = Head(int(content["number"]), str(content["hash"])), str(content["seal"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return head if hmac.compare_digest(seal, self._seal(head)) else None

    def advance(self, newest: Head, hash_of: Callable[[int], str | None]) -> None:
        """Moves on to the newest row, unless rows are missing that the head knows of.

        hash_of tells the hash of a row by its number. A head whose row is gone stays where it is,
        so that rows written afterwards hide nothing.
        """
        with self._alone():
            head = self.read()
            if head is None or head.number >= newest.number:
                return
            if head.number == 0 or hash_of(head.number) == head.hash:
                self._write(newest)

    def _write(self, head: Head) -> None:
        content = {"number": head.number, "hash": head.hash, "seal": self._seal(head)}
        write_atomically(self._path, json.dumps(content).encode())

    def _seal(self, head: Head) -> str:
        content = f"head {head.number} {head.hash}"
        return hmac.new(self.key, content.encode(), hashlib.sha256).hexdigest()

    def _made(self, home: Home) -> bytes:
        """The key, made once with the head of an empty ledger, readable by its owner alone."""
        path = home.keys / "ledger.key"
        with self._alone():
            if not path.exists():
                self.key = secrets.token_bytes(32)
                self._write(Head(0, FIRST))
                # The key comes last: where it stands, a missing head was taken away.
                write_atomically(path, self.key)
        return path.read_bytes()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)
