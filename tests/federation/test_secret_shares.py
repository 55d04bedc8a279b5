"""A threshold of holders restores a secret; fewer know nothing of it."""

import secrets
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.federation.secret_shares import WrongShares, restored, shared_out


@given(st.binary(min_size=16, max_size=16), st.integers(1, 25), st.data())
def test_any_threshold_of_holders_restores_the_secret(
    secret: bytes, holders: int, data: st.DataObject
) -> None:
    threshold = data.draw(st.integers(1, holders))
    shares = shared_out(secret, threshold, holders, secrets.token_bytes)
    places = data.draw(st.permutations(range(holders)))[
        : data.draw(st.integers(threshold, holders))
    ]
    assert restored({place: shares[place] for place in places}, threshold) == secret


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_fewer_shares_fit_every_secret_alike(secret: bytes, other: bytes) -> None:
    shares = shared_out(secret, 4, 6, secrets.token_bytes)
    for known in combinations(range(6), 3):
        # Had the secret been another, a fourth share would exist that fits these three.
        fitting = _share_for(other, {place: shares[place] for place in known}, at=9)
        held = {place: shares[place] for place in known} | {9: fitting}
        assert restored(held, 4) == other


def _share_for(secret: bytes, held: dict[int, bytes], at: int) -> bytes:
    prime = 2**130 - 5
    points = {0: int.from_bytes(secret, "big")}
    points |= {place + 1: int.from_bytes(share, "big") for place, share in held.items()}
    value = 0
    for x, y in points.items():
        weight = 1
        for other in points:
            if other != x:
                weight = weight * (at + 1 - other) * pow(x - other, -1, prime) % prime
        value = (value + y * weight) % prime
    return value.to_bytes(17, "big")


def test_too_few_or_foreign_shares_restore_nothing() -> None:
    one, other = (shared_out(secrets.token_bytes(16), 3, 5, secrets.token_bytes) for _ in range(2))
    with pytest.raises(WrongShares):
        restored({0: one[0], 1: one[1]}, 3)
    with pytest.raises(WrongShares):
        restored({0: one[0], 1: one[1], 2: one[2][:16]}, 3)
    mixed = [{0: one[0], 1: one[1], 2: share} for share in other]
    for shares in mixed:
        try:
            found = restored(shares, 3)
        except WrongShares:
            continue
        assert found != restored(dict(enumerate(one)), 3)


def test_shares_of_one_secret_never_look_alike() -> None:
    secret = bytes(16)
    drawn = {shared_out(secret, 3, 4, secrets.token_bytes) for _ in range(200)}
    assert len({share for shares in drawn for share in shares}) == 800
