"""Analyses over four hospitals in processes of their own, whose sums travel under masks."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from secrets import token_bytes
from typing import Any

import numpy as np
import pytest

from medmip.algorithms.combat import Combat
from medmip.algorithms.registry import registry
from medmip.algorithms.standardise import Standardise
from medmip.authoring.analysis import cohort_of
from medmip.authoring.check import Trial
from medmip.experiments.preparation import Preparation, analysed
from medmip.experiments.validate import Folds, LeaveOneDatasetOut, validated
from medmip.federation.coordinator import Timing
from medmip.federation.identity import Identity
from medmip.federation.masked_round import MaskedSums
from medmip.federation.remote import SiteLost, SiteRefused
from medmip.federation.run_keys import OnLoss, Roster, RunKeys
from medmip.federation.secure_aggregation import Masked
from medmip.federation.secure_party import RemoteParty
from medmip.federation.secure_sum import SecureSum
from medmip.federation.summands import Sums, summands
from medmip.fold.moments import Moments, MomentsState, moments
from medmip.privacy.ledger import Ledger, LedgerRow
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.engine import Partition
from medmip.store.state import open_state
from tests.federation.federation import OPEN_POLICY, Federation, federation
from tests.federation.recording import LEVELS
from tests.federation.test_pooled import apart
from tests.federation.wiretap import tapped

TIMING = Timing(silence=6.0, grace=1.5, deadline=90.0, again=1.0)
PATIENT = replace(TIMING, grace=150.0, deadline=240.0)
CHOSEN = (
    "anova_oneway",
    "cox",
    "decision_tree",
    "describe",
    "gradient_boosting",
    "kmeans",
    "linear_regression",
    "logistic_regression",
    "mann_whitney",
    "naive_bayes",
    "pca",
    "pearson_correlation",
)
"""Moments, iterations, searches of values and of splits, survival."""
NAMES = ("Hospital 01", "Hospital 02", "Hospital 03", "Hospital 04")
PARTS = [slice(0, 20), slice(20, 150), slice(150, 290), slice(290, None)]
"""One hospital is small."""
BY_HOSPITAL = LeaveOneDatasetOut(kind="leave_one_dataset_out")
LINEAR = registry()["linear_regression"]
LINEAR_TRIAL = Trial.of(LINEAR)


def data() -> dict[str, Any]:
    """The records of every trial; each hospital has a dataset of its own."""
    found = dict(Trial.of(registry()["describe"]).data)
    codes = np.empty(len(found["dataset"]), dtype="<U2")
    for index, part in enumerate(PARTS):
        codes[part] = f"d{index + 1}"
    return found | {"dataset": codes}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    folder: Path = tmp_path_factory.mktemp("federation")
    rows = np.arange(len(data()["dataset"]))
    with federation(
        folder,
        data(),
        [rows[part] for part in PARTS],
        levels=LEVELS,
        datasets=("d1", "d2", "d3", "d4"),
        policy=OPEN_POLICY + "steering_in_clear = true\n",
        timing=TIMING,
    ) as made:
        yield made


@pytest.fixture
def four(shared: Federation) -> Iterator[Federation]:
    """All four serve, before and after whatever a test does to them."""
    yield shared
    shared.coordinator.timing = TIMING
    for name in NAMES:
        if name not in shared.processes:
            shared.start_site(name)
    shared.wait_for_sites(120)


def linear(made: Federation, **options: Any) -> Any:
    return made.cohort([LINEAR.name], y=LINEAR_TRIAL.y, x=LINEAR_TRIAL.x, **options)


def pooled(rows: Any = slice(None), trial: Trial = LINEAR_TRIAL, **options: Any) -> Any:
    """The same cohort of these rows in one place."""
    chosen = {code: np.asarray(values)[rows] for code, values in data().items()}
    return cohort_of(
        chosen,
        y=trial.y,
        x=trial.x,
        missing=trial.algorithm.missing,
        levels=LEVELS,
        datasets=["d1", "d2", "d3", "d4"],
        **options,
    )


def analysis(trial: Trial, cohort: Any) -> dict[str, Any]:
    """The trial's result over a cohort."""
    found: Any = trial.algorithm.run(cohort, trial.algorithm.parameters(**trial.parameters))
    result: dict[str, Any] = found.model_dump()
    return result


def folded(cohort: Any) -> Moments:
    found: Moments = cohort.fold(moments, MomentsState(cohort.design((*cohort.x, *cohort.y))))
    return found


def assert_same(expected: Moments, found: Moments) -> None:
    """Equal about one shift."""
    moved = found.about(expected.shift)
    np.testing.assert_array_equal(expected.cells, found.cells)
    for field in ("records", "total", "cross"):
        one, other = np.asarray(getattr(expected, field)), getattr(moved, field)
        size = float(np.max(np.abs(expected.cross)))
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-9 * size)


