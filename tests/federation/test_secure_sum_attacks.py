"""What a curious or lying hub tries, with and without sites on its side, and does not get."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from scipy.stats import chi2, kstest

from medmip.federation.fixed_point import Words, added, negated
from medmip.federation.masked_round import MaskedSums, Unmasked, Unmasking, Vote
from medmip.federation.masking_hub import MaskedRound, delivered
from medmip.federation.masking_site import MaskingSite, own_mask
from medmip.federation.masks import MaskKey, masked, pairwise
from medmip.federation.run_keys import (
    KeyAdvert,
    OnLoss,
    Roster,
    RunKeys,
    Untrustworthy,
    masking_key,
    pair_key,
)
from medmip.federation.sealed_share import SealedShare
from medmip.federation.secret_shares import WrongShares, restored
from medmip.federation.summands import NotTheSame, Summands, Sums
from tests.federation.parties import Pins, label, names

SITES = names(7)
VALUES = 3000


def stranger(name: str = "site00") -> MaskingSite:
    """A site of `Federation.agreed` that has not heard of any other yet."""
    secret = hashlib.sha256(name.encode()).digest()
    identity = Ed25519PrivateKey.from_private_bytes(secret[::-1])
    return MaskingSite(label(), name, identity.public_key().public_bytes_raw(), identity, secret)


@dataclass
class Federation:
    """Sites whose keys are agreed on, and what the hub needs."""

    sites: dict[str, MaskingSite]
    secrets: dict[str, bytes]
    roster: Roster

    @classmethod
    def agreed(cls, on_loss: OnLoss, seed: str = "") -> "Federation":
        run = label(on_loss)
        secrets = {name: hashlib.sha256((seed + name).encode()).digest() for name in SITES}
        sites = {}
        for name in SITES:
            identity = Ed25519PrivateKey.from_private_bytes(secrets[name][::-1])
            public = identity.public_key().public_bytes_raw()
            sites[name] = MaskingSite(run, name, public, identity, secrets[name])
        roster = Roster.of(run, [site.advert for site in sites.values()])
        shares = {name: site.join(roster, Pins()) for name, site in sites.items()}
        if on_loss is OnLoss.CONTINUE:
            for name, heard in delivered(roster, shares).items():
                sites[name].hear(heard)
        return cls(sites, secrets, roster)

    def masked(self, number: int, each: dict[str, Summands]) -> dict[str, MaskedSums]:
        return {name: site.masked(number, each[name]) for name, site in self.sites.items()}


def filled(value: int) -> Summands:
    """A site's summands, every word of which is this."""
    sums = Sums(np.full((3, VALUES), value, np.uint64), np.full(VALUES, value, np.uint64))
    return Summands(((VALUES,), (VALUES,)), sums)


def worlds(value: int) -> dict[str, Summands]:
    return {name: filled(value + index) for index, name in enumerate(SITES)}


def assert_random(words: Words) -> None:
    """Nothing tells the words from random ones: bytes, bits, sizes and neighbours.

    Words are of fixed secrets, so that the test's verdict is always the same.
    """
    raw = np.frombuffer(words.tobytes(), dtype=np.uint8)
    expected = raw.size / 256
    statistic = float(((np.bincount(raw, minlength=256) - expected) ** 2 / expected).sum())
    assert 1e-4 < chi2.sf(statistic, 255) < 1 - 1e-4
    flat = words.ravel()
    bits = np.unpackbits(raw).reshape(-1, 64).mean(axis=0)
    assert (np.abs(bits - 0.5) < 5 * 0.5 / np.sqrt(flat.size)).all()
    assert kstest(flat.astype(np.float64) / 2.0**64, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(flat[:-1].astype(float), flat[1:].astype(float))[0, 1]) < 5 / np.sqrt(
        flat.size
    )


@pytest.mark.parametrize("on_loss", OnLoss)
@pytest.mark.parametrize("value", [0, 2**64 - 9, 123456789])
def test_what_the_hub_records_is_random_whatever_the_sites_hold(
    on_loss: OnLoss, value: int
) -> None:
    federation = Federation.agreed(on_loss, seed=f"{on_loss}{value}")
    for number in (1, 2):
        sent = federation.masked(number, worlds(value))
        for part in sent.values():
            assert_random(part.numbers)
            assert_random(part.counts)


