"""Runs plans: over this installation's own records and those of the sites of its federation."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Literal

from medmip.algorithms.registry import registry
from medmip.experiments.comparison import outcome_of
from medmip.experiments.experiment import (
    Outcome,
    Progress,
    Provenance,
    SiteUsed,
    SnapshotUsed,
    ThresholdsUsed,
)
from medmip.experiments.plan import Plan, Validator
from medmip.experiments.request import Request
from medmip.experiments.shelf import Held
from medmip.experiments.site_progress import SiteWatch
from medmip.federation.aggregation import Aggregation, Clear
from medmip.federation.desk_messages import software_version
from medmip.federation.member import Admitted, LocalMember, Member, SiteTrouble
from medmip.federation.remote import SiteLost, SiteRefused, close_all
from medmip.federation.request import CohortRequest
from medmip.federation.run_keys import OnLoss
from medmip.federation.secure_aggregation import aggregation_of
from medmip.federation.site import Part, Site
from medmip.federation.site_runs import AlgorithmAsked, Opening
from medmip.federation.sites import Holding, Sites
from medmip.federation.transport import opened
from medmip.fold.cohort import Cohort, CohortSize
from medmip.logbook import logger
from medmip.privacy.guard import Access
from medmip.privacy.ledger import Ledger
from medmip.privacy.policy import Policy
from medmip.store.placed import Placed
from medmip.store.snapshots import Snapshot

log = logger("medmip.experiments.runner")
ASK_EVERY = 0.5
"""Seconds between looks at whether another process cancelled a run."""


@dataclass
class Run:
    """The watched progress of one experiment; implements the fold's Watcher.

    cancelled_elsewhere asks the state database, now and then, whether another process, such as
    `mip experiment cancel`, has ended it; aggregation is how the members' sums come together;
    agreed tells who agreed at which site, where a person had to; sites follows each of them.
    """

    cancelled_elsewhere: Callable[[], bool] = lambda: False
    progress: Progress = field(default_factory=Progress)
    stop: threading.Event = field(default_factory=threading.Event)
    asked: float = 0.0
    aggregation: Aggregation = field(default_factory=Clear)
    agreed: dict[str, str] = field(default_factory=dict)
    sites: SiteWatch = field(default_factory=SiteWatch)
    awaited: str = ""

    def advanced(self, rounds: int, fraction: float | None) -> None:
        message = f"round {rounds + 1}" if fraction is not None else f"{rounds} rounds done"
        if self.awaited:
            message += f", waiting for {self.awaited}"
        self.progress = Progress(rounds=rounds, fraction=fraction, message=message)

    def held_up(self, by: str) -> None:
        """The present round waits for somebody, such as a slow worker; empty once it gets on."""
        self.awaited = by
        self.advanced(self.progress.rounds, self.progress.fraction)

    def waiting(self, site: str | None) -> None:
        """A site is waited for, which gave no sign of life; None once it is back."""
        message = f"waiting for {site}, which does not answer" if site else ""
        self.progress = self.progress.model_copy(update={"message": message})

    def lost(self, site: str) -> None:
        """The analysis begins again without a site."""
        self.progress = Progress(message=f"{site} was lost: beginning again without it")

    def cancelled(self) -> bool:
        now = time.monotonic()
        if now - self.asked > ASK_EVERY and not self.stop.is_set():
            self.asked = now
            if self.cancelled_elsewhere():
                self.stop.set()
        return self.stop.is_set()


@dataclass(frozen=True)
class Runner:
    """Opens cohorts over members, and sees runs through.

    site makes this installation's own part of snapshots, under policy; sites are those of the
    federation whose hub this installation is, if it is one.
    """

    site: Callable[[tuple[Snapshot, ...]], Site]
    validator: Validator
    ledger: Ledger
    policy: Policy
    sites: Sites | None = None

    def outcome(
        self, request: Request, identity: str, user: str, run: Run
    ) -> tuple[Outcome, Provenance]:
        """The outcome; where a site is lost and the request says so, begun again without it."""
        lost: list[str] = []
        while True:
            plan = self.validator.plan(request)
            access = Access(user, identity, plan.algorithm.name)
            try:
                with self.cohort(plan, access, run, OnLoss(request.on_loss)) as cohort:
                    outcome = outcome_of(plan, cohort)
                return outcome, self._provenance(plan, cohort.size, lost, run.aggregation)
            except SiteLost as loss:
                request = _without(loss, request, plan)
                lost.append(loss.site)
                run.lost(loss.site)

    @contextlib.contextmanager
    def cohort(
        self, plan: Plan, access: Access, run: Run, on_loss: OnLoss = OnLoss.FAIL
    ) -> Iterator[Cohort]:
        """The cohort over this installation and the sites that hold its datasets."""
        own, far = apart(plan.snapshots)
        members: list[Member] = []
        if own:
            members.append(LocalMember(Part.of(self.site(own), plan.spec, access)))
        if self.sites is not None and far:
            members += self.sites.members(
                far, access.experiment, _opening(plan, access), run.waiting, run.sites
            )

        def choose(asked: Sequence[Member], admitted: Sequence[Admitted]) -> Aggregation:
            run.agreed = {
                member.name: part.agreed
                for member, part in zip(asked, admitted, strict=True)
                if part.agreed
            }
            run.aggregation = aggregation_of(asked, admitted, on_loss)
            return run.aggregation

        try:
            yield opened(members, plan.spec, run, choose)
        except (SiteRefused, SiteTrouble) as trouble:
            self._note(access, far, run.agreed, trouble)
            raise
        else:
            self._note(access, far, run.agreed, None)
        finally:
            close_all(members)

    def _provenance(
        self, plan: Plan, size: CohortSize, lost: Sequence[str], aggregation: Aggregation
    ) -> Provenance:
        own, far = apart(plan.snapshots)
        software = self.sites.software(far) if self.sites is not None else {}
        policies = self.sites.policies(far) if self.sites is not None else {}
        if own:
            policies = {"": self.policy} | policies
        return Provenance(
            sites=tuple(SiteUsed(name=name, software=told) for name, told in software.items()),
            lost=tuple(lost),
            secure_aggregation=aggregation.secure,
            aggregation=aggregation.reason,
            software=f"medmip {version('medmip')}",
            algorithm_version=plan.algorithm.version,
            compared_versions=tuple(part.algorithm.version for part in plan.analyses[1:]),
            snapshots=tuple(
                SnapshotUsed(
                    dataset=used.dataset,
                    hash=used.hash,
                    version=used.version,
                    synthetic=used.synthetic,
                    site=used.site if isinstance(used, Holding) else "",
                    engine=self._engine_of(plan, used, own),
                )
                for used in plan.snapshots
            ),
            records=size.records,
            patients=size.patients,
            excluded=size.excluded,
            thresholds=tuple(_thresholds(name, policy) for name, policy in policies.items()),
        )

    def _engine_of(
        self, plan: Plan, used: Held, own: Sequence[Snapshot]
    ) -> Literal["", "duckdb", "dask", "postgres"]:
        """What scanned a dataset here; a hospital of a federation does not tell."""
        if isinstance(used, Holding):
            return ""
        if isinstance(used, Placed):
            return "postgres"
        # Beside records that stay in their database, those of files are read here too.
        placed = any(isinstance(part, Placed) for part in own)
        # A cluster knows no kernel of another package: those are folded by this process.
        foreign = all(part.algorithm.name not in registry() for part in plan.analyses)
        embedded = placed or foreign or self.site(tuple(own)).workers is None
        return "duckdb" if embedded else "dask"

    def _note(
        self,
        access: Access,
        far: Sequence[Holding],
        agreed: Mapping[str, str],
        trouble: SiteRefused | SiteTrouble | None,
    ) -> None:
        """A row of the hub's own ledger for each site of a run that has ended."""
        for site in sorted({part.site for part in far}):
            mine = trouble is not None and trouble.site == site
            held = {part.dataset: part.hash for part in far if part.site == site}
            refused = isinstance(trouble, SiteRefused)
            verdict = ("refused" if refused else "failed") if mine else "ended"
            log.info("run at a site", experiment=access.experiment, site=site, verdict=verdict)
            self.ledger.record(
                replace(access, snapshots=held),
                statistic=f"run at {site}",
                verdict=verdict,
                rule=trouble.rule if mine and isinstance(trouble, SiteRefused) else "",
                reason=_reason(trouble if mine else None, agreed.get(site)),
                suppressed=0,
            )


