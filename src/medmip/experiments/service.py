"""Runs requests: the one way from a request to a result, for portal, API and command line."""

import contextlib
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from secrets import token_hex
from typing import Any

import pyarrow as pa

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.errors import Conflict, MipError, NotFound
from medmip.experiments.comparison import outcome_of, trouble_of
from medmip.experiments.experiment import (
    Experiment,
    Outcome,
    Progress,
    Provenance,
    SnapshotUsed,
    State,
    Summary,
    Trouble,
)
from medmip.experiments.packages import algorithms_of
from medmip.experiments.plan import Plan, Validator
from medmip.experiments.prediction import (
    ModelFormat,
    Trained,
    predictions_for,
    predictions_of,
    trained_model,
)
from medmip.experiments.repository import Experiments
from medmip.experiments.request import InputData, Request
from medmip.federation.in_process import Site, open_cohort, preview_cohort
from medmip.fold.block_cache import BlockCache
from medmip.fold.cohort import CohortSize
from medmip.fold.local import Cancelled
from medmip.logbook import logger
from medmip.privacy.guard import Access, Guard, Refused
from medmip.privacy.ledger import EarlierCohorts, Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.privacy.policy import Policy, site_policy
from medmip.privacy.site_key import site_key
from medmip.store.duckdb_engine import DuckDBEngine
from medmip.store.snapshots import Datasets, Snapshot
from medmip.store.state import open_state

ASK_EVERY = 0.5
"""Seconds between looks at whether another process cancelled a run."""
ATTEMPTS = 2
"""How often an experiment is begun before an interrupted one ends as failed."""
log = logger("medmip.experiments")


@dataclass
class Run:
    """The watched progress of one experiment; implements the fold's Watcher.

    cancelled_elsewhere asks the state database, now and then, whether another process, such as
    `mip experiment cancel`, has ended it.
    """

    cancelled_elsewhere: Callable[[], bool] = lambda: False
    progress: Progress = field(default_factory=Progress)
    stop: threading.Event = field(default_factory=threading.Event)
    asked: float = 0.0

    def advanced(self, rounds: int, fraction: float | None) -> None:
        message = f"round {rounds + 1}" if fraction is not None else f"{rounds} rounds done"
        self.progress = Progress(rounds=rounds, fraction=fraction, message=message)

    def cancelled(self) -> bool:
        now = time.monotonic()
        if now - self.asked > ASK_EVERY and not self.stop.is_set():
            self.asked = now
            if self.cancelled_elsewhere():
                self.stop.set()
        return self.stop.is_set()


