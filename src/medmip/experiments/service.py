"""Runs requests: the one way from a request to a result, for portal, API and command line."""

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from secrets import token_hex
from typing import Any

import pyarrow as pa

from medmip.accounts.errors import NotAllowed
from medmip.accounts.person import Caller
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.errors import Conflict, MipError, NotFound
from medmip.experiments.comments import Comments
from medmip.experiments.comparison import trouble_of
from medmip.experiments.experiment import Experiment, Outcome, State, Summary, Trouble
from medmip.experiments.exploring import Exploring
from medmip.experiments.labels import Labels
from medmip.experiments.listing import Wanted
from medmip.experiments.packages import algorithms_of
from medmip.experiments.plan import Validator
from medmip.experiments.prediction import (
    ModelFormat,
    Trained,
    predictions_for,
    predictions_of,
    trained_model,
)
from medmip.experiments.repository import Experiments, no_experiment
from medmip.experiments.reproduction import ADDRESS
from medmip.experiments.request import InputData, Request
from medmip.experiments.runner import Run, Runner, apart
from medmip.experiments.sharing import SharedResults
from medmip.experiments.shelf import Shelf
from medmip.experiments.stars import Stars
from medmip.experiments.write_up import WriteUp, write_up_of
from medmip.federation.approvals import Approvals
from medmip.federation.block_memory import cache_of
from medmip.federation.dask_cluster import close_cluster, cluster_of
from medmip.federation.desk_messages import software_version
from medmip.federation.house import House
from medmip.federation.hub_folder import HubFolder
from medmip.federation.in_process import together
from medmip.federation.membership import Membership
from medmip.federation.registrar import Registrar
from medmip.federation.request import CohortRequest
from medmip.federation.site import Site, previewed
from medmip.federation.site_folder import SiteFolder
from medmip.federation.sites import Sites
from medmip.federation.steering import KeptSets, SteeringRule
from medmip.fold.local import Cancelled
from medmip.logbook import logger
from medmip.notices.outbox import Outbox
from medmip.privacy.guard import Access, Guard, Refused
from medmip.privacy.ledger import EarlierCohorts, Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.privacy.policy import Policy, site_policy
from medmip.privacy.site_key import site_key
from medmip.stewardship.access import FEDERATED, Reader, may_analyse
from medmip.store.duckdb_engine import DuckDBEngine
from medmip.store.engines import Engines
from medmip.store.placed import Holdings
from medmip.store.postgres_engine import PostgresEngine
from medmip.store.snapshots import Snapshot
from medmip.store.sources import source
from medmip.store.state import open_state

ATTEMPTS = 2
"""How often an experiment is begun before an interrupted one ends as failed."""
log = logger("medmip.experiments")


