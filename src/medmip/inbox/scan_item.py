"""What is known of one folder, zip or volume in the inbox for scans, and what became of it."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from medmip.imaging.outcome import ScanOutcome

LOOSE = "."
"""The name of all files together that lie in the inbox itself and are neither zip nor NIfTI: they
may be slices of one series."""


class ScanItemState(StrEnum):
    """How far it has come."""

    ARRIVING = "arriving"
    READING = "reading"
    READ = "read"
    FAILED = "failed"


class ScanItem(BaseModel):
    """stamp changes whenever somebody writes to one of its files; outcome is of its last reading.

    under names the rules and pseudonyms that it was read by: under others it is read anew.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    state: ScanItemState
    files: int
    size: int
    changed: datetime
    seen: datetime
    stamp: str
    under: str = ""
    outcome: ScanOutcome | None = None
