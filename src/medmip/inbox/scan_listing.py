"""What lies in the inbox for scans; nothing in it is changed, and no link in it is followed."""

import os
from collections.abc import Iterator
from pathlib import Path

from medmip.imaging.intake import NIFTI_ENDINGS, ZIP
from medmip.inbox.listing import Lying, is_passing, lying_of, shown
from medmip.inbox.scan_item import LOOSE


def lying_scans(inbox: Path) -> Iterator[Lying]:
    """Each folder with all files below it, each zip and NIfTI file, and the other files as one."""
    loose: list[Path] = []
    try:
        entries = sorted(os.scandir(inbox), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_symlink() or is_passing(entry.name):
            continue
        if entry.is_dir():
            found = _found(path, _below(path))
        elif not entry.is_file():
            continue
        elif entry.name.lower().endswith((ZIP, *NIFTI_ENDINGS)):
            found = _found(path, [path])
        else:
            loose.append(path)
            continue
        if found is not None:
            yield found
    together = _found(inbox, loose)
    if together is not None:
        yield together


def name_of(path: Path, inbox: Path) -> str:
    """What lies there is called so; loose files have a name together."""
    return LOOSE if path == inbox else shown(path)


def _found(path: Path, files: list[Path]) -> Lying | None:
    try:
        return lying_of(path, files)
    except OSError:
        # It is just being renamed or removed: the next look sees what became of it.
        return None


def _below(folder: Path) -> list[Path]:
    # Hidden and unfinished files count too: a folder in which one changes is still arriving.
    return [
        file
        for at, _, names in os.walk(folder)
        for name in sorted(names)
        if (file := Path(at, name)).is_file() and not file.is_symlink()
    ]
