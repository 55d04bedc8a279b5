"""The runs that are open at a site: what the hub asks is checked, done, and answered."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from medmip.algorithms.declaration import Algorithm
from medmip.errors import MipError
from medmip.federation.kernels import Kernel, UnknownKernel, kernels_of_all
from medmip.federation.member import Admitted, LocalMember
from medmip.federation.messages import Asking, Previewed, Sharing, Sum
from medmip.federation.peers import SwappedKey
from medmip.federation.question import Change, Question, Road
from medmip.federation.request import CohortRequest
from medmip.federation.run_keys import TooFewSites, Untrustworthy
from medmip.federation.secure_messages import Answer, Step
from medmip.federation.site import Part, Progress, Site, previewed
from medmip.federation.site_masks import MaskMaker, RunMasks
from medmip.federation.specification import CohortSpec
from medmip.federation.succession import BrokenSuccession
from medmip.federation.wire import Malformed, decoded_as, encoded
from medmip.fold.local import Cancelled
from medmip.fold.statistic import Statistic
from medmip.logbook import logger
from medmip.privacy.guard import Access, Refused

MOST_RUNS = 100
MOST_ROUNDS = 200_000
"""Rounds of one run: a search over a grid takes some ten thousands."""
SECURE = "secure aggregation"
log = logger("medmip.federation.site_runs")
EXPIRES = 3600.0
"""Seconds without a question after which a run is forgotten."""


class UnknownRun(MipError):
    """A round of a run that this site does not know, or knows no more."""

    title = "The site does not know this run"
    status = 404


@dataclass(frozen=True)
class AlgorithmAsked:
    """An algorithm that a run is for, with the version that the hub has."""

    name: str
    version: str


@dataclass(frozen=True)
class Opening:
    """A run begins: who asks, what for, and whose records; on_loss is what the request says."""

    user: str
    algorithms: tuple[AlgorithmAsked, ...]
    cohort: CohortRequest
    software: str


class Premises(Protocol):
    """What runs need of the site's house: data, and what the administrator lets out."""

    algorithms: Mapping[str, Algorithm[Any, Any]]

    @property
    def only_masked(self) -> bool:
        """Whether sums leave under masks alone."""

    def site(self, spec: CohortRequest) -> tuple[CohortSpec, Site]:
        """The cohort in the site's model, and the site with what it offers of it; raises."""

    def algorithm(self, name: str) -> Algorithm[Any, Any]:
        """An algorithm that is offered; raises Refused."""

    def check_open(self, opening: Opening) -> str:
        """Whether the site takes part now: pause, hours, approval; raises Refused.

        Tells who agreed, where a person has to.
        """

    def note(self, access: Access, refusal: Refused) -> None:
        """Writes a refusal into the ledger that the guard did not make."""


@dataclass
class OpenRun:
    """One run at a site: its part, what it may ask, and how far it is."""

    member: LocalMember
    masks: RunMasks
    kernels: Mapping[str, Kernel]
    cohort: bytes
    used: float
    rounds: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    admitted: set[tuple[int, ...] | None] = field(default_factory=lambda: {None})
    changes: dict[bytes, Change] = field(default_factory=dict)

    def change(self, content: bytes) -> Change:
        """The adjustment of these bytes; the same object each time, so that blocks know it."""
        if content not in self.changes:
            self.changes[content] = decoded_as(content, Change)
        return self.changes[content]

    def watched(self, progress: Progress) -> Progress:
        """Follows a round, and ends it where the run was closed."""

        def each(records: int) -> None:
            if self.stop.is_set():
                raise Cancelled
            progress(records)

        return each