def _reason(trouble: SiteRefused | SiteTrouble | None, agreed: str | None) -> str:
    if trouble is not None:
        return trouble.what
    return f"{agreed} agreed there" if agreed else ""


def apart(held: Sequence[Held]) -> tuple[tuple[Snapshot, ...], list[Holding]]:
    """What lies here, and what at sites."""
    own = tuple(part for part in held if isinstance(part, Snapshot))
    return own, [part for part in held if isinstance(part, Holding)]


def _opening(plan: Plan, access: Access) -> Opening:
    named = {part.algorithm.name: part.algorithm.version for part in plan.analyses}
    return Opening(
        access.user,
        tuple(AlgorithmAsked(name, version) for name, version in named.items()),
        CohortRequest.of(plan.spec),
        software_version(),
    )


def _without(loss: SiteLost, request: Request, plan: Plan) -> Request:
    """The request without a lost site's datasets; raises the loss where that was not asked for."""
    gone = {
        part.dataset
        for part in plan.snapshots
        if isinstance(part, Holding) and part.site == loss.site
    }
    left = tuple(code for code in request.inputdata.datasets if code not in gone)
    if request.on_loss == "fail" or not left or not gone:
        raise loss
    data = request.inputdata.model_copy(update={"datasets": left})
    return request.model_copy(update={"inputdata": data})


def _thresholds(site: str, policy: Policy) -> ThresholdsUsed:
    stated = policy.model_dump(include=set(ThresholdsUsed.model_fields) - {"site"})
    return ThresholdsUsed(site=site, **stated)
