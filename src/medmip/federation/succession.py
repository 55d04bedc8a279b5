"""How an identity hands over to its next key: a statement signed by both."""

from datetime import datetime
from functools import reduce

from pydantic import AwareDatetime, BaseModel, ConfigDict

from medmip.errors import MipError
from medmip.federation.identity import Identity, PublicIdentity


class BrokenSuccession(MipError):
    """A statement of a new key that the former key did not sign."""

    title = "The new key is not accepted"


class Succession(BaseModel):
    """That a former key hands over to a next one; signed by both, so that neither is swapped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    former: str
    following: str
    at: AwareDatetime
    signed_by_former: str
    signed_by_following: str

    @classmethod
    def made(cls, former: Identity, following: Identity, at: datetime) -> "Succession":
        """The statement of former that following takes its place from now on."""
        content = _content(former.public, following.public, at)
        return cls(
            former=former.public.hex,
            following=following.public.hex,
            at=at,
            signed_by_former=former.sign(content).hex(),
            signed_by_following=following.sign(content).hex(),
        )

    def checked(self) -> "Succession":
        """This statement, whose signatures hold; raises BrokenSuccession."""
        former = PublicIdentity.from_hex(self.former)
        following = PublicIdentity.from_hex(self.following)
        content = _content(former, following, self.at)
        try:
            sound = former.verifies(bytes.fromhex(self.signed_by_former), content)
            sound &= following.verifies(bytes.fromhex(self.signed_by_following), content)
        except ValueError:
            sound = False
        if not sound:
            raise BrokenSuccession(
                f"The statement that {following.fingerprint} follows {former.fingerprint} "
                "is not signed by both keys",
                remedy="Compare the fingerprints by phone before you trust the new key.",
            )
        return self


def newest(pinned: PublicIdentity, chain: tuple[Succession, ...]) -> PublicIdentity:
    """The key that a pinned one has handed over to, step by step; itself where it never did.

    Statements about keys before the pinned one are passed over. Raises BrokenSuccession where a
    statement on the way is not signed.
    """

    def follow(current: PublicIdentity, step: Succession) -> PublicIdentity:
        if step.former != current.hex:
            return current
        return PublicIdentity.from_hex(step.checked().following)

    return reduce(follow, chain, pinned)


def _content(former: PublicIdentity, following: PublicIdentity, at: datetime) -> bytes:
    return b"\0".join(
        (b"mip succession", former.key, following.key, at.isoformat(timespec="seconds").encode())
    )
