"""What hub and site tell each other: signed envelopes, and what is inside them."""

import hashlib
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from medmip.errors import MipError
from medmip.federation.identity import Identity, PublicIdentity
from medmip.federation.wire import Malformed, decoded, encoded
from medmip.privacy.guard import Refused

HUB = "hub"
"""The hub's name among its sites' nodes."""
SKEW = 60.0
"""Seconds that a message may be older or younger than the receiver's clock."""
Verb = Literal[
    "open",
    "share",
    "fold",
    "secure",
    "close",
    "preview",
    "offer",
    "answer",
    "beat",
    "progress",
]


class NotAuthentic(MipError):
    """A message is not from whom it says, not for this node, or not of now."""

    title = "A message was not accepted"
    status = 403


class UnknownSigner(NotAuthentic):
    """No key that is known to speak for the sender signed a message."""


@dataclass(frozen=True)
class Header:
    """What is signed of a message; body is the SHA-256 of what it carries.

    cohort is the SHA-256 of the run's opening; a run's rounds only grow; an answer repeats run,
    round, cohort and nonce of its question. sent and deadline are seconds since 1970.
    """

    federation: str
    sender: str
    recipient: str
    verb: Verb
    body: bytes
    run: str = ""
    round: int = 0
    cohort: bytes = b""
    sent: float = field(default_factory=time.time)
    deadline: float = 0.0
    nonce: bytes = field(default_factory=lambda: os.urandom(16))


@dataclass(frozen=True)
class _Envelope:
    header: bytes
    signature: bytes
    body: bytes


@dataclass(frozen=True)
class Message:
    """A header whose signature was good, and what it carries."""

    header: Header
    body: bytes


def sealed(identity: Identity, header: Header, body: bytes) -> bytes:
    """The bytes of a message, signed by its sender; header.body must be the body's digest."""
    signed = encoded(header, Header)
    return encoded(_Envelope(signed, identity.sign(signed), body), _Envelope)


def digest(body: bytes) -> bytes:
    """What a header tells of its body."""
    return hashlib.sha256(body).digest()


class Doorkeeper:
    """Opens what one peer sends to this node: signature, recipient, clock, and no message twice.

    keys are those that speak for the peer now: two, while it changes its key.
    """

    def __init__(
        self,
        federation: str,
        sender: str,
        recipient: str,
        keys: Callable[[], Sequence[PublicIdentity]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._expected = (federation, sender, recipient)
        self._keys = keys
        self._clock = clock
        self._seen: OrderedDict[bytes, float] = OrderedDict()

    def opened(self, content: bytes, *, once: bool = True) -> Message:
        """The message; raises Malformed, NotAuthentic, of which UnknownSigner where a newer key may
        speak for the sender. once refuses a message seen before.
        """
        envelope = decoded(content, _Envelope)
        signature, signed = envelope.signature, envelope.header
        if not any(key.verifies(signature, signed) for key in self._keys()):
            raise UnknownSigner("the signature is not the sender's")
        header = decoded(envelope.header, Header)
        if (header.federation, header.sender, header.recipient) != self._expected:
            raise NotAuthentic("the message is for or from somebody else")
        if digest(envelope.body) != header.body:
            raise NotAuthentic("the content is not what was signed")
        now = self._clock()
        if abs(now - header.sent) > SKEW:
            raise NotAuthentic(
                f"the clocks differ by {abs(now - header.sent):.0f} seconds, or the message is old",
                remedy="Let both machines take their time from the network (NTP).",
            )
        if once:
            self._remember(header.nonce, now)
        return Message(header, envelope.body)

    def _remember(self, nonce: bytes, now: float) -> None:
        while self._seen and next(iter(self._seen.values())) < now - 2 * SKEW:
            self._seen.popitem(last=False)
        if nonce in self._seen:
            raise NotAuthentic("the message came before")
        self._seen[nonce] = now


@dataclass(frozen=True)
class Problem:
    """Why a site does not do what it is asked."""

    kind: Literal["refused", "unknown run", "not accepted", "cancelled", "failed"]
    title: str
    what: str
    remedy: str | None = None
    rule: str = ""


@dataclass(frozen=True)
class Outcome:
    """A site's answer: a problem, or content by the question's verb; seconds is its own work."""

    problem: Problem | None = None
    content: bytes = b""
    seconds: float = 0.0


@dataclass(frozen=True)
class Asking:
    """A kernel by its name with its state, to be summed at the end of a road."""

    kernel: str
    state: bytes
    cells: tuple[str, ...]
    groups: tuple[int, ...] | None
    adjustments: tuple[bytes, ...]


@dataclass(frozen=True)
class Sharing:
    """Groups of a divided cohort that are to be analysed apart."""

    groups: tuple[int, ...]


@dataclass(frozen=True)
class Sum:
    """A guarded statistic, None where the site has no record."""

    statistic: bytes | None


@dataclass(frozen=True)
class Previewed:
    """About how many patients each of the site's datasets has; None below the minimum."""

    patients: tuple[tuple[str, int | None], ...]


@dataclass(frozen=True)
class Beat:
    """A sign of life; offer is the SHA-256 of what the site offers."""

    software: str
    offer: bytes
    runs: int


@dataclass(frozen=True)
class Folded:
    """How many of its records a site has gone through in this round."""

    records: int


def problem_of(error: MipError) -> Problem:
    """What a site tells of an error of its own."""
    what = str(error.where) + ": " + error.what if error.where else error.what
    if isinstance(error, Refused):
        return Problem("refused", error.title, what, error.remedy, error.rule)
    if isinstance(error, NotAuthentic | Malformed):
        return Problem("not accepted", error.title, what, error.remedy)
    return Problem("failed", error.title, what, error.remedy)
