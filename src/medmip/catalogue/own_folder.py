"""Folders for one piece of work's temporary files; those of killed processes are removed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medmip.catalogue.atomic_file import alone

_LOCK = ".lock"


@contextmanager
def own_folder(root: Path | None, prefix: str) -> Iterator[Path]:
    """A fresh folder, readable by its owner alone, gone afterwards; without a root in /tmp.

    A lock says for as long as this process lives that the folder is in use.
    """
    if root is None:
        folder, lock = _made(None, prefix)
    else:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Nobody may take a new folder for an abandoned one before it is locked.
        with alone(root):
            _clear(root)
            folder, lock = _made(root, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def clear_abandoned(root: Path) -> None:
    """Remove what killed processes left below a root; what a living one works on stays."""
    if root.is_dir():
        with alone(root):
            _clear(root)


def _made(root: Path | None, prefix: str) -> tuple[Path, int]:
    """A new folder, and the lock on it, held."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def _clear(root: Path) -> None:
    """Remove the folders that nobody holds the lock of; those without one were half removed."""
    for folder in root.iterdir():
        if folder.is_symlink() or not folder.is_dir():
            continue
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR)
        except FileNotFoundError:
            shutil.rmtree(folder, ignore_errors=True)
            continue
        except OSError:
            # Of another account: it is not ours to judge.
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
