"""A folder for one import's temporary files, in the home."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.catalogue.own_folder import own_folder
from medmip.ingest.errors import IngestError

_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@contextmanager
def work_folder(home: Home | None) -> Iterator[Path]:
    """A fresh folder, readable by its owner alone, gone afterwards; without a home in /tmp.

    Raises IngestError where what is done with it fills the disk.
    """
    try:
        with own_folder(None if home is None else home.work, "import-") as folder:
            yield folder
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise disk_full() from None


def disk_full() -> IngestError:
    """There is no room for what has to be written."""
    return IngestError(
        "There is not enough space on the disk, or files so large may not be written.",
        remedy="Free space in the home folder, or split the file.",
    )
