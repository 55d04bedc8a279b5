"""What is known of one file or folder of the inbox, and what was decided about it."""

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from medmip.errors import MipError
from medmip.ingest.dialect import Dialect, Options
from medmip.ingest.errors import SmallChange
from medmip.ingest.report import Problem


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ItemState(StrEnum):
    """How far a file has come."""

    ARRIVING = "arriving"
    LOOKING = "looking"
    UNMATCHED = "unmatched"
    TROUBLED = "troubled"
    READY = "ready"
    PUBLISHING = "publishing"
    PUBLISHED = "published"


class ColumnSketch(_Part):
    """One column: its name, what its first cells are (number, date, codes, text or empty)."""

    name: str
    kind: str
    filled: int


class TableSketch(_Part):
    """One table of a file: how it is written, its rows and columns; split counts rows that could
    not be split into cells.
    """

    file: str
    dialect: Dialect
    written: str
    rows: int
    split: int = 0
    columns: tuple[ColumnSketch, ...]


class Choice(_Part):
    """How a file is read: by which model, as which dataset, through which mapping.

    dataset is None where the rows say it. mapping is the name of a shipped one, or YAML; None
    reads the file as it is. others are files of the inbox that the mapping reads besides.
    """

    model: Annotated[str, Field(min_length=1, max_length=200)]
    dataset: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    mapping: Annotated[str, Field(min_length=1, max_length=4 * 2**20)] | None = None
    others: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    options: Options = Options()
    synthetic: bool = False

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class ModelFit(_Part):
    """A data model, and how many columns are like its variables; exact counts equal names."""

    model: str
    columns: int
    exact: int


class Obstacle(_Part):
    """What keeps a file from being read or published, as an error tells it.

    small_change says that a person may publish it all the same.
    """

    title: str
    detail: str
    remedy: str | None = None
    small_change: bool = False

    @classmethod
    def of(cls, error: MipError) -> "Obstacle":
        detail = f"{error.where}: {error.what}" if error.where else error.what
        fields = "".join(f" {field.path}: {field.message}." for field in error.fields)
        return cls(
            title=error.title,
            detail=detail + fields,
            remedy=error.remedy,
            small_change=isinstance(error, SmallChange),
        )


class Order(_Part):
    """A publication that was asked for, of the content that stamp tells of."""

    stamp: str
    user: str
    quarantine: bool = False
    allow_small_change: bool = False


class PublishedVersion(_Part):
    """A version that a file became; stamp tells of the content that it had then, and choice is
    the hash of how it was read.
    """

    model: str
    dataset: str
    version: int
    patients: int
    records: int
    at: datetime
    stamp: str
    choice: str
    user: str


class Item(_Part):
    """A file or folder of the inbox.

    stamp changes whenever somebody writes to it, and gone says that it is no longer there.
    recognised says that nobody chose: names and columns told how to read it. kind says which
    mapping that is: none, the shipped one's name, or own. records and datasets are those that
    the check found; listed is the CSV file of every problem, in the home's logs.
    """

    name: str
    state: ItemState
    size: int
    changed: datetime
    seen: datetime
    stamp: str
    gone: bool = False
    tables: tuple[TableSketch, ...] = ()
    fits: tuple[ModelFit, ...] = ()
    choice: Choice | None = None
    recognised: bool = False
    kind: str = ""
    records: int = 0
    datasets: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    listed: str | None = None
    trouble: Obstacle | None = None
    order: Order | None = None
    published: tuple[PublishedVersion, ...] = ()
    quarantined: str | None = None

    @property
    def is_current(self) -> bool:
        """Whether what lies there, read as it is now, is what was published last."""
        if not self.published or self.choice is None:
            return False
        last = self.published[-1]
        return (last.stamp, last.choice) == (self.stamp, self.choice.hash)

    @property
    def blocked(self) -> bool:
        """Whether a problem concerns the file as a whole, so that no rows can be set aside."""
        return self.trouble is not None or any(p.kind.is_of_file for p in self.problems)
