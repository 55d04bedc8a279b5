"""The archive inside a backup: a tar of the home's files below `home/`, then `manifest.json`.

`age -d -i KEYFILE BACKUP | tar x` reads it where there is no MIP.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from medmip.deploy.contents import may_hold
from medmip.deploy.errors import BackupError

MANIFEST = "manifest.json"
FOLDER = "home/"
_BLOCK = 1 << 20
_LONGEST_MANIFEST = 1 << 28


class Entry(BaseModel):
    """One file of the home: its bytes and their SHA-256."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(BaseModel):
    """What a backup holds; files by their path below the home."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = Field(1, ge=1, le=1)
    made: AwareDatetime
    version: str
    files: dict[str, Entry]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files.values())


def write_archive(root: Path, target: BinaryIO, made: datetime, version: str) -> Manifest:
    """Write the files below root, which nobody changes meanwhile, and their manifest.

    Raises BackupError where a file is not what a backup may hold, OSError.
    """
    files: dict[str, Entry] = {}
    with tarfile.open(fileobj=target, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            name = path.relative_to(root).as_posix()
            if not may_hold(name):
                raise BackupError(f"A backup may not hold “{name}”")
            with path.open("rb") as file:
                told = os.fstat(file.fileno())
                watched = _Hashing(file)
                tar.addfile(_member(FOLDER + name, told.st_size, told.st_mode, made), watched)
            files[name] = Entry(size=told.st_size, sha256=watched.digest)
        manifest = Manifest(made=made, version=version, files=files)
        content = manifest.model_dump_json(indent=1).encode()
        tar.addfile(_member(MANIFEST, len(content), 0o600, made), io.BytesIO(content))
    return manifest


def read_archive(source: BinaryIO, keep: Callable[[str], BinaryIO | None]) -> Manifest:
    """Read an archive, checking every path, kind and hash.

    keep opens where a file of a path below the home goes, or answers None where it is read for
    its hash alone; it is asked only for paths that a backup may hold, each once. Raises
    BackupError, which says what was found and not what it holds.
    """
    found: dict[str, Entry] = {}
    manifest: Manifest | None = None
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            for member in tar:
                if manifest is not None:
                    raise _hostile("there is something behind its manifest")
                if not member.isreg() or member.issparse():
                    raise _hostile(f"“{member.name[:200]}” is not a plain file")
                file = tar.extractfile(member)
                if file is None:
                    raise _hostile(f"“{member.name[:200]}” is not a plain file")
                if member.name == MANIFEST:
                    if member.size > _LONGEST_MANIFEST:
                        raise _hostile("its manifest is too long")
                    manifest = Manifest.model_validate_json(file.read())
                    continue
                name = member.name.removeprefix(FOLDER)
                if not member.name.startswith(FOLDER) or not may_hold(name) or name in found:
                    raise _hostile(f"it may not hold “{member.name[:200]}”, or not twice")
                found[name] = _kept(_blocks(file), keep(name))
    except tarfile.TarError:
        raise BackupError("What is encrypted is no archive of a home") from None
    except ValidationError:
        raise BackupError(
            "The manifest cannot be read",
            remedy="A backup of a newer version of MIP needs that version.",
        ) from None
    if manifest is None:
        raise BackupError("The archive has no manifest: it was not finished")
    differing = sorted(
        name
        for name in found.keys() | manifest.files.keys()
        if found.get(name) != manifest.files.get(name)
    )
    if differing:
        raise BackupError(
            f"{len(differing)} files are not what the manifest says, the first is {differing[0]}",
            remedy="Take another backup.",
        )
    return manifest


def _hostile(what: str) -> BackupError:
    return BackupError(
        f"This is no backup that MIP made: {what}",
        remedy="Nothing of it was used. Ask where the file comes from.",
    )


def _member(name: str, size: int, mode: int, made: datetime) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, mode & 0o700, int(made.timestamp())
    return member


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _kept(blocks: Iterator[bytes], target: BinaryIO | None) -> Entry:
    digest, size = hashlib.sha256(), 0
    try:
        for block in blocks:
            digest.update(block)
            size += len(block)
            if target is not None:
                target.write(block)
        if target is not None:
            target.flush()
            os.fsync(target.fileno())
    finally:
        if target is not None:
            target.close()
    return Entry(size=size, sha256=digest.hexdigest())


class _Hashing:
    """A file that is hashed as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self._digest.update(block)
        return block

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()