def ledger_of(made: Federation, name: str) -> list[LedgerRow]:
    home = made.homes[name]
    return Ledger(open_state(home), LedgerHead(home)).rows()


@pytest.mark.parametrize("name", CHOSEN)
def test_an_algorithm_under_masks_equals_pooled(name: str, shared: Federation) -> None:
    algorithm = registry()[name]
    trial = Trial.of(algorithm)
    cohort: Any = shared.cohort([name], y=trial.y, x=trial.x, missing=algorithm.missing)
    assert isinstance(cohort.transport.aggregation, Masked)
    expected = analysis(trial, pooled(trial=trial))
    assert list(apart(expected, analysis(trial, cohort))) == []


def test_a_validation_by_hospital_equals_pooled(shared: Federation) -> None:
    algorithm = registry()["elastic_net"]
    trial = replace(Trial.of(algorithm), y=("v2",))
    partition = Partition(0, 0, "subjectcode")
    cohorts = (
        pooled(trial=trial, partition=partition),
        shared.cohort([algorithm.name], y=trial.y, x=trial.x, partition=partition),
    )
    parameters = algorithm.parameters(**trial.parameters)
    found = [validated(cohort, algorithm, parameters, BY_HOSPITAL) for cohort in cohorts]
    assert list(apart(found[0].model_dump(), found[1].model_dump())) == []


def test_a_search_with_and_without_one_hospital_is_refused(shared: Federation) -> None:
    # The difference of the two would be that hospital's own numbers, some of single patients.
    cohort = linear(shared, partition=Partition(0, 0, "subjectcode"))
    with pytest.raises(SiteRefused, match="no records in a part of the cohort") as refusal:
        validated(cohort, LINEAR, LINEAR.parameters(), BY_HOSPITAL)
    assert refusal.value.rule == "steering"


def test_a_validation_in_folds_equals_that_in_clear(shared: Federation) -> None:
    # Each hospital deals its patients by a key of its own, so that no pooled run has these folds.
    partition = Partition(3, 1, "subjectcode")
    found = [
        validated(
            linear(shared, partition=partition, on_loss=on_loss),
            LINEAR,
            LINEAR.parameters(),
            Folds(folds=3),
        )
        for on_loss in (None, OnLoss.FAIL)
    ]
    assert list(apart(found[0].model_dump(), found[1].model_dump())) == []


def test_a_preparation_under_masks_equals_pooled(shared: Federation) -> None:
    preparation = Preparation(combat=Combat(batch="c2"), standardise=Standardise())
    known = shared.model.all_variables
    found = [
        analysed(cohort, LINEAR, LINEAR.parameters(), preparation, known)
        for cohort in (pooled(preparation=preparation), linear(shared, preparation=preparation))
    ]
    for expected, told in zip(*found, strict=True):
        assert list(apart(expected.model_dump(), told.model_dump())) == []


def test_two_hospitals_show_no_search_in_clear_without_consent(shared: Federation) -> None:
    setting = shared.homes[NAMES[0]].site / "site.toml"
    setting.write_text("[policy]\nsteering_in_clear = false\n")
    trial = Trial.of(registry()["decision_tree"])
    cohort: Any = shared.cohort(["decision_tree"], y=trial.y, x=trial.x, sites=NAMES[:2])
    assert "2 hospitals with patients" in cohort.transport.aggregation.reason
    with pytest.raises(SiteRefused, match=r"Hospital 01 refused.*secure aggregation") as refusal:
        analysis(trial, cohort)
    assert refusal.value.rule == "steering"
    assert ("refused", "steering") in {
        (row.verdict, row.rule) for row in ledger_of(shared, NAMES[0])[:3]
    }
    setting.unlink()
    again = shared.cohort(["decision_tree"], y=trial.y, x=trial.x, sites=NAMES[:2])
    expected = analysis(trial, pooled(slice(0, 150), trial))
    assert list(apart(expected, analysis(trial, again))) == []


