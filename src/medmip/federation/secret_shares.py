"""Secrets shared out so that a threshold of holders can restore one, and fewer learn nothing.

Source: Shamir, Communications of the ACM 22 (1979) 612-613, over the integers modulo 2^130 - 5.
"""

from collections.abc import Callable, Mapping

_PRIME = 2**130 - 5
_SECRET, _SHARE = 16, 17


class WrongShares(Exception):
    """Shares that no secret was shared out in."""


def shared_out(
    secret: bytes, threshold: int, holders: int, noise: Callable[[int], bytes]
) -> tuple[bytes, ...]:
    """A secret of 16 bytes in as many shares of 17 bytes as there are holders."""
    if len(secret) != _SECRET or not 0 < threshold <= holders:
        raise ValueError("a secret has 16 bytes, and no more than all holders restore it")
    # 48 bytes make a coefficient uniform to within 2^-254.
    terms = [int.from_bytes(noise(48), "big") % _PRIME for _ in range(threshold - 1)]
    terms.append(int.from_bytes(secret, "big"))
    return tuple(_at(terms, place).to_bytes(_SHARE, "big") for place in range(1, holders + 1))


def restored(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """The secret, from the shares of a threshold of holders or more, by their places from 0.

    Raises WrongShares where they are too few or no shares of one secret.
    """
    chosen = dict(sorted(shares.items())[:threshold])
    if len(chosen) < threshold or any(len(share) != _SHARE for share in chosen.values()):
        raise WrongShares
    secret = 0
    for place, share in chosen.items():
        weight, scale = 1, 1
        for other in chosen:
            if other != place:
                weight = weight * (other + 1) % _PRIME
                scale = scale * (other - place) % _PRIME
        secret += int.from_bytes(share, "big") * weight * pow(scale, -1, _PRIME)
    secret %= _PRIME
    if secret >= 2 ** (8 * _SECRET):
        raise WrongShares
    return secret.to_bytes(_SECRET, "big")


def _at(terms: list[int], place: int) -> int:
    value = 0
    for term in terms:
        value = (value * place + term) % _PRIME
    return value
