"""A member of a run that is far away: a site, asked over the network."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from medmip.federation.coordinator import Coordinator, Peer
from medmip.federation.kernels import described
from medmip.federation.masked_round import MaskedSums
from medmip.federation.member import Admitted, SiteTrouble
from medmip.federation.messages import Asking, Outcome, Problem, Sharing, Sum, Verb, digest
from medmip.federation.observer import Observer, Unobserved
from medmip.federation.question import Change, Question, Road
from medmip.federation.secure_messages import Answer, Step, Stepped, Stepping
from medmip.federation.site import Progress
from medmip.federation.site_runs import Opening
from medmip.federation.statistics import checked
from medmip.federation.wire import Malformed, decoded, decoded_as, encoded
from medmip.fold.local import Cancelled
from medmip.fold.statistic import Statistic
from medmip.privacy.guard import Refused

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)
T = TypeVar("T")
GLANCE = 0.05
"""Seconds between looks at whether a run was cancelled."""


class SiteLost(SiteTrouble):
    """A site gave no sign of life, and the time to wait for it is over."""

    title = "A site was lost"


class SiteRefused(Refused):
    """A site refused; site is its name."""

    def __init__(self, site: str, problem: Problem) -> None:
        super().__init__(
            f"{site} refused: {problem.what}", rule=problem.rule, remedy=problem.remedy
        )
        self.site = site


class SiteRestarted(SiteTrouble):
    """A site has begun anew and was told of the run once more, but masks under none of its keys."""

    title = "A site has begun anew"


@dataclass
class RemoteRun:
    """What all far members of one run share: its name, its opening, the number of its rounds.

    Rounds are counted from the milliseconds since 1970, so that they go on growing where a run
    begins again, also in another process. waiting is told a site's name while it is lost and waited
    for, None when it is back; observer follows each site.
    """

    coordinator: Coordinator
    run: str
    opening: Opening
    waiting: Callable[[str | None], None] = lambda _: None
    observer: Observer = field(default_factory=Unobserved)
    _round: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _last: tuple[object, bytes] | None = None

    def __post_init__(self) -> None:
        self.body = encoded(self.opening, Opening)
        self.cohort = digest(self.body)

    def following(self) -> int:
        """The number of another round."""
        with self._lock:
            self._round += 1
            return self._round

    @property
    def statistic(self) -> str:
        """The name of what the last question asks for."""
        question: Any = self._last[0] if self._last else None
        return "" if question is None else described(question.kernel).statistic.__name__

    def asking(self, question: Question[Any, Any]) -> bytes:
        """The bytes of a question, an `Asking`: the same for every member."""
        with self._lock:
            if self._last is None or self._last[0] is not question:
                kernel = described(question.kernel)
                asking = Asking(
                    kernel.name,
                    encoded(question.state, kernel.state),
                    question.cells,
                    question.road.groups,
                    tuple(encoded(change, Change) for change in question.road.adjustments),
                )
                self._last = (question, encoded(asking, Asking))
            return self._last[1]


@dataclass
class RemoteMember:
    """One site of a run; snapshots are the versions of its datasets that the run is planned for."""

    peer: Peer
    shared: RemoteRun
    snapshots: tuple[tuple[str, str], ...] = ()
    _shares: list[Sharing] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.peer.site.name

    def admit(
        self, road: Road, progress: Progress, *, if_empty: bool = False
    ) -> Callable[[], Admitted]:
        if if_empty:
            return self._nobody
        if road.groups is None:
            sent = self._send("open", self.shared.body, self.shared.following())
        else:
            sharing = Sharing(road.groups)
            self._shares.append(sharing)
            sent = self._send("share", encoded(sharing, Sharing), self.shared.following())

        def admitted() -> Admitted:
            found = self._planned(self._content(sent, progress, Admitted))
            if found.counts is not None:
                what = "cohort" if road.groups is None else "share"
                self.shared.observer.released(self.name, what, masked=False)
            return found

        return admitted

    def fold(self, question: Question[State, S], progress: Progress) -> Callable[[], S | None]:
        sent = self._send("fold", self.shared.asking(question), self.shared.following())

        def summed() -> S | None:
            answer = self._content(sent, progress, Sum)
            if answer.statistic is None:
                return None
            expected: Any = described(question.kernel).statistic
            self.shared.observer.released(self.name, expected.__name__, masked=False)
            try:
                found: S = checked(decoded_as(answer.statistic, expected))
            except Malformed as error:
                raise SiteTrouble(
                    f"{self.name} answered something that is no {expected.__name__}: {error.what}",
                    site=self.name,
                    remedy="Tell the site's administrator.",
                ) from None
            return found

        return summed

    def step(self, step: Step, progress: Progress) -> Callable[[], Answer]:
        """A step of secure aggregation; the answer may raise SiteRestarted besides."""
        sent = self._send("secure", encoded(Stepping(step), Stepping), self.shared.following())

        def answered() -> Answer:
            found: Stepped = self._content(sent, progress, Stepped)
            if isinstance(found.answer, MaskedSums):
                self.shared.observer.released(self.name, self.shared.statistic, masked=True)
            return found.answer

        return answered

    def close(self) -> None:
        """Lets the site forget the run; nobody waits for it."""
        self.shared.coordinator.ask(self.peer, "close", b"", run=self.shared.run, deadline=5.0)

    def _nobody(self) -> Admitted:
        raise SiteRefused(
            self.name,
            Problem(
                "refused", Refused.title, "The cohort has no patients", rule="minimum_patients",
                remedy="Widen the filter, add datasets, or leave out variables often missing.",
            ),
        )  # fmt: skip

    def _planned(self, admitted: Admitted) -> Admitted:
        """What the site let in; raises SiteTrouble where it is not what the run was planned for."""
        counts, datasets = admitted.counts, len(self.shared.opening.cohort.datasets)
        if counts is not None and np.shape(checked(counts).patients) != (datasets,):
            raise SiteTrouble(f"{self.name} counts other datasets than were asked", site=self.name)
        if self.snapshots and dict(admitted.snapshots) != dict(self.snapshots):
            raise SiteTrouble(
                f"{self.name} has published other versions of its datasets meanwhile",
                site=self.name,
                remedy="Run it again: it then takes the versions that are there now.",
            )
        return admitted

    def _send(self, verb: Verb, body: bytes, number: int) -> "_Sent":
        future = self.shared.coordinator.ask(
            self.peer, verb, body, run=self.shared.run, round_=number, cohort=self.shared.cohort
        )
        self.shared.observer.asked(self.name)
        return _Sent(verb, body, number, future)

    def _content(self, sent: "_Sent", progress: Progress, expected: type[Any]) -> Any:  # noqa: ANN401
        """Waits for the answer; raises Refused, Cancelled, SiteTrouble."""
        observer = self.shared.observer
        try:
            found = self._answer(sent, progress, expected)
        except SiteRestarted:
            raise
        except SiteRefused as refusal:
            observer.ended(self.name, "refused", refusal.what)
            raise
        except SiteTrouble as trouble:
            lost = isinstance(trouble, SiteLost)
            observer.ended(self.name, "lost" if lost else "failed", trouble.what)
            raise
        observer.answered(self.name)
        return found

    def _answer(self, sent: "_Sent", progress: Progress, expected: type[Any]) -> Any:  # noqa: ANN401
        for attempt in range(3):
            outcome = self._waited(sent, progress)
            problem = outcome.problem
            if problem is None:
                return content_of(self.name, outcome, expected)
            if problem.kind == "unknown run" and sent.verb != "open" and attempt < 2:
                self._begin_again(progress)
                if sent.verb == "secure":
                    raise SiteRestarted(f"{self.name} has begun anew", site=self.name)
                sent = self._send(sent.verb, sent.body, self.shared.following())
                continue
            return content_of(self.name, outcome, expected)
        raise AssertionError("unreachable")

    def _begin_again(self, progress: Progress) -> None:
        """The site started anew: it is told of the run once more, and of the share at hand."""
        again = self._send("open", self.shared.body, self.shared.following())
        self._planned(self._content(again, progress, Admitted))
        for sharing in self._shares[-1:]:
            share = self._send("share", encoded(sharing, Sharing), self.shared.following())
            self._content(share, progress, Admitted)

    def _waited(self, sent: "_Sent", progress: Progress) -> Outcome:
        coordinator, seen = self.shared.coordinator, 0
        lost: float | None = None
        try:
            while True:
                try:
                    return sent.future.result(GLANCE)
                except TimeoutError:
                    if sent.future.done() and sent.future.exception() is not None:
                        raise SiteLost(
                            f"{self.name} did not answer within "
                            f"{coordinator.timing.deadline:.0f} seconds",
                            site=self.name,
                            remedy="Run it again later, or without this site.",
                        ) from None
                except CancelledError:
                    raise Cancelled from None
                now = self.peer.progress.get((self.shared.run, sent.number), seen)
                progress(now - seen)
                seen = now
                lost = self._lost_since(lost)
        except BaseException:
            sent.future.cancel()
            raise
        finally:
            if lost is not None:
                self.shared.waiting(None)

    def _lost_since(self, lost: float | None) -> float | None:
        """When the site was lost, None where it is there; raises SiteLost after the grace time."""
        coordinator = self.shared.coordinator
        if coordinator.alive(self.peer):
            if lost is not None:
                self.shared.waiting(None)
            return None
        if lost is None:
            self.shared.waiting(self.name)
            self.shared.observer.waiting(self.name)
            return time.monotonic()
        if time.monotonic() - lost > coordinator.timing.grace:
            raise SiteLost(
                f"{self.name} was lost in the middle of the analysis and did not come back "
                f"within {coordinator.timing.grace:.0f} seconds",
                site=self.name,
                remedy="Run it again once the site is back, or let it go on without a lost site.",
            )
        return lost


def content_of(site: str, outcome: Outcome, expected: type[T]) -> T:
    """What a site answered; raises SiteRefused, SiteTrouble."""
    problem = outcome.problem
    if problem is None:
        try:
            return decoded(outcome.content, expected)
        except Malformed as error:
            raise SiteTrouble(
                f"{site} answered what cannot be read: {error.what}", site=site
            ) from None
    if problem.kind == "refused":
        raise SiteRefused(site, problem)
    if problem.kind == "cancelled":
        raise Cancelled
    raise SiteTrouble(f"{site}: {problem.what}", site=site, remedy=problem.remedy)


@dataclass(frozen=True)
class _Sent:
    verb: Verb
    body: bytes
    number: int
    future: "Future[Outcome]"


def close_all(members: Sequence[object]) -> None:
    """Lets every far member forget the run."""
    for member in members:
        if isinstance(member, RemoteMember):
            member.close()
