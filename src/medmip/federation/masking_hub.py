"""The hub's part in secure aggregation: it adds up what sites masked, and sees the total only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medmip.federation.masked_round import MaskedSums, Unmasked, Unmasking, Vote, commitment
from medmip.federation.masking_site import own_mask
from medmip.federation.masks import MaskKey, masked, pairwise
from medmip.federation.run_keys import OnLoss, Roster, TooFewSites, masking_key, pair_key
from medmip.federation.sealed_share import SealedShare
from medmip.federation.secret_shares import WrongShares, restored
from medmip.federation.summands import NotTheSame, Shapes, Sums
from medmip.fold.statistic import FloatArray


class RoundLost(TooFewSites):
    """A round in which sites are missing that its total cannot do without; sites names them."""

    title = "A site was lost"
    status = 502

    def __init__(self, what: str, sites: tuple[str, ...]) -> None:
        super().__init__(what, remedy="Run it again when the sites are back, or without them.")
        self.sites = sites


@dataclass(frozen=True)
class Total:
    """What the sites of one round add up to; clear are their minima and maxima, site by site."""

    shapes: Shapes
    sums: Sums
    clear: list[tuple[FloatArray, ...]]
    survivors: tuple[str, ...]
    lost: tuple[str, ...]


class MaskedRound:
    """One round: the masked sums that arrived, and what is needed to unmask their total.

    participants are the sites that masked for one another. Raises RoundLost where too few sent
    theirs, NotTheSame where what they sent does not fit together.
    """

    def __init__(
        self, roster: Roster, participants: tuple[str, ...], sent: Sequence[MaskedSums]
    ) -> None:
        self._roster = roster
        self._participants = participants
        self._sent = {part.site: part for part in sent}
        self.survivors = tuple(site for site in participants if site in self._sent)
        self.lost = tuple(site for site in participants if site not in self._sent)
        needed = len(participants) if self._fails else roster.threshold
        if len(self.survivors) < needed:
            raise RoundLost(f"{len(self.lost)} of {len(participants)} sites were lost", self.lost)
        first = self._sent[self.survivors[0]]
        self._number, self._shapes = first.number, first.shapes
        for site in self.survivors:
            part = self._sent[site]
            same = (part.number, part.shapes) == (first.number, first.shapes)
            lengths = part.numbers.shape == first.numbers.shape
            if not same or not lengths or part.counts.shape != first.counts.shape:
                raise NotTheSame(
                    f"Site {site} answered in other shapes than site {first.site}",
                    remedy="Compare the sites' versions of the software and of the data model.",
                )

    @property
    def _fails(self) -> bool:
        return self._roster.run.on_loss is OnLoss.FAIL

    @property
    def is_masked(self) -> bool:
        """Whether sites must be asked before there is a total."""
        return not self._fails

    @property
    def needs_votes(self) -> bool:
        """Whether they must be asked to agree first on who was lost."""
        return self.is_masked and bool(self.lost)

    def request(self, site: str, votes: Sequence[Vote] = ()) -> Unmasking:
        """What a survivor is asked."""
        seeds = tuple(
            share
            for sender in self.survivors
            for share in self._sent[sender].seeds
            if share.receiver == site
        )
        return Unmasking(self._number, self.survivors, seeds, tuple(votes))

    def total(self, answers: Sequence[Unmasked] = ()) -> Total:
        """The total of the survivors, from the answers of enough of them.

        Raises RoundLost where answers are too few, NotTheSame where they restore no secret.
        """
        sums = Sums.of([self._sent[site].sums for site in self.survivors])
        if self.is_masked:
            sums = masked(sums, [-key for key in self._left(answers)], self._number)
        clear = [self._sent[site].clear for site in self.survivors]
        return Total(self._shapes, sums, clear, self.survivors, self.lost)

    def _left(self, answers: Sequence[Unmasked]) -> list[MaskKey]:
        """The masks that do not cancel among the survivors."""
        given = {answer.site: answer for answer in answers if answer.number == self._number}
        if len(given) < self._roster.threshold:
            missing = tuple(site for site in self.survivors if site not in given)
            raise RoundLost(f"{len(missing)} sites were lost before the total was told", missing)
        left = []
        for site in self.survivors:
            seed = self._restored(site, {place: one.seeds for place, one in given.items()})
            digest, fixed = self._roster.digest, self._sent[site].commitment
            if commitment(digest, site, self._number, seed) != fixed:
                raise NotTheSame(f"The sites' shares restore no mask of site {site}")
            left.append(own_mask(seed))
        for site in self.lost:
            seed = self._restored(site, {place: one.keys for place, one in given.items()})
            key = masking_key(seed)
            if key.public_key().public_bytes_raw() != self._roster.advert(site).masking:
                raise NotTheSame(f"The sites' shares restore no key of site {site}")
            left += [
                pairwise(other, site, pair_key(key, self._roster, other))
                for other in self.survivors
            ]
        return left

    def _restored(self, owner: str, shares: Mapping[str, Mapping[str, bytes]]) -> bytes:
        places = self._roster.sites
        held = {places.index(site): of[owner] for site, of in shares.items() if owner in of}
        try:
            return restored(held, self._roster.threshold)
        except WrongShares:
            raise NotTheSame(f"The sites' shares restore no secret of site {owner}") from None


def delivered(
    roster: Roster, sent: Mapping[str, Sequence[SealedShare]]
) -> dict[str, tuple[SealedShare, ...]]:
    """What each site that sent shares of its key is to hear; raises RoundLost where too few did."""
    if len(sent) < roster.threshold:
        lost = tuple(site for site in roster.sites if site not in sent)
        raise RoundLost(f"{len(lost)} sites were lost before they agreed on keys", lost)
    return {
        site: tuple(
            share
            for sender in roster.sites
            for share in sent.get(sender, ())
            if share.receiver == site
        )
        for site in roster.sites
        if site in sent
    }
