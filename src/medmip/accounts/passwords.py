"""Passwords: what is good enough, how they are kept, how they are checked."""

import re
from collections.abc import Sequence

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from medmip.errors import FieldProblem, RequestError

SHORTEST = 12
LONGEST = 256
"""Characters; beyond, hashing would be a way to keep the server busy."""
STRENGTH = 3
"""zxcvbn's score from 0 to 4: 3 is beyond 10^8 guesses of a slow hash."""
_RATED = 72
"""zxcvbn rates this many characters; its time grows with the square of the length."""

# RFC 9106, second recommended option (argon2id, 64 MiB, 3 passes), which argon2-cffi takes.
_hasher = PasswordHasher()
_NOBODY = _hasher.hash("nobody has this password")


def check_strength(password: str, known: Sequence[str]) -> None:
    """Raises RequestError with advice where a password is short or easily guessed.

    known are words that an attacker would try first, such as the person's name.
    """
    advice = ""
    if len(password) < SHORTEST:
        advice = f"use at least {SHORTEST} characters"
    elif len(password) > LONGEST:
        advice = f"use at most {LONGEST} characters"
    else:
        rest = _without(password[:_RATED], known)
        rated = zxcvbn(rest or password[:1])
        if len(rest) < len(password) and rated["score"] < STRENGTH:
            advice = "leave out your name and address, which are tried first"
        elif rated["score"] < STRENGTH:
            told = [rated["feedback"]["warning"], *rated["feedback"]["suggestions"]]
            advice = " ".join(part for part in told if part) or "it is too easily guessed"
    if advice:
        raise RequestError(
            "The password is not strong enough",
            fields=(FieldProblem("password", advice),),
            remedy="A few unrelated words are easy to keep and hard to guess.",
        )


def _without(password: str, known: Sequence[str]) -> str:
    """What is left of a password without the words that an attacker knows; all count as nothing."""
    words = {word for text in known for word in re.split(r"\W+", text.lower()) if len(word) > 2}
    lowered = password.lower()
    for word in sorted(words, key=len, reverse=True):
        lowered = lowered.replace(word, "")
    return password if len(lowered) == len(password) else lowered


def hashed(password: str) -> str:
    """The argon2id hash of a password, with its salt and parameters."""
    return _hasher.hash(password)


def matches(kept: str | None, password: str) -> bool:
    """Whether this is the password; without a hash to compare it takes as long and is false."""
    try:
        _hasher.verify(kept or _NOBODY, password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


def outdated(kept: str) -> bool:
    """Whether a hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(kept)
