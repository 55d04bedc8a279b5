"""Proof of a backup: every hash, the state database, the ledger; nothing is changed."""

import os
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, Table, func, select

from medmip.accounts.tables import people
from medmip.catalogue.home import PUBLISHED_RECORD, Home
from medmip.deploy.archive import Manifest, read_archive
from medmip.deploy.contents import HEAD, LEDGER_KEY, STATE
from medmip.deploy.encryption import decrypting, read_identities, unwritable
from medmip.deploy.errors import BackupError
from medmip.errors import MipError
from medmip.privacy.ledger import Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.published import Published
from medmip.store.state import experiments, open_state


@dataclass(frozen=True, slots=True)
class Contents:
    """What a sound backup holds."""

    made: datetime
    version: str
    files: int
    size: int
    experiments: int
    people: int
    datasets: int
    versions: int
    ledger_rows: int


def verify_backup(path: Path, identity: Path) -> Contents:
    """What a backup holds, once all of it is proved.

    The state database and the lists of versions are laid into a temporary folder, readable by its
    owner alone and gone afterwards; all else is read as a stream. Raises BackupError.
    """
    with tempfile.TemporaryDirectory(prefix="mip-backup-") as name:
        root = Path(name)
        manifest = read_backup(path, identity, root, only_checked=True)
        return proved(Home(root).prepare(), manifest)


def read_backup(path: Path, identity: Path, root: Path, *, only_checked: bool = False) -> Manifest:
    """Lay a backup's files below root, a new folder, checking every path and hash.

    only_checked leaves out what only its hash is checked of. Raises BackupError; root then holds
    what must be thrown away.
    """
    identities = read_identities(identity)

    def keep(name: str) -> BinaryIO | None:
        if only_checked and not _is_checked(name):
            return None
        target = root / name
        for folder in reversed(target.relative_to(root).parents):
            (root / folder).mkdir(mode=0o700, exist_ok=True)
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW
        return os.fdopen(os.open(target, flags, 0o600), "wb")

    try:
        file = path.open("rb")
    except OSError as error:
        raise BackupError(f"The backup cannot be read: {error.strerror}", where=str(path)) from None
    try:
        with file, decrypting(file, identities) as stream:
            manifest = read_archive(stream, keep)
    except OSError as error:
        raise unwritable(root, error) from None
    check_state(root / STATE)
    return manifest


def check_state(path: Path) -> None:
    """Raises BackupError where the state database at path is missing or damaged."""
    try:
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            (answer,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        answer = str(error)
    if answer != "ok":
        raise BackupError(
            f"The state database in the backup is damaged: {answer}",
            remedy="Take another backup, and run `mip doctor` where this one was made.",
        )


def _is_checked(name: str) -> bool:
    return name in (STATE, HEAD, LEDGER_KEY) or name.endswith(f"/{PUBLISHED_RECORD}")


def proved(home: Home, manifest: Manifest) -> Contents:
    """What a home out of a backup holds, its state, ledger and versions proved.

    Raises BackupError.
    """
    engine = open_state(home)
    try:
        ledger = Ledger(engine, LedgerHead(home))
        broken = ledger.verify()
        if broken is not None:
            raise BackupError(
                f"The ledger in the backup was changed at row {broken}",
                remedy="Keep the file as it is and tell the privacy officer.",
            )
        rows, datasets = ledger.count(), _datasets(home, manifest)
        with engine.connect() as connection:
            return Contents(
                made=manifest.made,
                version=manifest.version,
                files=len(manifest.files),
                size=manifest.size,
                experiments=_count(connection, experiments),
                people=_count(connection, people),
                datasets=len(datasets),
                versions=sum(len(one.versions) for one in datasets),
                ledger_rows=rows,
            )
    finally:
        engine.dispose()


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _datasets(home: Home, manifest: Manifest) -> list[Published]:
    """Every dataset's list of versions; raises BackupError where one of their files is missing."""
    found = []
    for record in sorted(home.datasets.glob(f"*/*/{PUBLISHED_RECORD}")):
        try:
            published = Published.read(record.parent)
        except MipError as error:
            raise BackupError(
                f"A list of versions in the backup is damaged: {error.what}"
            ) from None
        if published is None:
            continue
        for one in published.versions:
            entry = manifest.files.get(one.path.relative_to(home.path).as_posix())
            if entry is None or entry.sha256 != one.hash:
                raise BackupError(
                    f"Version {one.version} of {one.model} {one.dataset} "
                    "is missing in the backup or was changed",
                    remedy="Run `mip doctor` where the backup was made, then make another.",
                )
        found.append(published)
    return found
