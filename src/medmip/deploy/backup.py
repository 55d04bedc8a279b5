"""A backup: one encrypted file, whole or not there."""

import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from medmip.catalogue.atomic_file import replacing
from medmip.catalogue.home import Home
from medmip.deploy.archive import Manifest, write_archive
from medmip.deploy.contents import LEDGER_KEY, unknown
from medmip.deploy.encryption import Recipient, encrypting, unwritable
from medmip.deploy.errors import BackupError
from medmip.deploy.moment import moment_of

ENDING = ".tar.age"


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made; removed are older ones, left_out what MIP does not know of."""

    path: Path
    manifest: Manifest
    removed: tuple[Path, ...]
    left_out: tuple[str, ...]


def back_up(home: Home, folder: Path, recipients: Sequence[Recipient], keep: int = 0) -> Backup:
    """Back a home up into a new file of folder, while servers and imports go on.

    The file is written aside, synced and renamed: after a kill at any moment it is whole or not
    there, and former backups are as they were. Of this home's backups there the newest `keep`
    stay, all where keep is 0. Raises BackupError, Conflict where another backup of the home runs.
    """
    _check(home, folder, recipients)
    home.prepare()
    made = datetime.now(UTC)
    prefix = f"mip-{_mark(home)}-"
    path = folder / f"{prefix}{made:%Y%m%dT%H%M%S.%fZ}{ENDING}"
    try:
        with moment_of(home) as root:
            _remove_unfinished(folder, prefix)
            _check_room(root, folder)
            manifest = _written(root, path, recipients, made)
    except OSError as error:
        raise unwritable(folder, error) from None
    former = sorted(folder.glob(f"{prefix}*{ENDING}"))
    removed = former[:-keep] if keep else []
    for old in removed:
        with contextlib.suppress(FileNotFoundError):
            old.unlink()
    return Backup(path, manifest, tuple(removed), tuple(unknown(home)))


def _check(home: Home, folder: Path, recipients: Sequence[Recipient]) -> None:
    if not home.state_db.is_file():
        raise BackupError(
            "There is nothing to back up: the folder is no home of MIP",
            where=str(home.path),
            remedy="Name the home with --home, or by MIP_HOME.",
        )
    if not recipients:
        raise BackupError(
            "Nobody is named who could read the backup",
            remedy="Give --recipient, or `recipients` in the section [backup] of mip.toml. "
            "`mip deploy keys --out FILE` makes an identity and prints its public key.",
        )
    if folder.resolve().is_relative_to(home.path.resolve()):
        raise BackupError(
            "The backup would lie in the home that it is a backup of",
            where=str(folder),
            remedy="Choose a folder on another disk.",
        )


def _mark(home: Home) -> str:
    """What tells this home's backups from others' in one folder, and stays after a restore."""
    try:
        key = (home.path / LEDGER_KEY).read_bytes()
    except FileNotFoundError:
        key = b""
    return hashlib.sha256(b"mark of backups" + key).hexdigest()[:8]


def _remove_unfinished(folder: Path, prefix: str) -> None:
    # One backup of a home runs at a time, so that what is half done was left by a killed one.
    for left in folder.glob(f".{prefix}*.partial"):
        left.unlink(missing_ok=True)


def _check_room(root: Path, folder: Path) -> None:
    needed = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _written(root: Path, path: Path, recipients: Sequence[Recipient], made: datetime) -> Manifest:
    with replacing(path) as file, encrypting(file, recipients) as stream:
        return write_archive(root, stream, made, version("medmip"))
