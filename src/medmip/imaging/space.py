"""Room on the disk, looked at before something is begun that may fill it."""

import shutil
from pathlib import Path

from medmip.imaging.errors import NoSpace

MEGABYTE = 2**20


def refuse_short(folder: Path, least: int) -> None:
    """Raises NoSpace where fewer bytes are free on a folder's disk."""
    free = shutil.disk_usage(folder).free
    if free < least:
        raise NoSpace(
            f"The disk has {free / 2**30:.1f} GB free, and a step is begun with "
            f"{least / 2**30:.1f} GB or more.",
            remedy="Free space on the disk of the home folder; it goes on where it was.",
        )
