"""A home from a backup: built aside, moved into its place at the end."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medmip.catalogue.atomic_file import alone, sync_folder
from medmip.catalogue.home import Home
from medmip.deploy.archive import Manifest
from medmip.deploy.encryption import unwritable
from medmip.deploy.errors import BackupError
from medmip.deploy.verification import read_backup


def restore(path: Path, identity: Path, home: Home) -> Manifest:
    """Make a home out of a backup; the home's folder is missing or empty.

    It is built in a folder beside and renamed once every path and hash was checked and all is on
    the disk: after a kill at any moment the home is whole or as it was. Every file belongs to the
    present user alone. Raises BackupError.
    """
    _check_empty(home)
    try:
        home.path.parent.mkdir(parents=True, exist_ok=True)
        with _aside(home.path) as folder:
            manifest = read_backup(path, identity, folder)
            Home(folder).prepare()
            for below in [folder, *(entry for entry in folder.rglob("*") if entry.is_dir())]:
                sync_folder(below)
            # Onto a folder that is not empty any more, the rename is refused.
            os.rename(folder, home.path)
            sync_folder(home.path.parent)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise _occupied(home) from None
        if error.errno in (errno.EBUSY, errno.EXDEV):
            raise BackupError(
                "The home is a disk of its own, which cannot be put in place in one step",
                where=str(home.path),
                remedy="Name a folder inside it that is not there yet.",
            ) from None
        raise unwritable(home.path, error) from None
    return manifest


def _check_empty(home: Home) -> None:
    if home.path.is_symlink() or (home.path.exists() and not home.path.is_dir()):
        raise BackupError(
            "The home is not a folder", where=str(home.path), remedy="Name another with --home."
        )
    if home.path.is_dir() and any(home.path.iterdir()):
        raise _occupied(home)


def _occupied(home: Home) -> BackupError:
    return BackupError(
        "The home holds something already, and a backup is restored onto an empty one only",
        where=str(home.path),
        remedy="Stop MIP and move that folder away, or name a new one with --home.",
    )


@contextmanager
def _aside(target: Path) -> Iterator[Path]:
    """A new folder beside target; those of killed restorations are removed."""
    prefix = f".{target.name}.restore-"
    with alone(target.parent):
        for left in target.parent.glob(f"{prefix}*"):
            _remove_abandoned(left)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(folder: Path) -> None:
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
