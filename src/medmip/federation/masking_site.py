"""A site's part in secure aggregation: it masks what it adds, and unmasks only what all add up to.

Setting `fail`: masks between pairs of sites, which cancel in the total of all of them.
Setting `continue`: an own mask of each round besides, whose seed is shared out among the sites as
the masking key is; for each site of a round they lay open the one or the other, never both.
Source: Bonawitz et al., Practical Secure Aggregation for Privacy-Preserving Machine Learning,
ACM CCS 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from medmip.federation.masked_round import (
    MaskedSums,
    Unmasked,
    Unmasking,
    Vote,
    commitment,
    vote_content,
)
from medmip.federation.masks import MaskKey, masked, pairwise
from medmip.federation.run_keys import (
    FEWEST,
    KeyAdvert,
    OnLoss,
    Roster,
    RunKeys,
    RunLabel,
    Signer,
    TooFewSites,
    Trust,
    Untrustworthy,
    check_signature,
)
from medmip.federation.sealed_share import SealedShare, opened, sealed
from medmip.federation.secret_shares import shared_out
from medmip.federation.summands import Noise, Summands
from medmip.federation.transcript import transcript

_KEYS = 0
"""The number that shares of masking keys are sealed under; rounds count from 1."""


@dataclass(frozen=True)
class _Sent:
    """The last round: what it added, as a hash, and what was sent."""

    digest: bytes
    sums: MaskedSums
    own_shares: tuple[bytes, ...]


class MaskingSite:
    """One site in one run; secret is 32 random bytes that are used for nothing else.

    Methods raise Untrustworthy where the hub asks what no honest hub would; whoever calls them
    sends nothing then. A site that is asked the same again answers the same again.
    """

    def __init__(
        self, run: RunLabel, site: str, identity: bytes, signer: Signer, secret: bytes
    ) -> None:
        self._run, self._site, self._signer = run, site, signer
        self._keys = RunKeys(secret)
        self.advert: KeyAdvert = self._keys.advert(run, site, identity, signer)
        self._roster: Roster | None = None
        self._sealing: dict[str, bytes] = {}
        self._masks: dict[str, MaskKey] = {}
        self._key_shares: dict[str, bytes] = {}
        self._participants: tuple[str, ...] = ()
        self._sent: _Sent | None = None
        self._settled: tuple[str, ...] | None = None
        self._closed = False

    @property
    def participants(self) -> tuple[str, ...]:
        """The sites that totals are of, in order; none before they are agreed on."""
        return self._participants

    def join(self, roster: Roster, trust: Trust) -> tuple[SealedShare, ...]:
        """Agrees on keys with every site of the roster; shares of its own key, for `continue`.

        Raises TooFewSites, and what trust raises where it does not know a peer by its identity.
        """
        if self._roster is not None and self._roster != roster:
            raise Untrustworthy("The hub sent a second roster for one run")
        roster.check(self._run, self.advert)
        met = {one.site: one.identity for one in roster.adverts if one.site != self._site}
        trust(met)
        peers = list(met)
        self._roster = roster
        self._masks = {
            peer: pairwise(self._site, peer, self._keys.pairwise(roster, peer)) for peer in peers
        }
        if self._run.on_loss is OnLoss.FAIL:
            self._participants = roster.sites
            return ()
        self._sealing = {peer: self._keys.sealing(roster, peer) for peer in peers}
        shares = self._shared_out(roster, self._keys.seed, _KEYS)
        self._key_shares[self._site] = shares[roster.sites.index(self._site)]
        return self._sealed_for_all(roster, shares, _KEYS)

    def hear(self, shares: Sequence[SealedShare]) -> None:
        """Takes the shares of its peers' keys: those who sent one, and itself, take part.

        Raises TooFewSites where they are fewer than must remain.
        """
        roster = self._joined()
        found: dict[str, bytes] = {}
        for share in shares:
            found[share.sender] = self._opened(share, _KEYS)
        taking_part = tuple(site for site in roster.sites if site in {*found, self._site})
        if len(taking_part) < roster.threshold:
            raise TooFewSites(
                f"{len(taking_part)} sites agreed on keys; {roster.threshold} must remain"
            )
        if self._participants not in ((), taking_part):
            raise Untrustworthy("The hub named two sets of sites for one run")
        self._key_shares |= found
        self._participants = taking_part

    def noise(self, number: int) -> Noise:
        """What hides cells in this round, the same whenever the round is asked for again."""
        return self._stream("hidden cells", number)

    def masked(self, number: int, summands: Summands) -> MaskedSums:
        """The summands of a round under its masks; rounds count from 1 and only grow.

        Raises Untrustworthy where this round has been answered otherwise: two answers under the
        same masks would tell their difference.
        """
        roster = self._joined()
        sums = summands.sums
        digest = transcript(
            "summands",
            repr(summands.shapes),
            sums.numbers.tobytes(),
            sums.counts.tobytes(),
            *(part.tobytes() for part in summands.clear),
        )
        if self._sent is not None and number <= self._sent.sums.number:
            if number == self._sent.sums.number and digest == self._sent.digest:
                return self._sent.sums
            raise Untrustworthy(
                f"Round {number} has been answered; an answer that differs may not follow"
            )
        if self._closed or not self._participants or number < 1:
            raise Untrustworthy("The hub asks for a round outside an agreed run")
        keys = [mask for peer, mask in self._masks.items() if peer in self._participants]
        seeds: tuple[SealedShare, ...] = ()
        own: tuple[bytes, ...] = ()
        fixed = b""
        if self._run.on_loss is OnLoss.CONTINUE:
            seed = self._keys.random(16, "own mask", number)
            own = self._shared_out(roster, seed, number)
            seeds = self._sealed_for_all(roster, own, number)
            fixed = commitment(roster.digest, self._site, number, seed)
            keys.append(own_mask(seed))
        covered = masked(sums, keys, number)
        sent = MaskedSums(
            self._site,
            number,
            summands.shapes,
            covered.numbers,
            covered.counts,
            summands.clear,
            seeds,
            fixed,
        )
        self._sent, self._settled = _Sent(digest, sent, own), None
        return sent

    def vote(self, number: int, survivors: tuple[str, ...]) -> Vote:
        """Signs that a round is of these sites, where some were lost.

        Raises Untrustworthy where it holds for another set already, TooFewSites.
        """
        roster = self._settle(number, survivors)
        content = vote_content(roster.digest, number, survivors)
        return Vote(self._site, number, survivors, self._signer.sign(content))

    def unmask(self, request: Unmasking) -> Unmasked:
        """Its shares of what masks a round still has, of the one kind or the other for each site.

        Where a site was lost the run is closed: with its keys laid open no other round is safe.
        """
        survivors, number = request.survivors, request.number
        roster = self._joined()
        lost = [site for site in self._participants if site not in survivors]
        if lost:
            self._check_votes(roster, request)
        seeds = {}
        for share in request.seeds:
            if share.sender not in survivors:
                raise Untrustworthy("The hub asks for the mask of a site that it calls lost")
            seeds[share.sender] = self._opened(share, number)
        if {*seeds, self._site} != set(survivors):
            raise Untrustworthy("The hub passed on too few shares to unmask the round")
        self._settle(number, survivors)
        assert self._sent is not None
        seeds[self._site] = self._sent.own_shares[roster.sites.index(self._site)]
        self._closed = self._closed or bool(lost)
        return Unmasked(self._site, number, seeds, {site: self._key_shares[site] for site in lost})

    def _joined(self) -> Roster:
        if self._roster is None:
            raise Untrustworthy("The hub asks for a round before the sites' keys")
        return self._roster

    def _settle(self, number: int, survivors: tuple[str, ...]) -> Roster:
        """Holds a round to one set of sites, for good."""
        roster = self._joined()
        if self._run.on_loss is OnLoss.FAIL:
            raise Untrustworthy("The hub asks to unmask a run that was to fail at a loss")
        if self._sent is None or self._sent.sums.number != number:
            raise Untrustworthy("The hub asks to unmask a round that is not the last")
        if self._settled not in (None, survivors):
            raise Untrustworthy("The hub names two sets of sites for one round")
        if list(survivors) != [site for site in self._participants if site in survivors]:
            raise Untrustworthy("The hub names sites that do not take part")
        if self._site not in survivors:
            raise Untrustworthy("The hub calls this site lost")
        if len(survivors) < max(FEWEST, roster.threshold):
            raise TooFewSites(
                f"{len(survivors)} sites are left; a total needs {roster.threshold} of them"
            )
        self._settled = survivors
        return roster

    def _check_votes(self, roster: Roster, request: Unmasking) -> None:
        content = vote_content(roster.digest, request.number, request.survivors)
        voters = {vote.site for vote in request.votes}
        if not voters <= set(request.survivors) or len(voters) < roster.threshold:
            raise Untrustworthy("Too few sites agree on who was lost")
        for vote in request.votes:
            identity = roster.advert(vote.site).identity
            check_signature(identity, vote.signature, content, vote.site)

    def _shared_out(self, roster: Roster, secret: bytes, number: int) -> tuple[bytes, ...]:
        noise = self._stream("shares", number)
        return shared_out(secret, roster.threshold, len(roster.sites), noise)

    def _sealed_for_all(
        self, roster: Roster, shares: tuple[bytes, ...], number: int
    ) -> tuple[SealedShare, ...]:
        return tuple(
            sealed(self._sealing[peer], self._site, peer, number, share)
            for peer, share in zip(roster.sites, shares, strict=True)
            if peer != self._site
        )

    def _opened(self, share: SealedShare, number: int) -> bytes:
        if share.sender not in self._sealing:
            raise Untrustworthy(f"Site {share.sender} has no share for this site")
        return opened(self._sealing[share.sender], share, self._site, number)

    def _stream(self, purpose: str, number: int) -> Noise:
        @cache
        def cipher() -> CipherContext:
            key = self._keys.random(32, purpose, number)
            return Cipher(ChaCha20(key, bytes(16)), None).encryptor()

        # Most rounds hide no cell, and then need no stream.
        return lambda size: cipher().update(bytes(size))


def own_mask(seed: bytes) -> MaskKey:
    """A site's own mask of one round, of its seed of 16 bytes."""
    return MaskKey(transcript("own mask key", seed))