class ExperimentService:
    """Validates, queues, runs and remembers experiments on one home.

    workers is the number of experiments that run side by side.
    """

    def __init__(self, home: Home, policy: Policy | None = None, *, workers: int = 2) -> None:
        self.home = home
        self.policy = policy or site_policy(home)
        self.models = ModelStore(home)
        self.datasets = Datasets(home)
        state = open_state(home)
        self.ledger = Ledger(state, LedgerHead(home))
        self.ledger.note_policy(self.policy.model_dump_json())
        self.experiments = Experiments(state)
        self.validator = Validator(self.models, self.datasets, algorithms_of(home))
        self._guard = Guard(self.policy, self.ledger, EarlierCohorts(state))
        self._engine = DuckDBEngine(home.datasets)
        self._cache = BlockCache()
        self._key = site_key(home, "folds")
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="experiment")
        self._runs: dict[str, Run] = {}

    def resume(self) -> int:
        """Takes up the queue that a stopped process left; only the home's one server may."""
        left = self.experiments.requeue(ATTEMPTS)
        for identity in left:
            self._enqueue(identity)
        return len(left)

    def close(self) -> None:
        """Stops: running experiments are interrupted and taken up again by the next start."""
        for run in self._runs.values():
            run.stop.set()
        self._workers.shutdown(wait=True, cancel_futures=True)

    def submit(self, request: Request, name: str = "", user: str = "local") -> Experiment:
        """Queues a request; raises RequestError where it breaks its declaration."""
        plan = self.validator.plan(request)
        identity = self.experiments.add(request, name or plan.algorithm.label, user, State.QUEUED)
        self._enqueue(identity)
        return self.get(identity)

    def run(self, request: Request, name: str = "", user: str = "local") -> Experiment:
        """Runs a request in the calling thread and remembers it; raises RequestError."""
        plan = self.validator.plan(request)
        identity = self.experiments.add(request, name or plan.algorithm.label, user, State.QUEUED)
        self._runs[identity] = self._watched(identity)
        self._work(identity, user)
        return self.get(identity)

    def explore(self, request: Request, user: str = "local") -> Outcome:
        """The result of a request that is not kept; the ledger has it all the same."""
        plan = self.validator.plan(request)
        outcome, _ = self._compute(plan, Access(user, "explore", plan.algorithm.name), Run())
        return outcome

    def predict(
        self, identity: str, records: Sequence[Mapping[str, Any]], analysis: int = 1
    ) -> list[dict[str, Any]]:
        """What an experiment's model predicts for values that a person gives; nothing is kept.

        analysis is the place of the analysis that trained it, from 1.
        """
        experiment = self.get(identity)
        model = self._trained(experiment, analysis)
        return predictions_for(model, self._model_of(experiment), records)

    def apply(
        self, identity: str, snapshot: Snapshot, user: str = "local", *, analysis: int = 1
    ) -> pa.Table:
        """An experiment's predictions for a dataset's records, for a file that stays in the house.

        analysis is the place of the analysis that trained the model, from 1. The ledger has it.
        Raises NotFound, Conflict.
        """
        experiment = self.get(identity)
        model = self._trained(experiment, analysis)
        table = predictions_of(self._engine, model, self._model_of(experiment), snapshot)
        self.ledger.record(
            Access(
                user, identity, experiment.algorithm, snapshots={snapshot.dataset: snapshot.hash}
            ),
            statistic="predictions",
            verdict="released",
            rule="",
            reason="for a file on this server",
            suppressed=0,
        )
        return table

    def export(self, identity: str, form: ModelFormat, analysis: int = 1) -> bytes:
        """An experiment's model as a file for other software; raises NotFound, Conflict.

        analysis is the place of the analysis that trained the model, from 1.
        """
        experiment = self.get(identity)
        trained = self._trained(experiment, analysis)
        if form == "json":
            return trained.model.model_dump_json(indent=2).encode()
        if trained.steps or trained.visits is not None:
            raise Conflict(
                "The model's records were prepared, which an ONNX graph does not tell of",
                remedy="Take it as JSON, or train it without preparation.",
            )
        from medmip.experiments.onnx_export import onnx_of  # noqa: PLC0415 - rarely needed, slow

        used = experiment.request.analyses[analysis - 1].algorithm
        origin = f"{used} of experiment {identity}, medmip {version('medmip')}"
        return onnx_of(trained.model, self._model_of(experiment), origin)

    def _trained(self, experiment: Experiment, analysis: int) -> Trained:
        data_model = self._model_of(experiment)
        return trained_model(experiment, self.validator.algorithms, data_model, analysis)

    def _model_of(self, experiment: Experiment) -> DataModel:
        return self.models.get(experiment.request.inputdata.data_model)

    def preview(self, data: InputData, user: str = "local") -> dict[str, int | None]:
        """About how many patients each dataset has under a filter; None below the minimum."""
        spec, snapshots = self.validator.preview(data)
        access = Access(user, "explore", "count")
        return preview_cohort([self._site(snapshots)], spec, access)

    def get(self, identity: str) -> Experiment:
        """The experiment with its live progress; raises NotFound."""
        found = self.experiments.get(identity)
        run = self._runs.get(identity)
        if run is not None and not found.state.ended:
            return found.model_copy(update={"progress": run.progress})
        return found

    def find(
        self, search: str = "", state: State | None = None, limit: int = 50, offset: int = 0
    ) -> tuple[int, list[Summary]]:
        """How many experiments match, and a page of them, newest first."""
        return self.experiments.find(search, state, limit, offset)

    def cancel(self, identity: str) -> Experiment:
        """Ends an experiment without result; one that has ended stays as it is."""
        found = self.get(identity)
        if not found.state.ended:
            run = self._runs.get(identity, Run())
            run.stop.set()
            self._finish(identity, State.CANCELLED, run)
        return self.get(identity)

    def _watched(self, identity: str) -> Run:
        def cancelled() -> bool:
            try:
                return self.experiments.get(identity).state is State.CANCELLED
            except NotFound:
                return True

        return Run(cancelled)

    def _enqueue(self, identity: str) -> None:
        self._runs[identity] = self._watched(identity)
        self._workers.submit(self._work, identity, "local")

    def _work(self, identity: str, user: str) -> None:
        run = self._runs[identity]
        try:
            if run.cancelled() or not self.experiments.start(identity):
                return
            experiment = self.experiments.get(identity)
            with self._ending(identity):
                plan = self.validator.plan(experiment.request)
                access = Access(user, identity, plan.algorithm.name)
                outcome, size = self._compute(plan, access, run)
                self._finish(
                    identity,
                    State.DONE,
                    run,
                    result=outcome.model_dump(mode="json"),
                    provenance=_provenance(plan, size).model_dump(mode="json"),
                )
        finally:
            self._runs.pop(identity, None)

    @contextlib.contextmanager
    def _ending(self, identity: str) -> Iterator[None]:
        """Ends the experiment by what goes wrong inside; a shutdown leaves it to the next start."""
        run = self._runs[identity]
        try:
            yield
        except Cancelled:
            log.info("experiment stopped", experiment=identity)
        except Refused as refusal:
            self._finish(
                identity, State.REFUSED, run, problem=trouble_of(refusal).model_dump(mode="json")
            )
        except MipError as error:
            self._finish(
                identity, State.FAILED, run, problem=trouble_of(error).model_dump(mode="json")
            )
        except Exception as error:  # noqa: BLE001 - nothing foreign may kill a worker
            reference = token_hex(6)
            # A foreign message may quote a record, so only the place is written down.
            frames = traceback.extract_tb(error.__traceback__)
            log.error(
                "experiment failed",
                experiment=identity,
                reference=reference,
                kind=type(error).__name__,
                frames=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
            )
            trouble = Trouble(
                title="The analysis failed inside",
                detail=f"{type(error).__name__}, reference {reference}",
                remedy="Give the reference to the administrator, who finds it in the log.",
            )
            self._finish(identity, State.FAILED, run, problem=trouble.model_dump(mode="json"))

    def _finish(self, identity: str, state: State, run: Run, **values: Any) -> None:  # noqa: ANN401
        progress = {"rounds": run.progress.rounds, "fraction": run.progress.fraction}
        self.experiments.finish(identity, state, progress | values)
        log.info("experiment ended", experiment=identity, state=str(state))

    def _compute(self, plan: Plan, access: Access, run: Run) -> tuple[Outcome, CohortSize]:
        cohort = open_cohort([self._site(plan.snapshots)], plan.spec, access, run)
        return outcome_of(plan, cohort), cohort.size

    def _site(self, snapshots: tuple[Snapshot, ...]) -> Site:
        return Site(self._engine, self._guard, snapshots, self._cache, self._key)


def _provenance(plan: Plan, size: CohortSize) -> Provenance:
    return Provenance(
        software=f"medmip {version('medmip')}",
        algorithm_version=plan.algorithm.version,
        compared_versions=tuple(part.algorithm.version for part in plan.analyses[1:]),
        snapshots=tuple(
            SnapshotUsed(
                dataset=used.dataset,
                hash=used.hash,
                version=used.version,
                synthetic=used.synthetic,
            )
            for used in plan.snapshots
        ),
        records=size.records,
        patients=size.patients,
        excluded=size.excluded,
    )
