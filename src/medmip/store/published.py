"""The list of a dataset's published versions, and which of them is current."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from medmip.catalogue.atomic_file import write_atomically
from medmip.catalogue.home import PUBLISHED_RECORD
from medmip.store.errors import StoreError

MAPPING_SUFFIX = ".mapping.yaml"


@dataclass(frozen=True)
class Snapshot:
    """One version of one dataset.

    hash is the SHA-256 of the Parquet file at path; variables are the codes that it holds;
    source is the name of the file that it was imported from, or the database with its tables and
    the moment at which they were read, and applied what was done to it on
    the way, as JSON; empty where nobody said. mapping is the SHA-256 of the mapping that it was
    read through, which is kept beside it; empty where it was read as it was.
    """

    model: str
    dataset: str
    hash: str
    path: Path
    records: int
    patients: int
    variables: tuple[str, ...]
    source: str
    published: datetime
    version: int
    synthetic: bool
    applied: str = ""
    mapping: str = ""

    @property
    def mapping_path(self) -> Path | None:
        """The mapping that it was read through."""
        return self.path.parent / f"{self.mapping}{MAPPING_SUFFIX}" if self.mapping else None


@dataclass(frozen=True)
class Published:
    """Every version of one dataset, oldest first, and the number of the current one."""

    versions: tuple[Snapshot, ...]
    number: int

    @property
    def current(self) -> Snapshot:
        return next(version for version in self.versions if version.version == self.number)

    @property
    def following(self) -> int:
        """The number of the next version."""
        return max(version.version for version in self.versions) + 1

    @classmethod
    def read(cls, folder: Path) -> "Published | None":
        """What is published in a folder, None where nothing is; raises StoreError."""
        try:
            content = (folder / PUBLISHED_RECORD).read_bytes()
        except FileNotFoundError:
            return None
        return cls.parse(content, folder)

    @classmethod
    def parse(cls, content: bytes, folder: Path) -> "Published":
        """The list that this content of a folder's record tells of; raises StoreError."""
        try:
            document = json.loads(content)
            published = cls(
                tuple(_snapshot(document, entry, folder) for entry in document["versions"]),
                int(document["current"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            raise _damaged(folder) from None
        if published.number not in [version.version for version in published.versions]:
            raise _damaged(folder)
        return published

    def content(self) -> bytes:
        """What `parse` reads."""
        document = {
            "model": self.current.model,
            "dataset": self.current.dataset,
            "current": self.number,
            "versions": [_entry(version) for version in self.versions],
        }
        return json.dumps(document, indent=1).encode()

    def write(self, folder: Path) -> None:
        """Make this the list of a folder, in one step."""
        write_atomically(folder / PUBLISHED_RECORD, self.content())


def _snapshot(
    document: Mapping[str, str], entry: Mapping[str, str | int | list[str]], folder: Path
) -> Snapshot:
    return Snapshot(
        model=document["model"],
        dataset=document["dataset"],
        hash=str(entry["hash"]),
        path=folder / f"{entry['hash']}.parquet",
        records=_integer(entry["records"]),
        patients=_integer(entry["patients"]),
        variables=_texts(entry["variables"]),
        source=str(entry["source"]),
        published=datetime.fromisoformat(str(entry["published"])),
        version=_integer(entry["version"]),
        synthetic=bool(entry["synthetic"]),
        applied=str(entry.get("applied", "")),
        mapping=str(entry.get("mapping", "")),
    )


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(str(member) for member in value)


def _entry(snapshot: Snapshot) -> dict[str, object]:
    entry = asdict(replace(snapshot, path=Path()))
    for implied in ("model", "dataset", "path"):
        del entry[implied]
    return entry | {"published": snapshot.published.isoformat()}


def _damaged(folder: Path) -> StoreError:
    return StoreError(
        "The list of published versions is damaged.",
        where=str(folder / PUBLISHED_RECORD),
        remedy="Restore the file from a backup, or import the dataset again.",
    )
