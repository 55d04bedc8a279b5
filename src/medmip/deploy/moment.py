"""A home as it was at one moment, while servers and imports go on."""

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from medmip.catalogue.atomic_file import alone
from medmip.catalogue.home import Home
from medmip.deploy.contents import HEAD, LEDGER_KEY, PARTS, STATE, is_passing
from medmip.deploy.errors import BackupError
from medmip.errors import Conflict
from medmip.store.placed import registers
from medmip.store.snapshots import Datasets

_FOLDER = ".backup"
_LOCK = "backup.lock"
_PATIENCE = 60.0


@contextmanager
def moment_of(home: Home) -> Iterator[Path]:
    """A folder that holds what a backup of the home holds, and that nobody changes.

    Files that are only ever replaced are linked, at no cost; the state database is copied by
    SQLite. The ledger's head is read before the database: it may lag behind the rows and never
    runs ahead of them, as it is in a home. No publication happens meanwhile, and every dataset
    that an experiment in the copy names is there. Raises Conflict where another backup of the
    home runs, BackupError, OSError.
    """
    with _only_backup(home):
        folder = home.path / _FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            _copy_head(home, folder)
            with Datasets(home).still(), registers(home).still():
                _copy_state(home.state_db, folder / STATE)
                for part in PARTS:
                    if part.kept and part.name != STATE:
                        _link(home.path / part.name, folder / part.name, part.name)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _only_backup(home: Home) -> Iterator[None]:
    descriptor = os.open(home.path / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"Another backup of {home.path} is being made", remedy="Wait until it has ended."
            ) from None
        yield
    finally:
        os.close(descriptor)


def _copy_head(home: Home, folder: Path) -> None:
    """The ledger's head, which is written in place, and the key that was there before it."""
    (folder / HEAD).parent.mkdir(mode=0o700)
    with alone(home.keys):
        for name in (HEAD, LEDGER_KEY):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(home.path / name, folder / name)
                (folder / name).chmod(0o600)


def _copy_state(source: Path, target: Path) -> None:
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    # Through SQLite alone: to open the file by hand would drop the locks of a server in this
    # process (https://www.sqlite.org/howtocorrupt.html, 2.2).
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as state,
            closing(sqlite3.connect(target)) as copy,
        ):
            state.execute(f"PRAGMA busy_timeout = {int(_PATIENCE * 1000)}")
            state.backup(copy)
    except sqlite3.Error as error:
        raise BackupError(
            f"The state database cannot be copied: {error}",
            where=str(source),
            remedy="`mip doctor` tells more; the disk may be full.",
        ) from None


def _link(source: Path, target: Path, name: str) -> None:
    """Link a file, or all files of a folder; where the disk knows no links, copy them."""
    if source.is_file():
        if not target.exists() and not is_passing(source.name):
            _linked(source.resolve(), target)
    elif source.is_dir():
        target.mkdir(mode=0o700, exist_ok=True)
        for entry in source.iterdir():
            if entry.is_symlink():
                raise BackupError(
                    f"“{name}/{entry.name}” is a link, and a backup does not follow it",
                    where=str(source),
                    remedy="Put the file itself there, or link the whole folder "
                    "at the top of the home.",
                )
            _link(entry, target / entry.name, f"{name}/{entry.name}")


def _linked(source: Path, target: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # replaced or removed a moment ago
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:
            shutil.copyfile(source, target)
            shutil.copymode(source, target)