def test_the_same_statistic_looks_different_in_every_round_and_run() -> None:
    federation, other = (Federation.agreed(OnLoss.FAIL, seed) for seed in ("a", "b"))
    each = worlds(5)
    rounds = [*(federation.masked(number, each) for number in (1, 2)), other.masked(1, each)]
    for one, two in combinations(rounds, 2):
        for name in SITES:
            assert_random(added([one[name].numbers, negated(two[name].numbers)]))


def test_any_but_all_of_the_sites_add_up_to_random_words() -> None:
    federation = Federation.agreed(OnLoss.FAIL)
    sent = federation.masked(1, worlds(7))
    for size in range(1, len(SITES)):
        for chosen in combinations(SITES, size):
            part = Sums.of([sent[name].sums for name in chosen])
            assert len(np.unique(part.counts)) > VALUES * 0.99
    whole = Sums.of([part.sums for part in sent.values()])
    assert np.unique(whole.counts).tolist() == [sum(7 + index for index in range(len(SITES)))]


@pytest.mark.parametrize("on_loss", OnLoss)
@pytest.mark.parametrize("colluding", [1, 4])
def test_a_hub_with_sites_on_its_side_learns_the_sum_of_the_others_only(
    on_loss: OnLoss, colluding: int
) -> None:
    federation = Federation.agreed(on_loss, seed=f"{on_loss}{colluding}")
    each = worlds(1000)
    sent = federation.masked(1, each)
    helpers, honest = SITES[:colluding], SITES[colluding:]
    stripped: dict[str, Sums] = {}
    for victim in honest:
        known: list[MaskKey] = [
            pairwise(
                victim,
                helper,
                RunKeys(federation.secrets[helper]).pairwise(federation.roster, victim),
            )
            for helper in helpers
        ]
        if on_loss is OnLoss.CONTINUE:
            # Nobody was lost, so the hub is told the own mask of every site.
            known.append(own_mask(_own_seed(federation, sent, victim)))
        stripped[victim] = masked(sent[victim].sums, [-key for key in known], 1)
        assert_random(stripped[victim].numbers)
        assert_random(stripped[victim].counts)
    total = Sums.of([*stripped.values()])
    assert np.array_equal(total.numbers, Sums.of([each[name].sums for name in honest]).numbers)


def _own_seed(federation: Federation, sent: dict[str, MaskedSums], owner: str) -> bytes:
    answers = honest_answers(federation, sent, tuple(SITES))
    places = {SITES.index(one.site): one.seeds[owner] for one in answers}
    return restored(places, federation.roster.threshold)


def honest_answers(
    federation: Federation,
    sent: dict[str, MaskedSums],
    survivors: tuple[str, ...],
    votes: tuple[Vote, ...] = (),
) -> list[Unmasked]:
    asked = MaskedRound(federation.roster, tuple(SITES), [sent[name] for name in survivors])
    return [federation.sites[name].unmask(asked.request(name, votes)) for name in survivors]


def test_fewer_shares_than_the_threshold_restore_no_key() -> None:
    federation = Federation.agreed(OnLoss.CONTINUE)
    threshold = federation.roster.threshold
    sent = federation.masked(1, worlds(3))
    survivors = tuple(SITES[:-1])
    votes = tuple(federation.sites[name].vote(1, survivors) for name in survivors)
    answers = honest_answers(federation, sent, survivors, votes)
    victim = SITES[-1]
    shares = {SITES.index(one.site): one.keys[victim] for one in answers}
    public = federation.roster.advert(victim).masking
    assert masking_key(restored(shares, threshold)).public_key().public_bytes_raw() == public
    for few in combinations(shares.items(), threshold - 1):
        with pytest.raises(WrongShares):
            restored(dict(few), threshold)
        try:
            guess = restored(dict(few), threshold - 1)
        except WrongShares:
            continue
        assert masking_key(guess).public_key().public_bytes_raw() != public


