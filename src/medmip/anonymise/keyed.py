"""Keyed pseudonyms and date shifts, as SQL: HMAC-SHA-256 with keys derived from the site's."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

BLOCK = 64
"""Bytes of a block of SHA-256, to which HMAC pads its key (RFC 2104)."""
LENGTH = 32
"""Hexadecimal digits of a pseudonym, 128 bits: among 10^9 patients, two alike are 10^-21 likely."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """An SQL expression, and the values of its parameters in order."""

    sql: str
    parameters: tuple[bytes, ...] = ()


def derived(key: bytes, *purpose: str) -> bytes:
    """A key for one purpose; nobody can go from it to the site's key, or to another purpose's."""
    return hmac.new(key, "\0".join(purpose).encode(), hashlib.sha256).digest()


def pseudonym(key: bytes, code: str) -> str:
    """The pseudonym of a code."""
    return hmac.new(key, code.encode(), hashlib.sha256).hexdigest()[:LENGTH]


def pseudonym_sql(key: bytes, code: str) -> Keyed:
    """The same of an SQL expression that is text; NULL stays NULL.

    HMAC(key, code) = H((key ⊕ opad) || H((key ⊕ ipad) || code)); source: RFC 2104.
    """
    inner, outer = _pads(key)
    sql = f"sha256(?::BLOB || unhex(sha256(?::BLOB || encode({code}))))[:{LENGTH}]"
    return Keyed(sql, (outer, inner))


def shift(key: bytes, code: str, most: int) -> int:
    """The days by which a patient's dates move: -most to most, never 0."""
    drawn = int(pseudonym(key, code)[:_DIGITS], 16) % (2 * most)
    return drawn - most + (drawn >= most)


def shift_sql(key: bytes, code: str, most: int) -> Keyed:
    """The same of an SQL expression that is the patient's code."""
    drawn = pseudonym_sql(key, code)
    digits = " + ".join(
        f"{16 ** (_DIGITS - 1 - place)} * (instr('0123456789abcdef', h[{place + 1}]) - 1)"
        for place in range(_DIGITS)
    )
    day = f"list_transform([{drawn.sql}], lambda h: (({digits}) % {2 * most})::INTEGER)"
    sql = f"list_transform({day}, lambda d: d - {most} + (d >= {most})::INTEGER)[1]"
    return Keyed(sql, drawn.parameters)


_DIGITS = 7
"""Of the hash; 28 bits leave no day more likely than another by more than 0.03 %."""


def parameters(parts: Sequence[Keyed]) -> list[object]:
    """The parameters of several expressions that stand in this order."""
    return [value for part in parts for value in part.parameters]


def _pads(key: bytes) -> tuple[bytes, bytes]:
    padded = key.ljust(BLOCK, b"\0")
    return bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)
