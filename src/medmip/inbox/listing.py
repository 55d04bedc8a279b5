"""What lies in the inbox, and whether whoever writes it has finished; nothing in it is changed."""

import errno
import fcntl
import hashlib
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.ingest.formats import SUFFIXES

_MOST_FILES = 1_000
"""Files of a folder that are looked at."""
_UNFINISHED = (".part", ".partial", ".filepart", ".crdownload", ".tmp", ".download")
SCANS = Home(Path()).scan_inbox.name
_NO_LEASES = (errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Lying:
    """A file or folder of an inbox as it is now; stamp changes with every write to its files."""

    path: Path
    files: tuple[Path, ...]
    size: int
    changed: float
    stamp: str


def lying(inbox: Path) -> Iterator[Lying]:
    """Tables that can be read, and folders that hold some; not what a copying program renames.

    The folder for scans is another's.
    """
    try:
        entries = sorted(os.scandir(inbox), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        found = _found(Path(entry.path)) if entry.name != SCANS else None
        if found is not None:
            yield found


def shown(path: Path) -> str:
    """The name of what lies there, which is text even where the file's name is none."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


def stamp_of(path: Path) -> str:
    """The stamp of an item as it is now, empty where it is not there."""
    found = _found(path)
    return found.stamp if found is not None else ""


def _found(path: Path) -> Lying | None:
    try:
        return lying_of(path, files_of(path))
    except OSError:
        # It is just being renamed or removed: the next look sees what became of it.
        return None


def lying_of(path: Path, files: Sequence[Path]) -> Lying | None:
    """An item with these files, which lie below its folder; None without any; raises OSError."""
    if not files:
        return None
    status = [file.stat() for file in files]
    told = [
        (str(file.relative_to(path.parent)), s.st_ino, s.st_size, s.st_mtime_ns)
        for file, s in zip(files, status, strict=True)
    ]
    return Lying(
        path,
        tuple(files),
        size=sum(s.st_size for s in status),
        changed=max(s.st_mtime for s in status),
        stamp=hashlib.sha256(repr(told).encode()).hexdigest()[:32],
    )


def files_of(path: Path) -> list[Path]:
    """The files of an item: itself, or those of a folder that can be read."""
    if is_passing(path.name):
        return []
    if path.is_dir():
        inside = sorted(file for file in path.iterdir() if file.is_file())
        return [f for f in inside[:_MOST_FILES] if _is_data(f) and not is_passing(f.name)]
    return [path] if path.is_file() and _is_data(path) else []


def is_being_written(files: Iterable[Path]) -> bool | None:
    """Whether some process has one of the files open for writing; None where nobody can tell.

    The kernel gives a read lease only on a file that nobody writes; it tells of none on network
    drives, and to nobody but the file's owner. See fcntl(2), F_SETLEASE.
    """
    told: bool | None = False
    for file in files:
        one = _has_writer(file)
        if one:
            return True
        told = None if one is None else told
    return told


def _has_writer(file: Path) -> bool | None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # A writer that comes within these microseconds is told of by a signal: by the usual one,
        # SIGIO, this process would end.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.EAGAIN:
            return True
        if isinstance(error, AttributeError) or error.errno in _NO_LEASES:
            return None
        raise
    finally:
        os.close(descriptor)
    return False


def _is_data(path: Path) -> bool:
    return path.suffix.lower() in (*SUFFIXES, ".xls")


def is_passing(name: str) -> bool:
    """Whether a name is hidden, or one that a copying program will change."""
    return name.startswith((".", "~$", "__")) or name.lower().endswith(_UNFINISHED)
