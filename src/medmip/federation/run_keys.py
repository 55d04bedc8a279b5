"""The keys of one run: each site makes its own, signs them, and agrees on one with every peer."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from medmip.errors import MipError
from medmip.federation.transcript import derived, transcript

FEWEST = 3
"""Sites below which a total tells one what another has."""


class Untrustworthy(MipError):
    """What the hub passed on does not fit what the sites signed; nothing more is sent."""

    title = "Secure aggregation was stopped"
    status = 502


class TooFewSites(MipError):
    """Fewer sites are left than a total may be of."""

    title = "Too few sites for secure aggregation"
    status = 409


class OnLoss(StrEnum):
    """What becomes of a round where a site is lost."""

    FAIL = "fail"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class RunLabel:
    """Which run of which federation; epoch grows each time that its sites make new keys."""

    federation: str
    run: str
    epoch: int
    on_loss: OnLoss


Trust = Callable[[Mapping[str, bytes]], None]
"""Asks whether all peers, by their ids, are known by these identities; keeps what is met for the
first time, and raises where one has changed."""


class Signer(Protocol):
    """A site's own identity."""

    def sign(self, content: bytes) -> bytes:
        """An Ed25519 signature of 64 bytes."""


@dataclass(frozen=True, slots=True)
class KeyAdvert:
    """A site's public keys for one run, 32 bytes each, signed by its identity.

    masking is for masks, and is laid open where the site is lost; sealing is for what sites send
    each other through the hub, and is never laid open.
    """

    site: str
    identity: bytes
    masking: bytes
    sealing: bytes
    signature: bytes = b""

    def content(self, run: RunLabel) -> bytes:
        """What is signed."""
        place = (run.federation, run.run, run.epoch, run.on_loss.value)
        return transcript("keys", *place, self.site, self.identity, self.masking, self.sealing)


@dataclass(frozen=True)
class Roster:
    """The sites of a run with their keys, in the order of their ids."""

    run: RunLabel
    adverts: tuple[KeyAdvert, ...]

    @classmethod
    def of(cls, run: RunLabel, adverts: Iterable[KeyAdvert]) -> "Roster":
        """The roster of these sites; raises TooFewSites."""
        roster = cls(run, tuple(sorted(adverts, key=lambda advert: advert.site)))
        roster.check_size()
        return roster

    @property
    def sites(self) -> tuple[str, ...]:
        return tuple(advert.site for advert in self.adverts)

    @cached_property
    def digest(self) -> bytes:
        """What all keys and votes of the run are bound to: sites shown others agree on nothing."""
        signed = (part for advert in self.adverts for part in (advert.site, advert.signature))
        run = self.run
        return transcript("roster", run.federation, run.run, run.epoch, run.on_loss.value, *signed)

    @property
    def threshold(self) -> int:
        """How many sites must remain, and must agree on who does, to lay a lost site's keys open.

        More than two thirds: then a hub that fewer than a third of the sites collude with cannot
        make some sites lay open one kind of a site's secrets and others the other kind.
        Source: Bonawitz et al., ACM CCS 2017, theorem 6.5.
        """
        return max(FEWEST, 2 * len(self.adverts) // 3 + 1)

    def advert(self, site: str) -> KeyAdvert:
        """The keys of one site; raises Untrustworthy where it is not of the roster."""
        for advert in self.adverts:
            if advert.site == site:
                return advert
        raise Untrustworthy(f"Site {site} is not of this run")

    def check_size(self) -> None:
        """Raises TooFewSites where a total of these sites, or of those left, is of too few."""
        fewest = FEWEST if self.run.on_loss is OnLoss.FAIL else FEWEST + 1
        if len(self.adverts) < fewest:
            raise TooFewSites(
                f"Secure aggregation that shall {self.run.on_loss.value} when a site is lost "
                f"needs {fewest} sites; {len(self.adverts)} take part",
                remedy="Choose datasets of more hospitals.",
            )

    def check(self, run: RunLabel, own: KeyAdvert) -> None:
        """What a site checks before it asks whether it trusts a roster's identities.

        own is what the site signed for the run. Raises Untrustworthy or TooFewSites.
        """
        self.check_size()
        if self.run != run:
            raise Untrustworthy("The roster is of another run")
        if self.advert(own.site) != own:
            raise Untrustworthy("The roster holds other keys for this site than it signed")
        if list(self.sites) != sorted(set(self.sites)):
            raise Untrustworthy("The roster names a site twice, or out of order")
        keys = [key for one in self.adverts for key in (one.identity, one.masking, one.sealing)]
        if len(set(keys)) != len(keys):
            raise Untrustworthy("Two sites of the roster have the same key")
        for advert in self.adverts:
            check_signature(advert.identity, advert.signature, advert.content(run), advert.site)


class RunKeys:
    """A site's private keys of one run, all made of one secret of 32 random bytes."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.seed = derived(secret, 16, "masking seed")
        self._masking = masking_key(self.seed)
        self._sealing = X25519PrivateKey.from_private_bytes(derived(secret, 32, "sealing key"))

    def advert(self, run: RunLabel, site: str, identity: bytes, signer: Signer) -> KeyAdvert:
        """The public keys, signed."""
        masking = self._masking.public_key().public_bytes_raw()
        plain = KeyAdvert(site, identity, masking, self._sealing.public_key().public_bytes_raw())
        return replace(plain, signature=signer.sign(plain.content(run)))

    def random(self, length: int, purpose: str, *parts: str | int | bytes) -> bytes:
        """Bytes that only this site knows, the same for the same purpose and parts."""
        return derived(self._secret, length, purpose, *parts)

    def pairwise(self, roster: Roster, peer: str) -> bytes:
        """The key that masks between this site and a peer are made of, 32 bytes."""
        return pair_key(self._masking, roster, peer)

    def sealing(self, roster: Roster, peer: str) -> bytes:
        """The key that this site and a peer seal messages with, 32 bytes."""
        shared = _agreed(self._sealing, roster.advert(peer).sealing, peer)
        return derived(shared, 32, "sealing", roster.digest)


def masking_key(seed: bytes) -> X25519PrivateKey:
    """The private key that masks are agreed with, of its 16 bytes that are shared out."""
    return X25519PrivateKey.from_private_bytes(derived(seed, 32, "masking key"))


def pair_key(private: X25519PrivateKey, roster: Roster, peer: str) -> bytes:
    """The key that masks between the owner of a private key and a peer are made of, 32 bytes."""
    return derived(
        _agreed(private, roster.advert(peer).masking, peer), 32, "masking", roster.digest
    )


def check_signature(identity: bytes, signature: bytes, content: bytes, site: str) -> None:
    """Raises Untrustworthy where a site's identity did not sign this content."""
    try:
        Ed25519PublicKey.from_public_bytes(identity).verify(signature, content)
    except (InvalidSignature, ValueError):
        raise Untrustworthy(f"What the hub passed on is not signed by site {site}") from None


def _agreed(private: X25519PrivateKey, public: bytes, peer: str) -> bytes:
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise Untrustworthy(f"Site {peer} sent a key that nobody can agree with") from None
