"""A message is taken once, from its sender, for its recipient, in time, and whole."""

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.federation.chunks import PART, Assembly, chunks_of
from medmip.federation.identity import Identity
from medmip.federation.messages import Doorkeeper, Header, NotAuthentic, digest, sealed
from medmip.federation.wire import Malformed

HUB, OTHER = Identity.made(), Identity.made()


def door(clock: Any = time.time) -> Doorkeeper:
    return Doorkeeper("f", "hub", "site", lambda: (HUB.public,), clock)


def header(body: bytes = b"content", **changes: Any) -> Header:
    return replace(Header("f", "hub", "site", "fold", digest(body), "run", 3), **changes)


def test_a_good_message_is_opened_once() -> None:
    content, keeper = sealed(HUB, header(), b"content"), door()
    assert keeper.opened(content).body == b"content"
    with pytest.raises(NotAuthentic, match="came before"):
        keeper.opened(content)


@pytest.mark.parametrize(
    "content, reason",
    [
        (sealed(OTHER, header(), b"content"), "signature"),
        (sealed(HUB, header(recipient="other"), b"content"), "somebody else"),
        (sealed(HUB, header(sender="other"), b"content"), "somebody else"),
        (sealed(HUB, header(federation="g"), b"content"), "somebody else"),
        (sealed(HUB, header(), b"another"), "not what was signed"),
        (sealed(HUB, header(sent=time.time() - 61), b"content"), "clocks differ"),
        (sealed(HUB, header(sent=time.time() + 10**6), b"content"), "clocks differ"),
    ],
)
def test_another_message_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(NotAuthentic, match=reason):
        door().opened(content)


def test_a_message_is_not_taken_again_when_its_first_coming_is_forgotten() -> None:
    now = time.time()
    content, moments = sealed(HUB, header(sent=now), b"content"), [now, now + 59, now + 130]
    keeper = door(lambda: moments[0])
    keeper.opened(content)
    for reason in ("came before", "clocks differ"):
        moments.pop(0)
        with pytest.raises(NotAuthentic, match=reason):
            keeper.opened(content)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(content: bytes) -> None:
    with pytest.raises((Malformed, NotAuthentic)):
        door().opened(content)


@given(st.data())
def test_any_changed_byte_is_found(data: st.DataObject) -> None:
    content = bytearray(sealed(HUB, header(), b"content"))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((Malformed, NotAuthentic)):
        door().opened(bytes(content))


def test_parts_come_together_in_any_order() -> None:
    whole = bytes(range(256)) * (PART // 100)
    parts = list(chunks_of(whole))
    assert len(parts) == 3
    assembly = Assembly()
    assert [assembly.complete(part) for part in reversed(parts)] == [None, None, whole]
    assert list(map(assembly.complete, chunks_of(b""))) == [b""]


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"n" * 19,
        b"n" * 16 + bytes([0, 1, 0, 1]),
        b"n" * 16 + bytes([0, 0, 255, 255]),
        b"n" * 16 + bytes([0, 0, 0, 0]),
    ],
)
def test_a_part_without_place_is_refused(part: bytes) -> None:
    with pytest.raises(Malformed):
        Assembly().complete(part)


def test_parts_that_wait_are_few() -> None:
    assembly = Assembly(most=2)
    firsts = [next(chunks_of(bytes(PART + 1))) for _ in range(50)]
    assert [assembly.complete(part) for part in firsts] == [None] * 50
    assert len(assembly._waiting) == 2
