"""Files of half measured scans that nobody will go on with."""

import shutil
from contextlib import suppress

from medmip.catalogue.atomic_file import if_alone
from medmip.catalogue.home import Home
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.steps import DEFACE


def clear_all_leftovers(home: Home, wanted: set[str]) -> None:
    """Remove what was done for all scans but those that are wanted still."""
    for folder in (home.imaging / "measuring").glob("*/"):
        if folder.name not in wanted:
            clear_leftovers(home, folder.name)


def clear_leftovers(home: Home, scan: str) -> None:
    """Remove what was done for one scan.

    What somebody works on stays, and so does a face's removal that is not told of in the scan's
    record yet: it is gone on with.
    """
    folder = home.imaging / "measuring" / scan
    record = Shelf(home).find(scan)
    if record is not None and record.faces is None and (folder / DEFACE).exists():
        return
    with suppress(FileNotFoundError), if_alone(folder) as alone:
        if alone:
            shutil.rmtree(folder)