class ExperimentService:
    """Validates, queues, runs and remembers experiments on one home.

    workers is the number of experiments that run side by side; sites, where the home is a hub,
    are those of its federation. reader_now tells as whom a user analyses when their
    experiment's turn comes, None for who runs this machine; it raises NotAllowed.
    """

    def __init__(
        self,
        home: Home,
        policy: Policy | None = None,
        *,
        workers: int = 2,
        sites: Sites | None = None,
    ) -> None:
        self.home = home
        self.policy = policy or site_policy(home)
        self.models = ModelStore(home)
        self.datasets = Holdings(home)
        state = self._state = open_state(home)
        self.ledger = Ledger(state, LedgerHead(home))
        self.ledger.note_policy(self.policy.model_dump_json())
        self.approvals = Approvals(home.site / "approvals.json", self.ledger)
        self.outbox = Outbox.of(home, state)
        self.experiments = Experiments(state, self.outbox)
        self.sharing = SharedResults(state)
        self.stars = Stars(state)
        self.comments = Comments(state)
        self.sites = sites
        self.shelf = Shelf(self.datasets, sites)
        self.validator = Validator(self.models, self.shelf, algorithms_of(home))
        self._memory = EarlierCohorts(state)
        self._guard = Guard(self.policy, self.ledger, self._memory)
        self._files = DuckDBEngine(home.datasets)
        self._engine = Engines(self._files, PostgresEngine(lambda of: source(home, of).address()))
        self._cache = cache_of(home)
        self._key = site_key(home, "folds")
        self._cluster = cluster_of(home)
        self._runner = Runner(self._site, self.validator, self.ledger, self.policy, sites)
        self._exploring = Exploring(self._runner, self.ledger, self.policy)
        self.reader_now: Callable[[str], Reader | None] = lambda _: None
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="experiment")
        self._runs: dict[str, Run] = {}

    def resume(self) -> int:
        """Takes up the queue that a stopped process left; only the home's one server may."""
        left = self.experiments.requeue(ATTEMPTS)
        for identity in left:
            self._runs[identity] = self._watched(identity)
            self._workers.submit(self._take_up, identity)
        return len(left)

    def close(self) -> None:
        """Stops: running experiments are interrupted and taken up again by the next start."""
        for run in self._runs.values():
            run.stop.set()
        self._workers.shutdown(wait=True, cancel_futures=True)
        close_cluster(self._cluster)

    def shelf_of(self, reader: Reader | None) -> Shelf:
        """The datasets that a reader may analyse; None is who runs this machine, and sees all."""
        if reader is None:
            return self.shelf
        return self.shelf.seen(
            lambda snapshot: may_analyse(self.home, snapshot.model, snapshot.dataset, reader)
        )

    def validator_of(self, reader: Reader | None) -> Validator:
        """The validator for which only what a reader may analyse is there."""
        return self.validator.over(self.shelf_of(reader))

    def submit(
        self,
        request: Request,
        name: str = "",
        user: str = "local",
        *,
        reader: Reader | None = None,
        origin: str | None = None,
    ) -> Experiment:
        """Queues a request; raises RequestError where it breaks its declaration.

        Datasets that reader may not analyse are as little there as those that never were.
        origin is the experiment of which this one asks again.
        """
        label = self.validator_of(reader).plan(request).algorithm.label
        identity = self.experiments.add(request, name or label, user, State.QUEUED, origin)
        self._enqueue(identity)
        return self.get(identity)

    def run(
        self, request: Request, name: str = "", user: str = "local", origin: str | None = None
    ) -> Experiment:
        """Runs a request in the calling thread and remembers it; raises RequestError."""
        plan = self.validator.plan(request)
        called = name or plan.algorithm.label
        identity = self.experiments.add(request, called, user, State.QUEUED, origin)
        self._runs[identity] = self._watched(identity)
        self._work(identity)
        return self.get(identity)

    def explore(
        self, request: Request, user: str = "local", *, reader: Reader | None = None
    ) -> Outcome:
        """The result of a request that is not kept; the ledger has it all the same."""
        plan = self.validator_of(reader).plan(request)
        access = Access(user, f"explore-{token_hex(6)}", plan.algorithm.name)
        return self._exploring.answer(request, plan, access)

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
        table = predictions_of(self._files, model, self._model_of(experiment), snapshot)
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

    def write_up(self, identity: str, address: str = ADDRESS, *, token: bool = False) -> WriteUp:
        """An experiment's methods and code; raises NotFound, Conflict without a result.

        address is the portal's, and token tells whether that wants to know who asks.
        """
        experiment = self.get(identity)
        model = self.known_model(experiment)
        return write_up_of(experiment, self.validator.algorithms, model, address, token=token)

    def known_model(self, experiment: Experiment) -> DataModel | None:
        """An experiment's data model; None where that is not there any more."""
        try:
            return self._model_of(experiment)
        except NotFound:
            return None

    def _trained(self, experiment: Experiment, analysis: int) -> Trained:
        data_model = self._model_of(experiment)
        return trained_model(experiment, self.validator.algorithms, data_model, analysis)

    def _model_of(self, experiment: Experiment) -> DataModel:
        return self.models.get(experiment.request.inputdata.data_model)

    def preview(
        self, data: InputData, user: str = "local", *, reader: Reader | None = None
    ) -> dict[str, int | None]:
        """About how many patients each dataset has under a filter; None below the minimum."""
        spec, held = self.validator_of(reader).preview(data)
        own, far = apart(held)
        told: list[Mapping[str, int | None]] = []
        if own:
            told.append(previewed(self._site(own), spec, Access(user, "explore", "count")))
        if self.sites is not None and far:
            told += self.sites.preview(far, CohortRequest.of(spec), user)
        return together(spec, told)

    def house(self) -> House:
        """What this installation has to offer as a site of a federation."""
        return House(
            models=self.models,
            datasets=self.datasets,
            algorithms=self.validator.algorithms,
            engine=self._engine,
            cache=self._cache,
            key=self._key,
            workers=self._cluster,
            policy=self.policy,
            ledger=self.ledger,
            memory=self._memory,
            steering=SteeringRule(KeptSets(self._state), self.ledger),
            settings=self.home.site / "site.toml",
            approvals=self.approvals,
            software=software_version(),
            common=SiteFolder(self.home).common,
            opens=lambda part: may_analyse(self.home, part.model, part.dataset, FEDERATED),
        )

    def registrar(self) -> Registrar:
        """Who decides on the sites of this hub; raises Conflict where this home is none."""
        return Registrar(HubFolder.of(self.home), Membership(self._state, self.outbox), self.ledger)

    def get(self, identity: str, caller: Caller | None = None) -> Experiment:
        """The experiment with its live progress; raises NotFound.

        Where a caller is named, what they may not see is as little there as what never was.
        """
        if caller is not None and not self.experiments.is_visible(identity, caller):
            raise no_experiment(identity)
        found = self.experiments.get(identity)
        run = self._runs.get(identity)
        if run is not None and not found.state.ended:
            return found.model_copy(update={"progress": run.progress, "sites": run.sites.told()})
        return found

    def find(
        self,
        wanted: Wanted | None = None,
        limit: int = 50,
        offset: int = 0,
        caller: Caller | None = None,
    ) -> tuple[int, list[Summary]]:
        """How many experiments match of those that a caller may see, and a page, newest first.

        Algorithms and variables are found by their labels, too.
        """
        asked = wanted or Wanted()
        labels = Labels(self.validator.algorithms, self.models) if asked.search else None
        return self.experiments.find(
            asked if labels is None else labels.meant(asked), limit, offset, caller
        )

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
        self._workers.submit(self._work, identity)

    def _take_up(self, identity: str) -> None:
        if self.sites is not None:
            self.sites.gather(self._runs[identity].cancelled)
        self._work(identity)

    def _work(self, identity: str) -> None:
        run = self._runs[identity]
        try:
            if run.cancelled() or not self.experiments.start(identity):
                return
            experiment = self.experiments.get(identity)
            with self._ending(identity):
                self._refuse_hidden(experiment)
                outcome, provenance = self._runner.outcome(
                    experiment.request, identity, experiment.user, run
                )
                self._finish(
                    identity,
                    State.DONE,
                    run,
                    result=outcome.model_dump(mode="json"),
                    provenance=provenance.model_dump(mode="json"),
                )
        finally:
            self._runs.pop(identity, None)

    def _refuse_hidden(self, experiment: Experiment) -> None:
        """Raises NotAllowed where its user may not have the datasets analysed any more."""
        reader, data = self.reader_now(experiment.user), experiment.request.inputdata
        if reader is None:
            return
        there = {part.dataset for part in self.shelf.list(data.data_model)}
        seen = {part.dataset for part in self.shelf_of(reader).list(data.data_model)}
        hidden = [code for code in data.datasets if code in there - seen]
        if hidden:
            raise NotAllowed(
                f"{experiment.user} may not analyse {', '.join(hidden)} any more",
                remedy="Leave it out, or ask its data manager for access.",
            )

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
        told = {
            "rounds": run.progress.rounds,
            "fraction": run.progress.fraction,
            "sites": [site.model_dump(mode="json") for site in run.sites.told()] or None,
        }
        self.experiments.finish(identity, state, told | values)
        log.info("experiment ended", experiment=identity, state=str(state))

    def _site(self, snapshots: tuple[Snapshot, ...]) -> Site:
        return Site(self._engine, self._guard, snapshots, self._cache, self._key, self._cluster)
