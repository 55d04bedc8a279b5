"""What a site answers in one run of secure aggregation, to whatever the hub asks."""

from dataclasses import dataclass
from math import prod

import numpy as np

from medmip.federation.masked_round import MaskedSums, Unmasked, Unmasking, Vote
from medmip.federation.masking_site import MaskingSite
from medmip.federation.run_keys import Untrustworthy
from medmip.federation.steering import SteeringRule
from medmip.federation.summands import Shapes, nothing, summands
from medmip.fold.shifted import Origin, Shifted
from medmip.fold.statistic import FloatArray, Statistic
from medmip.privacy.guard import Access

MOST_VALUES = 2**24
"""Values of a statistic beyond which no hub's word is taken for its shapes."""


@dataclass(frozen=True, slots=True)
class NoRecords:
    """A site's answer where it has no record to sum: it waits to be told the shapes."""

    site: str
    number: int


class SecureAnswers:
    """Masks one site's statistics, which have passed its guard.

    extremes says whether the site's policy lets minima and maxima travel in clear. Methods raise
    Untrustworthy, Refused or OutOfRange; nothing is sent then.
    """

    def __init__(
        self, masking: MaskingSite, rule: SteeringRule, access: Access, *, extremes: bool
    ) -> None:
        self.masking = masking
        self._rule, self._access, self._extremes = rule, access, extremes
        self._kind: type[Statistic] = Statistic
        self._held: Statistic | None = None

    def answer(
        self, number: int, kind: type[Statistic], statistic: Statistic | None
    ) -> MaskedSums | NoRecords:
        """The released statistic of a kernel, or its origin where it is about a shift of its own.

        kind is the statistic that the kernel makes; None is that of no record.
        """
        self._kind, self._held = kind, statistic
        if statistic is None:
            return NoRecords(self.masking.advert.site, number)
        if isinstance(statistic, Shifted):
            return self._masked(number, statistic.origin())
        return self._masked(number, statistic)

    def about(self, number: int, shift: FloatArray) -> MaskedSums:
        """The same statistic about the shift that all sites' origins gave."""
        held = self._held
        if not isinstance(held, Shifted):
            raise Untrustworthy("The hub shifts a statistic that has no shift")
        if shift.shape != np.shape(held.shift) or not np.isfinite(shift).all():
            raise Untrustworthy("The hub sent a shift that fits no origin")
        return self._masked(number, held.about(shift))

    def fill(self, number: int, shapes: Shapes, *, origin: bool) -> MaskedSums:
        """Masked zeros in the shapes of the others' answers, of a site without records."""
        kind: type[Statistic] = Origin if origin else self._kind
        if self._held is not None or kind is Statistic:
            raise Untrustworthy("The hub asks for zeros where there are records")
        if (
            sum(prod(shape) for shape in shapes) > MOST_VALUES
            or min(map(min, filter(None, shapes)), default=0) < 0
        ):
            raise Untrustworthy("The hub asks for zeros in impossible shapes")
        self._rule.without_records(self._access, self._kind)
        return self.masking.masked(number, nothing(kind, shapes))

    def vote(self, number: int, survivors: tuple[str, ...]) -> Vote:
        """Its word on who makes up a round, where the total of these sites may be told."""
        self._rule.aggregated(self._access, self._kind, survivors)
        return self.masking.vote(number, survivors)

    def unmask(self, request: Unmasking) -> Unmasked:
        """Its shares to unmask a round."""
        self._rule.aggregated(self._access, self._kind, request.survivors)
        return self.masking.unmask(request)

    def _masked(self, number: int, statistic: Statistic) -> MaskedSums:
        sites = self.masking.participants
        if not sites:
            raise Untrustworthy("The hub asks for a round before the sites' keys")
        self._rule.aggregated(self._access, type(statistic), sites)
        noise = self.masking.noise(number)
        words = summands(statistic, len(sites), noise, extremes=self._extremes)
        return self.masking.masked(number, words)