def test_a_lost_sites_late_sums_stay_masked_by_its_own_mask() -> None:
    federation = Federation.agreed(OnLoss.CONTINUE)
    sent = federation.masked(1, worlds(3))
    survivors, victim = tuple(SITES[:-1]), SITES[-1]
    votes = tuple(federation.sites[name].vote(1, survivors) for name in survivors)
    answers = honest_answers(federation, sent, survivors, votes)
    assert all(victim not in one.seeds for one in answers)
    seed = restored(
        {SITES.index(one.site): one.keys[victim] for one in answers}, federation.roster.threshold
    )
    key = masking_key(seed)
    known = [pairwise(victim, peer, pair_key(key, federation.roster, peer)) for peer in survivors]
    late = masked(sent[victim].sums, [-key for key in known], 1)
    assert_random(late.numbers)


@pytest.mark.parametrize("believers", range(len(SITES) + 1))
def test_a_hub_that_claims_a_loss_gets_either_kind_of_share_but_never_both(believers: int) -> None:
    federation = Federation.agreed(OnLoss.CONTINUE)
    sent = federation.masked(1, worlds(3))
    everyone, victim = tuple(SITES), SITES[-1]
    without = tuple(SITES[:-1])
    fooled = SITES[:-1][:believers]
    whole = MaskedRound(federation.roster, everyone, [*sent.values()])
    less = MaskedRound(federation.roster, everyone, [sent[name] for name in without])
    votes = tuple(federation.sites[name].vote(1, without) for name in fooled)
    got: list[Unmasked] = []
    for name in SITES:
        for asked in (less.request(name, votes), whole.request(name)):
            try:
                got.append(federation.sites[name].unmask(asked))
            except Untrustworthy:
                continue
    assert len({one.site for one in got}) == len(got), "a site answers for one set only"
    assert all(not {*one.seeds} & {*one.keys} for one in got)
    masks_of = sum(victim in one.seeds for one in got)
    keys_of = sum(victim in one.keys for one in got)
    assert min(masks_of, keys_of) < federation.roster.threshold


def test_votes_that_are_few_forged_or_of_another_round_lay_no_key_open() -> None:
    federation = Federation.agreed(OnLoss.CONTINUE)
    federation.masked(1, worlds(1))
    old = [federation.sites[name].vote(1, tuple(SITES[:-1])) for name in SITES[:-1]]
    sent = federation.masked(2, worlds(3))
    survivors = tuple(SITES[:-1])
    good = [federation.sites[name].vote(2, survivors) for name in survivors]
    less = MaskedRound(federation.roster, tuple(SITES), [sent[name] for name in survivors])
    threshold = federation.roster.threshold
    forged = [replace(vote, signature=good[0].signature) for vote in good]
    outsider = [*good[: threshold - 1], replace(good[0], site="nobody")]
    for votes in ([], good[: threshold - 1], old, forged, outsider, [good[0]] * threshold):
        with pytest.raises(Untrustworthy):
            federation.sites["site00"].unmask(less.request("site00", votes))
    answer = federation.sites["site00"].unmask(less.request("site00", good[:threshold]))
    assert list(answer.keys) == [SITES[-1]]
    with pytest.raises(Untrustworthy, match="outside"):
        federation.sites["site00"].masked(3, filled(1))


def changes() -> dict[str, Callable[[KeyAdvert], KeyAdvert]]:
    own = RunKeys(bytes(32))
    liar = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
    public = liar.public_key().public_bytes_raw()
    made = own.advert(label(), "site03", public, liar)
    return {
        "another masking key": lambda old: replace(old, masking=made.masking),
        "another sealing key": lambda old: replace(old, sealing=made.sealing),
        "another identity": lambda old: replace(old, identity=public),
        "all of them, signed by the liar": lambda _: made,
        "no signature": lambda old: replace(old, signature=b""),
        "keys swapped": lambda old: replace(old, masking=old.sealing, sealing=old.masking),
    }


