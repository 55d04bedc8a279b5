"""The second factor: time-based codes (RFC 6238) and recovery codes."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

import pyotp
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_STEP = 30
_DRIFT = 1
"""Steps that a telephone's clock may be off, either way."""
_CODES = 10
_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""Without letters that are mistaken for digits."""


@dataclass(frozen=True)
class Enrolment:
    """A new second factor, shown once: the secret and the address that an app's camera reads."""

    secret: str
    address: str


def enrolment(name: str, issuer: str) -> Enrolment:
    """A fresh secret for a person of this name."""
    secret = pyotp.random_base32()
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer))


def accepted_step(secret: str, code: str, now: datetime, last: int) -> int | None:
    """The time step whose code this is, None where it is none; last is the last step accepted.

    A code is good once: steps up to `last` are not tried.
    """
    generator = pyotp.TOTP(secret)
    present = int(now.timestamp()) // _STEP
    found = None
    for step in range(present - _DRIFT, present + _DRIFT + 1):
        right = hmac.compare_digest(generator.generate_otp(step), code.strip().replace(" ", ""))
        if right and step > last:
            found = step
    return found


def shows(secret: str, code: str) -> bool:
    """Whether a code shows that an app has the secret, when a second factor is set up."""
    return pyotp.TOTP(secret).verify(code.strip(), valid_window=_DRIFT)


def recovery_codes() -> tuple[list[str], list[str]]:
    """Fresh recovery codes, and what is kept of them."""
    codes = [
        "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(2))
        for _ in range(_CODES)
    ]
    return codes, [_kept(code) for code in codes]


def without(kept: list[str], code: str) -> list[str] | None:
    """The recovery codes that are left once this one is used; None where it is none of them."""
    used = _kept(code)
    if not any([hmac.compare_digest(one, used) for one in kept]):  # noqa: C419 - all compared
        return None
    return [one for one in kept if one != used]


def _kept(code: str) -> str:
    # Codes are random with 49 bits, and log-in is limited: a slow hash would add nothing.
    return hashlib.sha256(code.strip().upper().encode()).hexdigest()


def sealed(secret: str, key: bytes, person: str) -> bytes:
    """The secret as it is kept: encrypted by the site's key and bound to the person's id."""
    nonce = secrets.token_bytes(12)
    return nonce + AESGCM(key).encrypt(nonce, secret.encode(), person.encode())


def opened(kept: bytes, key: bytes, person: str) -> str:
    """The secret again; raises cryptography's InvalidTag where it was changed."""
    return AESGCM(key).decrypt(kept[:12], kept[12:], person.encode()).decode()
