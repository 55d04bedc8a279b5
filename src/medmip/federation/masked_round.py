"""What passes between a site and the hub in one round of secure aggregation."""

from dataclasses import dataclass, field

from medmip.federation.fixed_point import Words
from medmip.federation.sealed_share import SealedShare
from medmip.federation.summands import Shapes, Sums
from medmip.federation.transcript import transcript
from medmip.fold.statistic import FloatArray


@dataclass(frozen=True)
class MaskedSums:
    """A site's statistic under masks: numbers (3, n) and counts (m,) look random to all others.

    clear are minima and maxima, which the site's policy lets out. Where the run continues after a
    loss: seeds are the shares of the round's own mask, one for each peer, and commitment fixes
    which seed they are of.
    """

    site: str
    number: int
    shapes: Shapes
    numbers: Words = field(repr=False)
    counts: Words = field(repr=False)
    clear: tuple[FloatArray, ...] = field(default=(), repr=False)
    seeds: tuple[SealedShare, ...] = ()
    commitment: bytes = b""

    @property
    def sums(self) -> Sums:
        return Sums(self.numbers, self.counts)


@dataclass(frozen=True, slots=True)
class Vote:
    """A site's signed word that these sites, and no other, make up a round."""

    site: str
    number: int
    survivors: tuple[str, ...]
    signature: bytes


@dataclass(frozen=True)
class Unmasking:
    """The hub's request to take off the masks of a round.

    survivors are the sites whose masked sums the hub has; seeds the shares of their own masks
    sealed for the receiver; votes the proof, where a site was lost, that enough sites agree.
    """

    number: int
    survivors: tuple[str, ...]
    seeds: tuple[SealedShare, ...]
    votes: tuple[Vote, ...] = ()


@dataclass(frozen=True)
class Unmasked:
    """A site's shares: of the round's own mask of every survivor, of the keys of every lost site.

    Never both of one site.
    """

    site: str
    number: int
    seeds: dict[str, bytes] = field(repr=False)
    keys: dict[str, bytes] = field(repr=False)


def vote_content(roster: bytes, number: int, survivors: tuple[str, ...]) -> bytes:
    """What a vote signs."""
    return transcript("survivors", roster, number, *survivors)


def commitment(roster: bytes, site: str, number: int, seed: bytes) -> bytes:
    """What fixes the seed of a site's own mask of a round, and tells nothing of it."""
    return transcript("own mask", roster, site, number, seed)
