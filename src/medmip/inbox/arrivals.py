"""Which of the files that arrive are whole: nobody has changed them for a while, or writes them."""

import contextlib
from collections.abc import Callable

from medmip.inbox.listing import Lying, is_being_written

STILL = 0.5
"""Seconds without a change after which a file that nobody has open is whole."""
STILL_UNSEEN = 1.2
"""The same where nobody can tell whether it is open, as on a network drive."""


class Arrivals:
    """Remembers since when each item has been as it is.

    still says how many seconds an item must be, by whether it can be told that nobody writes it.
    """

    def __init__(self, still: Callable[[Lying, bool], float] | None = None) -> None:
        self._still = still or (lambda _, told: STILL if told else STILL_UNSEEN)
        self._since: dict[str, tuple[str, float]] = {}

    def is_whole(self, name: str, found: Lying, now: float) -> bool:
        """Whether its copy has ended, as of this look; now is in seconds of a steady clock."""
        stamp, since = self._since.get(name, ("", now))
        if stamp != found.stamp:
            self._since[name] = (found.stamp, now)
            since = now
        if now - since < min(self._still(found, True), self._still(found, False)):
            return False
        written = None
        with contextlib.suppress(OSError):
            written = is_being_written(found.files)
        if written or now - since < self._still(found, written is not None):
            return False
        self.forget(name)
        return True

    def forget(self, name: str) -> None:
        """It is gone, or looked at."""
        self._since.pop(name, None)
