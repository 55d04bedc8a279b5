"""A folder for one import's temporary files, in the home; those of killed imports are removed."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medmip.catalogue.atomic_file import alone
from medmip.catalogue.home import Home
from medmip.ingest.errors import IngestError

_LOCK = ".lock"
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@contextmanager
def work_folder(home: Home | None) -> Iterator[Path]:
    """A fresh folder, readable by its owner alone, gone afterwards; without a home in /tmp.

    Raises IngestError where what is done with it fills the disk.
    """
    root = None if home is None else home.path / "work"
    if root is None:
        folder, lock = _made(None)
    else:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Nobody may take a new folder for an abandoned one before it is locked.
        with alone(root):
            _remove_abandoned(root)
            folder, lock = _made(root)
    try:
        yield folder
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise disk_full() from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def disk_full() -> IngestError:
    """There is no room for what has to be written."""
    return IngestError(
        "There is not enough space on the disk, or files so large may not be written.",
        remedy="Free space in the home folder, or split the file.",
    )


def _made(root: Path | None) -> tuple[Path, int]:
    """A new folder, and the lock on it, held."""
    folder = Path(tempfile.mkdtemp(prefix="import-", dir=root))
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def _remove_abandoned(root: Path) -> None:
    """Remove the folders whose import no longer runs: its lock is free."""
    for folder in root.glob("import-*"):
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