@pytest.mark.parametrize("change", changes().values(), ids=changes().keys())
def test_swapped_keys_are_detected(change: Callable[[KeyAdvert], KeyAdvert]) -> None:
    reason = r"has changed|not signed|other keys|the same key"
    run = label()
    identities = {name: Ed25519PrivateKey.generate() for name in SITES}
    public = {name: key.public_key().public_bytes_raw() for name, key in identities.items()}
    sites = {
        name: MaskingSite(run, name, public[name], key, hashlib.sha256(name.encode()).digest())
        for name, key in identities.items()
    }
    adverts = {name: site.advert for name, site in sites.items()}
    adverts["site03"] = change(adverts["site03"])
    roster = Roster.of(run, adverts.values())
    for site in sites.values():
        with pytest.raises(Untrustworthy, match=reason):
            site.join(roster, Pins(dict(public)))
        with pytest.raises(Untrustworthy, match="before the sites' keys"):
            site.masked(1, filled(1))


def test_a_roster_of_another_run_epoch_or_setting_is_refused() -> None:
    federation = Federation.agreed(OnLoss.FAIL)
    fresh = stranger()
    for run in (
        replace(federation.roster.run, epoch=2),
        replace(federation.roster.run, run="run-2"),
        replace(federation.roster.run, federation="other"),
        replace(federation.roster.run, on_loss=OnLoss.CONTINUE),
    ):
        with pytest.raises(Untrustworthy, match="another run"):
            fresh.join(replace(federation.roster, run=run), Pins())
    old = replace(federation.roster.run, epoch=9)
    late = RunKeys(b"x" * 32).advert(
        old, "site03", b"i" * 32, Ed25519PrivateKey.from_private_bytes(b"i" * 32)
    )
    mixed = [late if one.site == "site03" else one for one in federation.roster.adverts]
    with pytest.raises(Untrustworthy, match="not signed"):
        fresh.join(replace(federation.roster, adverts=tuple(mixed)), Pins())


def test_rosters_that_repeat_sites_or_keys_are_refused() -> None:
    adverts = Federation.agreed(OnLoss.FAIL).roster.adverts
    site = stranger()
    twin = replace(adverts[1], site="site99")
    wrong = {
        "not of this run": adverts[1:],
        "twice, or out of order": (*adverts, adverts[1]),
        "the same key": (*adverts, twin),
        "out of order": tuple(reversed(adverts)),
    }
    for reason, other in wrong.items():
        with pytest.raises(Untrustworthy, match=reason):
            site.join(Roster(label(), other), Pins())
    site.join(Roster(label(), adverts[:3]), Pins())
    with pytest.raises(Untrustworthy, match="second roster"):
        site.join(Roster(label(), adverts), Pins())


def test_sites_shown_different_rosters_add_up_to_random_words() -> None:
    adverts = Federation.agreed(OnLoss.FAIL).roster.adverts
    sent = []
    for name in SITES[:6]:
        site = stranger(name)
        site.join(Roster(label(), adverts if name < "site03" else adverts[:6]), Pins())
        sent.append(site.masked(1, filled(1)).sums)
    assert_random(Sums.of(sent).numbers)


def test_peers_are_asked_for_only_once_their_signatures_are_good() -> None:
    pins = Pins()
    adverts = Federation.agreed(OnLoss.FAIL).roster.adverts
    forged = (*adverts[:-1], replace(adverts[-1], masking=b"m" * 32))
    with pytest.raises(Untrustworthy, match="not signed"):
        stranger().join(Roster(label(), forged), pins)
    assert pins.known == {}
    stranger().join(Roster(label(), adverts), pins)
    assert pins.known == {one.site: one.identity for one in adverts if one.site != "site00"}


def test_a_key_that_nobody_can_agree_with_is_refused() -> None:
    federation = Federation.agreed(OnLoss.FAIL)
    liar = Ed25519PrivateKey.generate()
    plain = KeyAdvert("site03", liar.public_key().public_bytes_raw(), bytes(32), b"s" * 32)
    zero = replace(plain, signature=liar.sign(plain.content(label())))
    mixed = tuple(zero if one.site == "site03" else one for one in federation.roster.adverts)
    with pytest.raises(Untrustworthy, match="nobody can agree"):
        stranger().join(Roster(label(), mixed), Pins())


