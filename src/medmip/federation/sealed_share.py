"""A share on its way from one site to another through the hub, which cannot open it."""

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from medmip.federation.run_keys import Untrustworthy
from medmip.federation.transcript import derived, transcript


@dataclass(frozen=True, slots=True)
class SealedShare:
    """For receiver only; number is the round that it is for, 0 for a share of a masking seed."""

    sender: str
    receiver: str
    number: int
    box: bytes


def sealed(key: bytes, sender: str, receiver: str, number: int, share: bytes) -> SealedShare:
    """A share sealed with the key that both sites agreed on; at most once for each number."""
    return SealedShare(
        sender,
        receiver,
        number,
        _cipher(key, sender).encrypt(_nonce(number), share, transcript(receiver, number)),
    )


def opened(key: bytes, share: SealedShare, receiver: str, number: int) -> bytes:
    """The share inside; raises Untrustworthy where it is another's, of another round or changed."""
    try:
        return _cipher(key, share.sender).decrypt(
            _nonce(number), share.box, transcript(receiver, number)
        )
    except InvalidTag:
        raise Untrustworthy(
            f"A share that site {share.sender} is said to have sent is not its own"
        ) from None


def _cipher(key: bytes, sender: str) -> ChaCha20Poly1305:
    # Each direction has a key of its own, so that both may number from 0.
    return ChaCha20Poly1305(derived(key, 32, "from", sender))


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
