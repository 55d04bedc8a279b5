"""A hub that tries, one question after the other, to learn of single patients."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medmip.catalogue.model_store import ModelStore
from medmip.experiments.experiment import State
from medmip.experiments.request import Request
from medmip.experiments.service import ExperimentService
from medmip.federation import site_runs
from medmip.federation.approvals import Approvals
from medmip.federation.coordinator import Timing
from medmip.federation.messages import Asking, Outcome, digest
from medmip.federation.peers import Peers
from medmip.federation.remote import SiteRefused
from medmip.federation.site_folder import SiteFolder
from medmip.federation.site_masks import MaskMaker
from medmip.federation.site_runs import Opening, SiteRuns
from medmip.federation.sites import Sites
from medmip.federation.wire import decoded_as, encoded
from medmip.fold.moments import MomentsState, moments
from medmip.privacy.guard import Refused
from medmip.privacy.ledger import Ledger, LedgerRow
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.state import open_state
from tests.federation.federation import Federation, federation

NAMES = ("Hospital 01", "Hospital 02", "Hospital 03")
TIMING = Timing(silence=10.0, grace=2.0, deadline=60.0, again=2.0)
RECORDS = 300
DATASETS = ("one", "two", "three")
MOMENTS = "medmip.fold.moments:moments"


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Three hospitals under the policy that they have where nobody changes it."""
    rng = np.random.default_rng(5)
    data = {
        "a": rng.normal(size=RECORDS),
        "b": rng.normal(size=RECORDS),
        "age": np.arange(RECORDS, dtype=np.float64),
        "dataset": np.repeat(DATASETS, RECORDS // 3),
    }
    parts = np.array_split(np.arange(RECORDS), 3)
    folder: Path = tmp_path_factory.mktemp("federation")
    with federation(
        folder, data, parts, levels={"dataset": ()}, datasets=DATASETS, policy="", timing=TIMING
    ) as made:
        yield made


def asked(made: Federation, age: tuple[str, float] | None = None, **options: Any) -> Any:
    """A cohort, of an age where one is given as an operator and a number."""
    filters = None
    if age is not None:
        rule = {"id": "age", "field": "age", "type": "double", "operator": age[0], "value": age[1]}
        filters = {"condition": "AND", "rules": [rule], "valid": True}
    asked_for: dict[str, Any] = {"y": ["a"], "x": ["b"]} | options
    return made.cohort(["linear_regression"], filters=filters, **asked_for)


def folded(cohort: Any) -> Any:
    return cohort.fold(moments, MomentsState(cohort.design((*cohort.x, *cohort.y))))


def ledger_of(made: Federation, name: str) -> list[LedgerRow]:
    home = made.homes[name]
    return Ledger(open_state(home), LedgerHead(home)).rows()


def settings(made: Federation, text: str) -> None:
    for name in NAMES:
        (made.homes[name].site / "site.toml").write_text(text)


def told(made: Federation, verb: Any, body: bytes, run: str, cohort: bytes, round_: int) -> Outcome:
    """What the first hospital answers to a question that no coordinator of ours would ask."""
    peer = made.coordinator.peers()[0]
    asking = made.coordinator.ask(peer, verb, body, run=run, cohort=cohort, round_=round_)
    found: Outcome = asking.result(30)
    return found


def test_a_cohort_of_one_is_refused_and_so_is_a_round_all_the_same(three: Federation) -> None:
    with pytest.raises(SiteRefused, match="fewer than 10 patients") as refusal:
        asked(three, ("equal", 7.0))
    assert refusal.value.rule == "minimum_patients"
    run = f"run-{three.runs}"
    row = next(row for row in ledger_of(three, NAMES[0]) if row.experiment == run)
    assert (row.verdict, row.rule) == ("refused", "minimum_patients")
    opening = three.opened[-1].shared
    body = encoded(Asking(MOMENTS, b"", (), None, ()), Asking)
    answer = told(three, "fold", body, run, opening.cohort, opening.following())
    assert answer.problem is not None
    assert answer.problem.kind == "unknown run"
    assert not answer.content


def test_cohorts_that_differ_by_a_patient_are_refused(three: Federation) -> None:
    assert folded(asked(three)).records == RECORDS
    with pytest.raises(SiteRefused, match="differs from an earlier one") as refusal:
        asked(three, ("greater", 0.0))
    assert refusal.value.rule == "overlap"
    assert refusal.value.site == NAMES[0]
    row = next(row for row in ledger_of(three, NAMES[0]) if row.verdict == "refused")
    assert (row.experiment, row.rule) == (f"run-{three.runs}", "overlap")


def test_an_approval_holds_for_what_a_person_saw_and_for_nothing_else(three: Federation) -> None:
    settings(three, 'approval = "person"\napprover = "Dr Weiss"')
    try:
        with pytest.raises(SiteRefused, match="has to agree"):
            asked(three, user="carla")
        for name in NAMES:
            approvals = Approvals.of(three.homes[name])
            for wish in approvals.list():
                approvals.answer(wish.id, "granted", "Dr Weiss")
        # One hospital may have been faster to refuse than the others were asked.
        assert folded(asked(three, user="carla")).records == RECORDS
        forged: list[dict[str, Any]] = [
            {"user": "mallory"},
            {"user": "carla", "y": ["age"]},
            {"user": "carla", "missing": "keep"},
            {"user": "carla", "age": ("less", 250.0)},
        ]
        for changed in forged:
            with pytest.raises(SiteRefused, match="has to agree") as refusal:
                asked(three, **changed)
            assert refusal.value.rule == "approval"
        with pytest.raises(SiteRefused, match="has to agree"):
            three.cohort(["linear_regression", "describe"], y=["a"], x=["b"], user="carla")
        granted = three.opened[0].shared.opening
        for words in (b"granted", encoded(replace(granted, user="carla"), Opening) + b"granted"):
            answer = told(three, "open", words, "forged", digest(words), 1)
            assert answer.problem is not None
    finally:
        settings(three, "")


def test_a_function_that_is_no_kernel_is_refused_and_written_down(three: Federation) -> None:
    cohort = asked(three, on_loss=None)
    shared = cohort.transport.members[0].shared
    for name in ("os:system", "medmip.fold.survival:step_counts", "builtins:eval"):
        body = encoded(Asking(name, b"", (), None, ()), Asking)
        answer = told(three, "fold", body, shared.run, shared.cohort, shared.following())
        assert answer.problem is not None
        assert "belongs to none of the algorithms" in answer.problem.what
        row = ledger_of(three, NAMES[0])[0]
        assert (row.verdict, row.rule, row.experiment) == ("refused", "kernel", shared.run)
        assert name in row.reason


def test_a_run_ends_at_its_most_rounds(three: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_runs, "MOST_ROUNDS", 3)
    home = three.homes[NAMES[0]]
    service = ExperimentService(home)
    try:
        house, folder = service.house(), SiteFolder(home)
        maker = MaskMaker("test", "node", lambda: folder.identity, Peers(folder), house.steering)
        runs = SiteRuns(house, maker)
        cohort: Any = asked(three, on_loss=None)
        body = cohort.transport.members[0].shared.body
        runs.open("endless", digest(body), decoded_as(body, Opening), lambda _: None)
        state = MomentsState(cohort.design((*cohort.x, *cohort.y)))
        asking = Asking(MOMENTS, encoded(state, MomentsState), (), None, ())
        for _ in range(3):
            assert runs.fold("endless", digest(body), asking, lambda _: None).statistic
        with pytest.raises(Refused, match="at most 3 rounds") as refusal:
            runs.fold("endless", digest(body), asking, lambda _: None)
        assert refusal.value.rule == "rounds"
        assert ledger_of(three, NAMES[0])[0].rule == "rounds"
    finally:
        service.close()


def test_the_hubs_ledger_and_the_hospitals_tell_the_same_story(three: Federation) -> None:
    sites = Sites(three.coordinator, ModelStore(three.home))
    sites.settle()
    service = ExperimentService(three.home, sites=sites)
    request = Request.model_validate(
        {
            "algorithm": "linear_regression",
            "inputdata": {
                "data_model": "test:1", "datasets": list(DATASETS), "y": ["a"], "x": ["b"],
            },
        }
    )  # fmt: skip
    try:
        done = service.run(request, user="carla")
        assert done.state is State.DONE, done.problem
        (three.homes[NAMES[1]].site / "site.toml").write_text("[policy]\nminimum_patients = 1000")
        refused = service.run(request, user="carla")
        assert refused.state is State.REFUSED
        for experiment, verdict in ((done.id, "ended"), (refused.id, "refused")):
            own = {
                row.statistic: row for row in service.ledger.rows() if row.experiment == experiment
            }
            assert own.keys() == {f"run at {name}" for name in NAMES}
            for name in NAMES:
                theirs = [row for row in ledger_of(three, name) if row.experiment == experiment]
                mine = own[f"run at {name}"]
                assert {row.user for row in theirs} <= {mine.user} == {"carla"}
                assert {row.algorithm for row in theirs} <= {mine.algorithm}
                for row in theirs:
                    assert dict(row.snapshots).items() <= dict(mine.snapshots).items()
                ends = {row.rule for row in theirs if row.verdict == "refused"}
                assert ends == ({mine.rule} if mine.verdict == "refused" else set())
            assert own[f"run at {NAMES[1]}"].verdict == verdict
    finally:
        settings(three, "")
        service.close()
