"""The files below what was given: trees of any layout, and zips that are looked at first."""

import os
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from medmip.imaging.errors import Unfit

MAXIMUM_RATIO = 200
"""Unpacked bytes to packed ones; deflated scans stay below 20, deflate can do 1,032."""
MAXIMUM_BYTES = 20 * 2**30
MAXIMUM_FILES = 200_000
ZIP = ".zip"
_CHUNK = 1 << 20
_ENCRYPTED = 0x1
_DICOM_ENDINGS = (".dcm", ".dicom", ".ima")
NIFTI_ENDINGS = (".nii", ".nii.gz")


class FileKind(StrEnum):
    """What a file is taken for."""

    DICOM = "dicom"
    NIFTI = "nifti"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read; name is where it lay, which may tell of a patient and is never shown."""

    path: Path
    name: PurePosixPath
    kind: FileKind


def found_below(path: Path, unpacked: Path) -> Iterator[Found]:
    """The files of a file, a folder or a zip, in the order of their names.

    Links inside a folder are not followed. Zips are unpacked into the folder `unpacked`, under
    names that tell nothing. Raises Unfit where there is nothing, or a zip is not safe to unpack.
    """
    if path.is_dir():
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                file = Path(folder, name)
                if file.is_symlink() or not file.is_file():
                    continue
                relative = PurePosixPath(path.name, *file.relative_to(path).parts)
                yield from _file(file, relative, unpacked)
    elif path.is_file():
        yield from _file(path, PurePosixPath(path.name), unpacked)
    else:
        raise Unfit("There is no file or folder of this name.")


def _file(file: Path, name: PurePosixPath, unpacked: Path) -> Iterator[Found]:
    if name.suffix.lower() == ZIP:
        yield from _members(file, unpacked)
    else:
        yield Found(file, name, _kind(file, name))


def _kind(file: Path, name: PurePosixPath) -> FileKind:
    lower = name.name.lower()
    if lower.endswith(NIFTI_ENDINGS):
        return FileKind.NIFTI
    try:
        with file.open("rb") as opened:
            magic = opened.read(132)[128:]
    except OSError:
        raise Unfit("A file cannot be read.", remedy="Let MIP's account read it.") from None
    if magic == b"DICM" and lower != "dicomdir":
        return FileKind.DICOM
    return FileKind.DICOM if lower.endswith(_DICOM_ENDINGS) else FileKind.OTHER


def _members(file: Path, unpacked: Path) -> Iterator[Found]:
    try:
        with zipfile.ZipFile(file) as archive:
            _refuse_unsafe(archive, file.stat().st_size, unpacked)
            for member in archive.infolist():
                name = PurePosixPath(member.filename.replace("\\", "/"))
                if member.is_dir() or any(part.startswith((".", "__")) for part in name.parts):
                    continue
                if name.suffix.lower() == ZIP:
                    raise Unfit("The zip holds another zip.", remedy="Unpack the outer one.")
                # The ending tells how a volume is packed; no other part of a name is written down.
                lower = name.name.lower()
                ending = next((one for one in NIFTI_ENDINGS if lower.endswith(one)), "")
                target = unpacked / f"{secrets.token_hex(8)}{ending}"
                with archive.open(member) as source, target.open("xb") as copy:
                    shutil.copyfileobj(source, copy, _CHUNK)
                yield Found(target, name, _kind(target, name))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error):
        raise Unfit("The zip is damaged or packed in an unknown way.") from None


def _refuse_unsafe(archive: zipfile.ZipFile, size: int, unpacked: Path) -> None:
    members = archive.infolist()
    if len(members) > MAXIMUM_FILES:
        raise Unfit(f"The zip holds more than {MAXIMUM_FILES:,} files.")
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise Unfit("The zip has a password.", remedy="Unpack it, then bring the files in.")
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        drive = bool(name.parts) and ":" in name.parts[0]
        if name.is_absolute() or ".." in name.parts or drive:
            raise Unfit("The zip holds names that lead out of it, as an attack would.")
    total = sum(member.file_size for member in members)
    if total > MAXIMUM_BYTES:
        raise Unfit(f"The zip would unpack to more than {MAXIMUM_BYTES / 2**30:.0f} GiB.")
    if total > MAXIMUM_RATIO * size:
        raise Unfit(
            f"The zip would unpack to more than {MAXIMUM_RATIO} times its size, as bombs do."
        )
    if total > shutil.disk_usage(unpacked).free:
        raise Unfit("The disk has no room for the unpacked zip.", remedy="Free space in the home.")
