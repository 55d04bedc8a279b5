"""The total is exact whoever is lost on the way, or there is none."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from medmip.catalogue.home import Home
from medmip.federation.fixed_point import OutOfRange
from medmip.federation.masked_round import MaskedSums
from medmip.federation.masking_hub import RoundLost
from medmip.federation.run_keys import OnLoss, TooFewSites
from medmip.federation.secure_sum import SecureSum
from medmip.federation.summands import NotTheSame, Sums, summands, total
from medmip.fold.moments import Moments
from medmip.fold.statistic import Statistic
from medmip.privacy.guard import Refused
from medmip.store.state import open_state
from tests.federation import statistics
from tests.federation.exact import assert_exactly, told, unmasked
from tests.federation.parties import label, names, parties_of
from tests.federation.statistics import Steering, steering_of, sums_of

RNG = np.random.default_rng(11)
NAMES = names(7)
ALL = {site: sums_of(RNG, hidden=index == 5) for index, site in enumerate(NAMES)}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    state = open_state(Home(tmp_path_factory.mktemp("home")).prepare())
    yield state
    state.dispose()


def moments_of(mean: float, records: int) -> Moments:
    x = np.column_stack([RNG.normal(mean, size=records), RNG.random(records) < 0.3])
    shift = np.array([x[:, 0].mean() + 1e-3, 0.0])
    centred = x - shift
    return Moments(
        np.array(float(records)),
        np.array([records, records]),
        shift,
        centred.sum(axis=0),
        centred.T @ centred,
    )


@pytest.mark.parametrize("on_loss", OnLoss)
@pytest.mark.parametrize("sites", [4, 5, 20])
def test_a_total_is_the_exact_sum(on_loss: OnLoss, sites: int, engine: Engine) -> None:
    each = {site: sums_of(RNG, hidden=site == "site01") for site in names(sites)}
    sums = SecureSum(label(on_loss), parties_of(engine, each))
    for _ in range(3):
        found = told(sums.total(None, statistics.Sums))
        assert_exactly(unmasked(statistics.Sums, [*each.values()]), found)
    assert sums.lost == ()


@pytest.mark.parametrize("on_loss", OnLoss)
def test_sums_about_shifts_of_their_own_meet_at_the_pooled_mean(
    on_loss: OnLoss, engine: Engine
) -> None:
    each = {site: moments_of(1e6 + index, 40) for index, site in enumerate(names(4))}
    found = told(SecureSum(label(on_loss), parties_of(engine, each)).total(None, Moments))
    assert_exactly(unmasked(Moments, [*each.values()]), found)
    plain = each["site00"]
    for other in names(4)[1:]:
        plain = plain + each[other]
    np.testing.assert_allclose(found.scatter, plain.scatter, rtol=1e-12)
    np.testing.assert_allclose(found.mean, plain.mean, rtol=1e-14)
    assert abs(found.total[0]) < 1e-6
    assert found.shift[1] == 0.0


@pytest.mark.parametrize("on_loss", OnLoss)
@pytest.mark.parametrize("make", [sums_of, lambda _: moments_of(3.0, 20)])
def test_sites_without_records_add_nothing(
    on_loss: OnLoss, make: Callable[[np.random.Generator], Statistic], engine: Engine
) -> None:
    each: dict[str, Statistic | None] = {site: make(RNG) for site in names(5)}
    each["site00"] = each["site03"] = None
    held = [part for part in each.values() if part is not None]
    kind = type(held[0])
    found = told(SecureSum(label(on_loss), parties_of(engine, each)).total(None, kind))
    if isinstance(found, Moments):
        assert found.records == 60
    else:
        # Two who add nothing still narrow the range that each may use; the total is the same.
        assert_exactly(unmasked(kind, held), found)


def test_nobodys_records_have_no_total(engine: Engine) -> None:
    parties = parties_of(engine, ALL)
    for party in parties:
        party.asked = lambda _: (statistics.Sums, None)
    assert SecureSum(label(), parties).total(None, statistics.Sums) is None


stages = st.sampled_from(["advertise", "join", "hear", "answer", "vote", "unmask"])


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.dictionaries(st.sampled_from(NAMES), stages, max_size=2),
    st.booleans(),
)
def test_any_allowed_loss_gives_the_exact_total_of_the_others(
    engine: Engine, dying: dict[str, str], answered: bool
) -> None:
    parties = parties_of(engine, ALL, dying, answered=answered)
    sums = SecureSum(label(OnLoss.CONTINUE), parties)
    # Whoever is lost after its sums arrived is in the total; who hears nothing is lost to rounds.
    needs_votes = any(stage in ("hear", "answer") for stage in dying.values())
    survivors = [
        site for site in NAMES if dying.get(site) not in ("advertise", "join", "hear", "answer")
    ]
    left = len(NAMES) - sum(stage == "advertise" for stage in dying.values())
    alive = [
        site
        for site in survivors
        if dying.get(site) != "unmask" and not (needs_votes and dying.get(site) == "vote")
    ]
    threshold = max(3, 2 * left // 3 + 1)
    assert left >= 5 > threshold - 1
    if len(alive) < threshold:
        with pytest.raises((RoundLost, TooFewSites)):
            sums.total(None, statistics.Sums)
        return
    found = told(sums.total(None, statistics.Sums))
    assert_exactly(unmasked(statistics.Sums, [ALL[site] for site in survivors]), found)
    assert set(sums.lost) == {site for site, stage in dying.items() if stage in ("hear", "answer")}


@pytest.mark.parametrize("stage", ["join", "answer", "unmask"])
def test_one_lost_too_many_gives_no_total(stage: str, engine: Engine) -> None:
    dying = dict.fromkeys(NAMES[:3], stage)
    with pytest.raises((RoundLost, TooFewSites), match=r"lost|left|agreed"):
        SecureSum(label(OnLoss.CONTINUE), parties_of(engine, ALL, dying)).total(
            None, statistics.Sums
        )


@pytest.mark.parametrize("stage", ["advertise", "join", "answer"])
def test_a_run_that_shall_fail_names_who_was_lost(stage: str, engine: Engine) -> None:
    with pytest.raises(RoundLost, match="1 sites were lost") as lost:
        SecureSum(label(), parties_of(engine, ALL, {"site02": stage})).total(None, statistics.Sums)
    assert lost.value.sites == ("site02",)


def test_after_a_loss_the_run_is_closed(engine: Engine) -> None:
    sums = SecureSum(label(OnLoss.CONTINUE), parties_of(engine, ALL, {"site02": "answer"}))
    sums.total(None, statistics.Sums)
    assert sums.lost == ("site02",)
    with pytest.raises(RoundLost):
        sums.total(None, statistics.Sums)


@pytest.mark.parametrize("on_loss, fewest", [(OnLoss.FAIL, 3), (OnLoss.CONTINUE, 4)])
def test_too_few_sites_agree_on_nothing(on_loss: OnLoss, fewest: int, engine: Engine) -> None:
    few = {site: ALL[site] for site in NAMES[: fewest - 1]}
    with pytest.raises(TooFewSites, match=f"needs {fewest} sites"):
        SecureSum(label(on_loss), parties_of(engine, few))
    enough = {site: ALL[site] for site in NAMES[:fewest]}
    assert SecureSum(label(on_loss), parties_of(engine, enough)).total(None, statistics.Sums)


def test_a_site_of_another_version_is_named(engine: Engine) -> None:
    other = replace(ALL["site01"], total=np.zeros(2))
    with pytest.raises(NotTheSame, match="site01"):
        SecureSum(label(), parties_of(engine, ALL | {"site01": other})).total(None, statistics.Sums)


def test_a_sum_out_of_range_is_an_error_and_never_a_total(engine: Engine) -> None:
    for value in (2.0**95 / 7, np.nan):
        wide = replace(ALL["site01"], total=np.array(value))
        with pytest.raises(OutOfRange):
            SecureSum(label(), parties_of(engine, ALL | {"site01": wide})).total(
                None, statistics.Sums
            )


def test_masked_sums_of_one_round_add_up_to_it_alone(engine: Engine) -> None:
    parties = parties_of(engine, ALL)
    sums = SecureSum(label(), parties)
    sums.total(None, statistics.Sums)
    sums.total(None, statistics.Sums)
    sent = [[part for part in party.heard if isinstance(part, MaskedSums)] for party in parties]
    mixed = Sums.of([rounds[index % 2].sums for index, rounds in enumerate(sent)])
    with pytest.raises(NotTheSame):
        total(statistics.Sums, sent[0][0].shapes, mixed, [()] * 7)


def test_a_search_over_other_sites_is_refused_where_the_two_would_tell(engine: Engine) -> None:
    each = {site: steering_of(RNG) for site in NAMES}
    parties = parties_of(engine, each)
    found = told(SecureSum(label(), parties).total(None, Steering))
    assert_exactly(unmasked(Steering, [*each.values()]), found)
    again = SecureSum(label(epoch=2), parties)
    assert again.total(None, Steering) is not None
    with pytest.raises(Refused) as refusal:
        SecureSum(label(epoch=3), parties[1:]).total(None, Steering)
    assert refusal.value.rule == "steering"
    assert SecureSum(label(epoch=4), parties[3:]).total(None, Steering) is not None


def test_a_search_does_not_go_on_without_a_site(engine: Engine) -> None:
    each = {site: steering_of(RNG) for site in NAMES}
    parties = parties_of(engine, each, {"site04": "answer"})
    with pytest.raises(Refused):
        SecureSum(label(OnLoss.CONTINUE), parties).total(None, Steering)


def test_zeros_of_a_site_do_not_stand_in_for_records_in_a_search(engine: Engine) -> None:
    each: dict[str, Statistic | None] = {site: steering_of(RNG) for site in NAMES}
    each["site02"] = None
    with pytest.raises(Refused, match="no records"):
        SecureSum(label(), parties_of(engine, each)).total(None, Steering)


def test_summands_of_a_round_are_the_same_when_asked_again(engine: Engine) -> None:
    party, *others = parties_of(engine, ALL)
    SecureSum(label(), [party, *others])
    hidden = ALL["site05"]
    noise = [party.masking.noise(4) for _ in range(2)]
    one, other = (summands(hidden, 7, each, extremes=True) for each in noise)
    assert one.sums.counts.tobytes() == other.sums.counts.tobytes()
    assert party.masking.masked(4, one) is party.masking.masked(4, other)
    assert secrets.compare_digest(one.sums.numbers.tobytes(), other.sums.numbers.tobytes())
