"""How far the clocks of two nodes are apart."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LIMIT = timedelta(seconds=60)
"""Beyond it a message cannot be told from a replayed one, and is refused."""


@dataclass(frozen=True, slots=True)
class Skew:
    """seconds that the other clock is ahead of this one, known to within +/- uncertainty."""

    seconds: float
    uncertainty: float = 0.0

    @classmethod
    def between(cls, sent: datetime, there: datetime, back: datetime) -> "Skew":
        """From a question sent and answered by this clock, and the other's clock in between.

        The other looked at its clock at some moment in between: the middle, give or take half
        (Cristian, Probabilistic clock synchronization, 1989).
        """
        half = (back - sent) / 2
        return cls((there - (sent + half)).total_seconds(), half.total_seconds())

    @property
    def too_large(self) -> bool:
        """Whether the clocks are surely further apart than the limit."""
        return abs(self.seconds) - self.uncertainty > LIMIT.total_seconds()

    def __str__(self) -> str:
        direction = "ahead" if self.seconds >= 0 else "behind"
        return f"{abs(self.seconds):.1f} s {direction}"


def now() -> datetime:
    """This machine's time, with its zone."""
    return datetime.now(UTC)
