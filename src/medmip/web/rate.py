"""How often something may be tried."""

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from medmip.accounts.errors import TooMany


class Rate:
    """A limit such as `10/minute`, for each of many keys, in a moving window."""

    def __init__(self, limit: str) -> None:
        self._limit = parse(limit)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, key: str) -> None:
        """Counts one try of this key; raises TooMany beyond the limit."""
        if not self._limiter.hit(self._limit, key):
            raise TooMany(
                "Too many tries in a short time",
                wait=float(self._limit.get_expiry()),
                remedy="Wait a minute.",
            )
