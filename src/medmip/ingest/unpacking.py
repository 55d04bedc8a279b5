"""Zip files: looked at before anything is unpacked, so that a bomb never goes off."""

import shutil
import zipfile
from pathlib import Path, PurePosixPath

from medmip.ingest.errors import IngestError
from medmip.ingest.formats import SUFFIXES, Format

MAXIMUM_RATIO = 200
"""Unpacked bytes to packed ones; exports of hospitals stay below 50, deflate can do 1,032."""
MAXIMUM_BYTES = 20 * 2**30
MAXIMUM_FILES = 1_000
_CHUNK = 1 << 20
_ENCRYPTED = 0x1


def refuse_bomb(archive: zipfile.ZipFile, path: Path, most: int = MAXIMUM_BYTES) -> None:
    """Raises IngestError where a zip would unpack to too many files or bytes, or has a password.

    The ratio is that to the zip's own size, so that members which share their bytes gain nothing.
    """
    members = archive.infolist()
    if len(members) > MAXIMUM_FILES:
        raise IngestError(
            f"The zip holds {len(members):,} files, more than {MAXIMUM_FILES:,}.", where=path.name
        )
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise IngestError(
            "The zip has a password.", where=path.name, remedy="Unpack it, then bring the files in."
        )
    total = sum(member.file_size for member in members)
    if total > most:
        raise IngestError(
            f"The zip would unpack to {total / 2**30:.1f} GiB, more than {most / 2**30:.0f} GiB.",
            where=path.name,
        )
    if total > MAXIMUM_RATIO * path.stat().st_size:
        raise IngestError(
            f"The zip would unpack to more than {MAXIMUM_RATIO} times its size, as zip bombs do.",
            where=path.name,
            remedy="Unpack it by hand where you trust it, then bring the files in.",
        )


def unpack(path: Path, folder: Path) -> list[Path]:
    """The files of a zip that can be read, unpacked into folder by their names without folders.

    Hidden files and those of unknown endings are left. Raises IngestError where the zip is
    damaged, too large, nested, holds two files of one name, or none that can be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_bomb(archive, path)
            return _unpacked(archive, path, folder)
    except (zipfile.BadZipFile, NotImplementedError, EOFError):
        raise IngestError(
            "The zip is damaged or packed in an unknown way.", where=path.name
        ) from None


def _unpacked(archive: zipfile.ZipFile, path: Path, folder: Path) -> list[Path]:
    total = sum(member.file_size for member in archive.infolist())
    if total > shutil.disk_usage(folder).free:
        raise IngestError(
            "The disk has no room for the unpacked zip.",
            where=path.name,
            remedy="Free space in the home folder.",
        )
    found: list[Path] = []
    for member in archive.infolist():
        name = PurePosixPath(member.filename.replace("\\", "/"))
        hidden = any(part.startswith((".", "__")) for part in name.parts)
        if member.is_dir() or hidden or name.suffix.lower() not in SUFFIXES:
            continue
        if SUFFIXES[name.suffix.lower()] is Format.ZIP:
            raise IngestError(
                "The zip holds another zip.",
                where=path.name,
                remedy="Unpack the outer one, then bring in each.",
            )
        target = folder / name.name
        if target.exists():
            raise IngestError(
                "The zip holds two files of one name in different folders.", where=path.name
            )
        with archive.open(member) as source, target.open("xb") as unpacked:
            shutil.copyfileobj(source, unpacked, _CHUNK)
        found.append(target)
    if not found:
        raise IngestError(
            "The zip holds no file that can be read.",
            where=path.name,
            remedy=f"Files end in one of {', '.join(SUFFIXES)}.",
        )
    return sorted(found)
