"""A scan that is to be measured, how the queue stands, and how fast it gets on."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from medmip.imaging.volumetry.choice import SettingName

LONGEST_SILENCE = timedelta(seconds=30)
"""Whoever works the queue off and has not been heard of for so long is gone."""
LATELY = 50
"""So many jobs that ended last tell the rate."""


class JobState(StrEnum):
    """How far a job is; `cancelling` is one that is still being stopped."""

    WAITING = "waiting"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        return self in (JobState.WAITING, JobState.RUNNING, JobState.CANCELLING)


class ScanJob(BaseModel):
    """One scan in the queue.

    A higher priority goes first, of two alike the one that was queued first. step is what is being
    done, or at what it failed, attempts how often a process ended over it, anew whether there was
    anything to do, trouble why it failed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scan: str
    number: int
    priority: int
    atlas: str | None
    setting: SettingName
    state: JobState
    step: str
    attempts: int
    anew: bool
    trouble: str
    queued: datetime
    started: datetime | None
    finished: datetime | None


class QueueStanding(BaseModel):
    """How the queue stands.

    working is whether somebody works it off; held says why nothing more is begun. hourly is the
    rate, in scans, and ends when the last is done if it stays so: both None until one was measured
    since the work began.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    waiting: int
    running: int
    done: int
    failed: int
    cancelled: int
    working: bool
    held: str
    hourly: float | None
    ends: datetime | None

    @property
    def open(self) -> int:
        return self.waiting + self.running

    @property
    def total(self) -> int:
        return self.open + self.done + self.failed


def rate(
    lately: Sequence[tuple[datetime, datetime]], left: int, now: datetime
) -> tuple[float | None, datetime | None]:
    """Jobs an hour, and when those that are left are done; from when jobs began and ended.

    Several at once count as they ended, so that the number of workers is in it; so is a pause,
    since the time runs until now.
    """
    if not lately or not left:
        return None, None
    seconds = (now - min(begun for begun, _ in lately)).total_seconds()
    if seconds <= 0:
        return None, None
    hourly = len(lately) / seconds * 3600
    return round(hourly, 2), now + timedelta(hours=left / hourly)
