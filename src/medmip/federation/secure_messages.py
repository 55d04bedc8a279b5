"""What the hub asks a site in secure aggregation, step by step, and what it is answered."""

from dataclasses import dataclass

from medmip.federation.masked_round import MaskedSums, Unmasked, Unmasking, Vote
from medmip.federation.run_keys import KeyAdvert, OnLoss, Roster
from medmip.federation.sealed_share import SealedShare
from medmip.federation.secure_answers import NoRecords
from medmip.federation.succession import Succession
from medmip.federation.summands import Shapes
from medmip.fold.statistic import FloatArray


@dataclass(frozen=True)
class Advertise:
    """New keys are to be made for the run; epoch grows each time."""

    epoch: int
    on_loss: OnLoss


@dataclass(frozen=True)
class Introduced:
    """A site as the hub calls it, with the statements by which its key changed."""

    node: str
    name: str
    successions: tuple[Succession, ...]


@dataclass(frozen=True)
class Join:
    """The keys of all sites of the run, and who these sites are."""

    roster: Roster
    peers: tuple[Introduced, ...]


@dataclass(frozen=True)
class Hear:
    """The shares of its peers' keys that are sealed for the site."""

    shares: tuple[SealedShare, ...]


@dataclass(frozen=True)
class Mask:
    """A round: asked is the bytes of an `Asking`, which is the same for every site."""

    number: int
    asked: bytes


@dataclass(frozen=True)
class Shift:
    """The sums of the round before, about the shift that all sites' origins gave."""

    number: int
    shift: FloatArray


@dataclass(frozen=True)
class Fill:
    """Zeros in the shapes of the others' answers; origin where these are origins of a shift."""

    number: int
    shapes: Shapes
    origin: bool


@dataclass(frozen=True)
class Election:
    """Do these sites, and no other, make up the round?"""

    number: int
    survivors: tuple[str, ...]


@dataclass(frozen=True)
class Shares:
    """The shares of a site's key for its peers; none where the run fails at a loss."""

    shares: tuple[SealedShare, ...]


@dataclass(frozen=True)
class Agreed:
    """The site has taken its peers' shares."""


Step = Advertise | Join | Hear | Mask | Shift | Fill | Election | Unmasking
Answer = KeyAdvert | Shares | Agreed | MaskedSums | NoRecords | Vote | Unmasked


@dataclass(frozen=True)
class Stepping:
    """One step, as it travels."""

    step: Step


@dataclass(frozen=True)
class Stepped:
    """Its answer, as it travels."""

    answer: Answer