def test_nothing_that_the_hub_receives_tells_a_hospitals_sums(shared: Federation) -> None:
    with tapped(shared) as secure:
        total = folded(linear(shared))
    with tapped(shared) as clear:
        each = linear(shared, on_loss=None)
        members = each.transport.members
        own = {member.peer.site.node: folded(replace_members(each, member)) for member in members}
        for moved in own.values():
            assert moved.records < total.records
    sent = [[one for one in secure.answers[node] if isinstance(one, MaskedSums)] for node in own]
    assert {len(rounds) for rounds in sent} == {2}
    origins, sums = ([rounds[number] for rounds in sent] for number in (0, 1))
    for number, masked in enumerate((origins, sums)):
        plain = []
        for statistic in own.values():
            part = statistic.about(total.shift) if number else statistic.origin()
            plain.append(summands(part, len(own), token_bytes, extremes=True).sums)
        for mine, hidden in zip(plain, masked, strict=True):
            # Not one word of any number or count is the plain one, nor near it.
            assert not (mine.numbers == hidden.numbers).any()
            assert not (mine.counts == hidden.counts).any()
            assert (hidden.counts > 2**32).mean() > 0.9
        # All of them together are the plain total to the last bit.
        whole, shown = Sums.of(plain), Sums.of([one.sums for one in masked])
        assert np.array_equal(whole.counts, shown.counts)
        assert np.array_equal(whole.numbers, shown.numbers)
        # Without any one of them they tell nothing.
        for missing in range(len(masked)):
            rest = Sums.of([one.sums for place, one in enumerate(masked) if place != missing])
            left = Sums.of([one for place, one in enumerate(plain) if place != missing])
            assert not (rest.numbers == left.numbers).any()
    for node, statistic in own.items():
        floats = [*statistic.cross.ravel(), *statistic.shift[statistic.shift != 0]]
        telling = [np.float64(value).tobytes() for value in floats if value % 1]
        assert len(telling) > 3
        assert all(any(one in content for content in clear.content[node]) for one in telling)
        assert not any(one in content for one in telling for content in secure.content[node])


def replace_members(cohort: Any, member: Any) -> Any:
    """The road to one member's records alone."""
    return replace(cohort, transport=replace(cohort.transport, members=(member,)))


def test_a_masked_run_shows_nothing_in_clear_besides(shared: Federation) -> None:
    cohort = linear(shared)
    folded(cohort)
    aggregation = linear(shared, on_loss=None).transport.aggregation
    bare = replace(cohort, transport=replace(cohort.transport, aggregation=aggregation))
    with pytest.raises(SiteRefused, match="travel under masks"):
        folded(bare)
    assert folded(cohort).records > 0


class Swapping(RemoteParty):
    """A hub that puts itself in the last site's place, to agree on keys with the others."""

    def join(self, roster: Roster) -> Any:
        listener, last = Identity.made(), roster.adverts[-1]
        mine = RunKeys(token_bytes(32)).advert(roster.run, last.site, listener.public.key, listener)
        return super().join(replace(roster, adverts=(*roster.adverts[:-1], mine)))


def test_a_site_whose_peers_key_the_hub_swaps_refuses(shared: Federation) -> None:
    cohort = linear(shared)
    folded(cohort)
    aggregation = cohort.transport.aggregation
    honest = sorted(aggregation._parties, key=lambda party: party.site)
    swapping = Swapping(honest[0].member, honest[0].peers, OnLoss.FAIL)
    with pytest.raises(SiteRefused, match="comes with the key") as refusal:
        SecureSum(aggregation._label(), [swapping, *honest[1:]])
    assert refusal.value.site == honest[0].member.name
    assert honest[-1].member.name in str(refusal.value)
    row = ledger_of(shared, refusal.value.site)[0]
    assert (row.verdict, row.rule) == ("refused", "secure aggregation")


def test_a_site_killed_and_back_in_mid_run_agrees_on_new_keys(four: Federation) -> None:
    four.coordinator.timing = PATIENT
    cohort = linear(four)
    before = folded(cohort)
    aggregation = cohort.transport.aggregation
    epoch = aggregation._sums._run.epoch
    four.kill(NAMES[2])
    with ThreadPoolExecutor(1) as worker:
        waiting = worker.submit(folded, cohort)
        time.sleep(1)
        four.start_site(NAMES[2])
        after = waiting.result(240)
    assert after.cross.tobytes() == before.cross.tobytes()
    assert aggregation._sums._run.epoch > epoch


def test_a_run_goes_on_without_a_site_that_is_lost(four: Federation) -> None:
    cohort = linear(four, on_loss=OnLoss.CONTINUE)
    assert_same(folded(pooled()), folded(cohort))
    four.kill(NAMES[1])
    with pytest.raises(SiteLost, match=NAMES[1]) as lost:
        folded(cohort)
    assert lost.value.site == NAMES[1]
    left = [name for name in NAMES if name != NAMES[1]]
    again = linear(four, on_loss=OnLoss.CONTINUE, sites=left)
    assert isinstance(again.transport.aggregation, Masked)
    rows = np.r_[PARTS[0], PARTS[2], slice(290, len(data()["dataset"]))]
    assert_same(folded(pooled(rows)), folded(again))
