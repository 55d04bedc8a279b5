"""Messages larger than the broker carries, in parts."""

import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from secrets import token_bytes

from medmip.federation.wire import LARGEST, Malformed

PART = 4 * 2**20
"""Bytes of one part; the broker carries 8 MB."""
_HEADER = 16 + 2 + 2
_MOST_PARTS = LARGEST // PART + 1
_PATIENCE = 60.0
_ALONE = bytes(16)
"""The name of a message in one part, which nobody has to find others for."""


def chunks_of(content: bytes) -> Iterator[bytes]:
    """The parts of a message: each has the message's name, its place and how many there are."""
    number = max(1, -(-len(content) // PART))
    name = token_bytes(16) if number > 1 else _ALONE
    for index in range(number):
        place = index.to_bytes(2, "big") + number.to_bytes(2, "big")
        yield name + place + content[index * PART : (index + 1) * PART]


@dataclass
class _Waiting:
    number: int
    begun: float
    parts: dict[int, bytes] = field(default_factory=dict)


class Assembly:
    """Puts parts together; few messages wait at once, and none for long."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._waiting: OrderedDict[bytes, _Waiting] = OrderedDict()

    def complete(self, part: bytes) -> bytes | None:
        """The whole message, once this is its last missing part; raises Malformed."""
        name, index, number = (
            part[:16],
            int.from_bytes(part[16:18], "big"),
            int.from_bytes(part[18:20], "big"),
        )
        if len(part) < _HEADER or not index < number <= _MOST_PARTS:
            raise Malformed("a message's part has no place")
        content = part[_HEADER:]
        if number == 1:
            return content
        now = time.monotonic()
        while self._waiting and next(iter(self._waiting.values())).begun < now - _PATIENCE:
            self._waiting.popitem(last=False)
        waiting = self._waiting.setdefault(name, _Waiting(number, now))
        if waiting.number != number or len(content) > PART:
            raise Malformed("a message's parts do not fit each other")
        waiting.parts[index] = content
        if len(waiting.parts) < number:
            while len(self._waiting) > self._most:
                self._waiting.popitem(last=False)
            return None
        del self._waiting[name]
        return b"".join(waiting.parts[place] for place in range(number))
