"""Writing a file so that a reader, or a machine that stops, sees all of it or nothing."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Replace path by content in one step.

    A temporary file beside it is written, synced and renamed, then the folder is synced. After a
    kill at any moment path holds the former or the new content; a `.partial` file may be left
    beside it. Raises OSError where the disk refuses.
    """
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[BufferedWriter]:
    """A file to write a piece at a time that takes path's place when the block is left.

    Left by an exception, path is as it was; else as of `write_atomically`.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the renames of a folder's files survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Make all below a folder survive a power cut."""
    for folder, _, names in os.walk(root):
        for name in names:
            descriptor = os.open(Path(folder, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(folder))


@contextmanager
def alone(folder: Path) -> Iterator[int]:
    """Waits until no other thread or process is in here with the same folder.

    Gives the descriptor that holds the place: a program that inherits it holds it until its end.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def if_alone(folder: Path) -> Iterator[bool]:
    """Tells at once whether nobody else is in here with the same folder; then nobody comes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
