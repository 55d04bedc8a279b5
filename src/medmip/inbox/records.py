"""What is known of an inbox's files, one file of JSON each, written in one step."""

import hashlib
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from medmip.catalogue.atomic_file import write_atomically
from medmip.catalogue.home import Home
from medmip.inbox.item import Item
from medmip.inbox.scan_item import ScanItem
from medmip.logbook import logger

log = logger("medmip.inbox")
Kept = TypeVar("Kept", Item, ScanItem)


class _Folder(Generic[Kept]):
    """A record that cannot be read is made anew by another look."""

    def __init__(self, folder: Path, kind: type[Kept]) -> None:
        self._folder = folder
        self._kind: type[Kept] = kind

    def all(self) -> list[Kept]:
        """Every record, by name."""
        found = [item for file in self._folder.glob("*.json") if (item := _read(file, self._kind))]
        return sorted(found, key=lambda item: item.name.casefold())

    def write(self, item: Kept) -> None:
        """Keep what is known of an item; after a kill the former record or this one is there."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._file(item.name), item.model_dump_json().encode())

    def forget(self, name: str) -> None:
        """Remove a record."""
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        # A file's name may be as long as a name can be, so that none with an ending would fit.
        return (
            self._folder
            / f"{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()}.json"
        )


class Records(_Folder[Item]):
    """Of the tables in a home's inbox: the folder `desk`."""

    def __init__(self, home: Home) -> None:
        super().__init__(home.desk, Item)


class ScanRecords(_Folder[ScanItem]):
    """Of the scans there: `desk/scans`."""

    def __init__(self, home: Home) -> None:
        super().__init__(home.desk / "scans", ScanItem)


Model = TypeVar("Model", bound=BaseModel)


def _read(file: Path, kind: type[Model]) -> Model | None:
    try:
        return kind.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        log.warning("record of an inbox file cannot be read", file=file.name)
        return None
