"""Answers that nobody keeps: whoever asks the same of the same data is told what was released."""

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from medmip.catalogue.data_model import DataModel
from medmip.experiments.comparison import outcome_of
from medmip.experiments.experiment import Outcome
from medmip.experiments.plan import Plan
from medmip.experiments.request import Request
from medmip.experiments.runner import Run, Runner
from medmip.privacy.guard import Access
from medmip.privacy.ledger import Ledger
from medmip.privacy.policy import Policy
from medmip.store.placed import Placed
from medmip.store.snapshots import Snapshot

MOST_TOLD = 500
"""Answers that are remembered; each has passed the guard, and a few kilobytes."""


@dataclass(frozen=True)
class _Told:
    """An answer, the model that it speaks of, and the name under which it was released."""

    outcome: Outcome
    model: DataModel
    first: str


class Exploring:
    """Asks the records once for each question, however many people look at its answer.

    What is told again is in the ledger as such. Hospitals of a federation are asked each time, for
    their own ledgers; so is a database, whose records may have changed.
    """

    def __init__(self, runner: Runner, ledger: Ledger, policy: Policy) -> None:
        self._runner, self._ledger, self._policy = runner, ledger, policy
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, request: Request, plan: Plan, access: Access) -> Outcome:
        """The answer to a request that this person may ask; raises what the run raises."""
        key = self._key(request, plan)
        with self._lock:
            told = self._told.get(key)
            if told is not None:
                self._told.move_to_end(key)
        if told is not None and told.model == plan.spec.model:
            held = {one.dataset: one.hash for one in plan.snapshots}
            self._ledger.record(
                Access(access.user, access.experiment, access.algorithm, snapshots=held),
                statistic=plan.algorithm.name,
                verdict="released",
                rule="",
                reason=f"told again, as released in {told.first}",
                suppressed=0,
            )
            return told.outcome
        with self._runner.cohort(plan, access, Run()) as cohort:
            outcome = outcome_of(plan, cohort)
        if key:
            with self._lock:
                self._told[key] = _Told(outcome, plan.spec.model, access.experiment)
                self._told.move_to_end(key)
                while len(self._told) > MOST_TOLD:
                    self._told.popitem(last=False)
        return outcome

    def _key(self, request: Request, plan: Plan) -> str:
        """What an answer rests on, but for the model; empty where it is asked anew each time."""
        held = plan.snapshots
        if not all(isinstance(one, Snapshot) and not isinstance(one, Placed) for one in held):
            return ""
        parts = [request.model_dump_json(), self._policy.model_dump_json()]
        parts += [f"{one.model} {one.dataset} {one.version} {one.hash}" for one in held]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()