def test_a_second_answer_under_the_masks_of_a_round_is_refused() -> None:
    federation = Federation.agreed(OnLoss.FAIL)
    site = federation.sites["site00"]
    first = site.masked(1, filled(1))
    assert site.masked(1, filled(1)) is first
    with pytest.raises(Untrustworthy, match="has been answered"):
        site.masked(1, filled(2))
    site.masked(2, filled(2))
    with pytest.raises(Untrustworthy, match="has been answered"):
        site.masked(1, filled(1))
    with pytest.raises(Untrustworthy, match="outside"):
        Federation.agreed(OnLoss.FAIL).sites["site00"].masked(0, filled(1))
    with pytest.raises(Untrustworthy, match="before the sites' keys"):
        stranger().masked(1, filled(1))


@pytest.mark.parametrize(
    "tamper",
    [
        lambda _, old: old,
        lambda new, old: replace(new, box=old.box),
        lambda new, old: replace(new, number=1, box=old.box),
        lambda new, _: replace(new, sender="site02"),
        lambda new, _: replace(new, sender="nobody"),
        lambda new, _: replace(new, box=new.box[:-1] + bytes([new.box[-1] ^ 1])),
        lambda new, _: replace(new, box=b""),
    ],
    ids=["replayed", "old box", "relabelled", "another's", "nobody's", "changed", "empty"],
)
def test_replayed_or_changed_shares_are_refused(
    tamper: Callable[[SealedShare, SealedShare], SealedShare],
) -> None:
    federation = Federation.agreed(OnLoss.CONTINUE)
    first = federation.masked(1, worlds(1))
    asked = MaskedRound(federation.roster, tuple(SITES), [*first.values()]).request("site00")
    old = next(share for share in asked.seeds if share.sender == "site01")
    second = federation.masked(2, worlds(1))
    request = MaskedRound(federation.roster, tuple(SITES), [*second.values()]).request("site00")
    seeds = tuple(
        tamper(share, old) if share.sender == "site01" else share for share in request.seeds
    )
    with pytest.raises(Untrustworthy):
        federation.sites["site00"].unmask(replace(request, seeds=seeds))
    # What is refused changes nothing: the honest request is still answered.
    assert len(federation.sites["site00"].unmask(request).seeds) == len(SITES)


def test_requests_for_shares_that_no_honest_hub_makes_are_refused() -> None:
    federation = Federation.agreed(OnLoss.CONTINUE)
    sent = federation.masked(1, worlds(1))
    asked = MaskedRound(federation.roster, tuple(SITES), [*sent.values()]).request("site00")
    site = federation.sites["site00"]
    strange = [
        replace(asked, number=2),
        replace(asked, survivors=(*SITES, "site99")),
        replace(asked, survivors=tuple(reversed(SITES))),
        replace(asked, seeds=asked.seeds[1:]),
        Unmasking(1, tuple(SITES[1:]), asked.seeds),
        Unmasking(1, tuple(SITES[:3]), asked.seeds),
    ]
    for request in strange:
        with pytest.raises(Untrustworthy):
            site.unmask(request)
    with pytest.raises(Untrustworthy, match="calls this site lost"):
        site.vote(1, tuple(SITES[1:]))
    fails = Federation.agreed(OnLoss.FAIL)
    fails.masked(1, worlds(1))
    with pytest.raises(Untrustworthy, match="to fail at a loss"):
        fails.sites["site00"].vote(1, tuple(SITES))


def test_a_site_that_sends_wrong_shares_makes_no_wrong_total() -> None:
    federation = Federation.agreed(OnLoss.CONTINUE)
    sent = federation.masked(1, worlds(1))
    whole = MaskedRound(federation.roster, tuple(SITES), [*sent.values()])
    answers = honest_answers(federation, sent, tuple(SITES))
    assert whole.total(answers).survivors == tuple(SITES)
    wrong = answers[0].seeds | {"site04": answers[1].seeds["site04"]}
    with pytest.raises(NotTheSame, match="site04"):
        whole.total([replace(answers[0], seeds=wrong), *answers[1:]])
    lacking = {site: share for site, share in answers[0].seeds.items() if site != "site04"}
    found = whole.total([replace(answers[0], seeds=lacking), *answers[1:]])
    assert found.survivors == tuple(SITES)