class SiteRuns:
    """Answers the hub in calling threads; it holds the runs that are open."""

    def __init__(
        self, premises: Premises, maker: MaskMaker, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._premises = premises
        self._maker = maker
        self._clock = clock
        self._runs: dict[str, OpenRun] = {}
        self._lock = threading.Lock()

    @property
    def open_runs(self) -> int:
        return len(self._runs)

    def open(self, run: str, cohort: bytes, opening: Opening, progress: Progress) -> Admitted:
        """Begins a run, or begins it again; raises Refused and whatever the cohort may raise."""
        names = tuple(asked.name for asked in opening.algorithms)
        access = Access(opening.user, run, names[0] if names else "")
        try:
            agreed = self._premises.check_open(opening)
            algorithms = [self._algorithm(asked) for asked in opening.algorithms]
            spec, site = self._premises.site(opening.cohort)
        except Refused as refusal:
            self._premises.note(access, refusal)
            raise
        member = LocalMember(Part.of(site, spec, access))
        masks = RunMasks(self._maker, run, member)
        kept = OpenRun(member, masks, kernels_of_all(algorithms), cohort, self._clock())
        self._keep(run, kept)
        try:
            admitted = member.admit(Road(), kept.watched(progress))()
            log.info("run opened", experiment=run, user=opening.user, algorithms=names)
            return replace(admitted, agreed=agreed)
        except BaseException:
            self.close(run)
            raise

    def share(self, run: str, cohort: bytes, asked: Sharing, progress: Progress) -> Admitted:
        """Lets a share of a run's cohort be analysed apart; raises Refused, UnknownRun."""
        kept = self._known(run, cohort)
        groups = kept.member.part.selection.partition
        if groups is None or not asked.groups or len(set(asked.groups)) < len(asked.groups):
            raise Malformed("the cohort is not divided like that")
        road = Road(asked.groups)
        found = kept.member.admit(road, kept.watched(progress))()
        kept.admitted.add(asked.groups)
        return found

    def fold(self, run: str, cohort: bytes, asked: Asking, progress: Progress) -> Sum:
        """The guarded sum of one round, in clear.

        Raises Refused, UnknownRun, UnknownKernel, Malformed.
        """
        kept = self._known(run, cohort)
        kernel, question = self._question(kept, asked)
        part = kept.member.part
        if kept.masks.begun:
            refusal = Refused(
                "the sums of this run travel under masks; none of them is shown besides",
                rule=SECURE,
            )
            self._premises.note(part.access, refusal)
            raise refusal
        if self._premises.only_masked:
            refusal = Refused(
                "this hospital's sums leave under masks alone, and the hub would see these",
                rule="only_masked",
                remedy="Choose datasets of at least three hospitals.",
            )
            self._premises.note(part.access, refusal)
            raise refusal
        consent = part.site.guard.policy.steering_in_clear
        self._maker.rule.in_clear(part.access, kernel.statistic, consent=consent)
        found = kept.member.fold(question, kept.watched(progress))()
        return Sum(None if found is None else encoded(found, kernel.statistic))

    def step(self, run: str, cohort: bytes, step: Step, progress: Progress) -> Answer:
        """A step of secure aggregation; raises what `fold` does.

        Refused is also what a hub does that no honest one would.
        """
        kept = self._known(run, cohort)

        def folded(asked: Asking) -> tuple[type[Statistic], Statistic | None]:
            kernel, question = self._question(kept, asked)
            return kernel.statistic, kept.member.fold(question, kept.watched(progress))()

        try:
            return kept.masks.answer(step, folded)
        except (Untrustworthy, TooFewSites, SwappedKey, BrokenSuccession) as error:
            refusal = Refused(error.what, rule=SECURE, remedy=error.remedy)
            self._premises.note(kept.member.part.access, refusal)
            raise refusal from None

    def _question(self, kept: OpenRun, asked: Asking) -> tuple[Kernel, Question[Any, Statistic]]:
        """The kernel that is asked for, and what is asked of it."""
        kernel = kept.kernels.get(asked.kernel)
        if kernel is None:
            unknown = UnknownKernel(
                f"{asked.kernel[:200]} belongs to none of the algorithms that the run is for"
            )
            self._premises.note(kept.member.part.access, Refused(unknown.what, rule="kernel"))
            raise unknown
        if asked.groups not in kept.admitted:
            raise Malformed("the share was not admitted")
        return kernel, Question(
            kernel.function,
            decoded_as(asked.state, kernel.state),
            asked.cells,
            Road(asked.groups, tuple(kept.change(content) for content in asked.adjustments)),
        )

    def preview(self, asked: CohortRequest, user: str) -> Previewed:
        """About how many patients a filter would keep; raises Refused."""
        spec, site = self._premises.site(asked)
        told = previewed(site, spec, Access(user, "explore", "count"))
        return Previewed(tuple(told.items()))

    def warm(self) -> None:
        """Finds every kernel that may be asked for, which takes a second the first time."""
        kernels_of_all(self._premises.algorithms.values())

    def close(self, run: str) -> None:
        """Forgets a run and stops what it is at."""
        with self._lock:
            kept = self._runs.pop(run, None)
        if kept is not None:
            kept.stop.set()
            log.info("run closed", experiment=run, rounds=kept.rounds)

    def stop(self) -> None:
        """Forgets every run."""
        for run in list(self._runs):
            self.close(run)

    def _algorithm(self, asked: AlgorithmAsked) -> Algorithm[Any, Any]:
        found = self._premises.algorithm(asked.name)
        if found.version != asked.version:
            raise Refused(
                f"{found.label} is of version {found.version} here and of {asked.version} at the "
                "hub",
                rule="version",
                remedy="Bring the software of both to the same version.",
            )
        return found

    def _keep(self, run: str, kept: OpenRun) -> None:
        now = self._clock()
        with self._lock:
            for name, old in list(self._runs.items()):
                if now - old.used > EXPIRES:
                    del self._runs[name]
            if run not in self._runs and len(self._runs) >= MOST_RUNS:
                raise Refused(f"{MOST_RUNS} runs are open here already", rule="runs")
            self._runs[run] = kept

    def _known(self, run: str, cohort: bytes) -> OpenRun:
        kept = self._runs.get(run)
        if kept is None or kept.cohort != cohort:
            raise UnknownRun("This site was not asked to begin this run, or has begun anew since")
        kept.used = self._clock()
        kept.rounds += 1
        if kept.rounds > MOST_ROUNDS:
            refusal = Refused(f"a run has at most {MOST_ROUNDS} rounds", rule="rounds")
            self._premises.note(kept.member.part.access, refusal)
            raise refusal
        return kept
