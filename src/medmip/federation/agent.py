"""A site's agent: hears the hub's questions, lets them be answered, gives signs of life."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from medmip.errors import MipError
from medmip.federation.chunks import Assembly, chunks_of
from medmip.federation.client import FederationClient
from medmip.federation.identity import PublicIdentity
from medmip.federation.member import Admitted
from medmip.federation.messages import (
    HUB,
    Asking,
    Beat,
    Doorkeeper,
    Folded,
    Header,
    Message,
    NotAuthentic,
    Outcome,
    Previewed,
    Problem,
    Sharing,
    Sum,
    UnknownSigner,
    Verb,
    digest,
    problem_of,
    sealed,
)
from medmip.federation.offer import Offer
from medmip.federation.preview import Previewing
from medmip.federation.secure_messages import Stepped, Stepping
from medmip.federation.site_runs import Opening, SiteRuns, UnknownRun
from medmip.federation.subjects import to_hub, to_site
from medmip.federation.wire import Malformed, decoded, encoded
from medmip.fold.local import Cancelled
from medmip.logbook import logger

ASKED: tuple[Verb, ...] = ("open", "share", "fold", "secure", "close", "preview", "offer")
"""What a hub asks a site."""
MOST_QUESTIONS = 500
"""Questions at work or waiting; a hub asks again what was left out."""
FOLLOW_EVERY = 1.0
"""Seconds between questions for the hub's present key."""
WORKERS = 4
ANSWERS_KEPT = 100
"""Runs whose last answer is kept, for a hub that asks again."""
PROGRESS_EVERY = 0.5
log = logger("medmip.federation.agent")


@dataclass
class Counts:
    """What an agent has seen, for its metrics."""

    questions: int = 0
    refused: int = 0
    malformed: int = 0
    failed: int = 0


@dataclass
class _Answer:
    """One question's answer, once it is there: the same question again gets the same one."""

    round: int
    body: bytes
    outcome: "asyncio.Future[bytes]" = field(repr=False)


class Agent:
    """Serves one hub over the site's connection, in whose event loop it lives.

    keys are those that speak for the hub now, and follow asks it for newer ones; offer is what the
    site offers, as it travels.
    """

    def __init__(
        self,
        federation: str,
        node: str,
        keys: Callable[[], Sequence[PublicIdentity]],
        follow: Callable[[], Awaitable[None]],
        runs: SiteRuns,
        offer: Callable[[], bytes],
        software: str,
        *,
        heartbeat: float = 5.0,
    ) -> None:
        self.counts = Counts()
        self._client: FederationClient | None = None
        self._federation = federation
        self._me = node
        self._follow = follow
        self._catching_up: asyncio.Task[None] | None = None
        self._followed_at = 0.0
        self._runs = runs
        self._offer = offer
        self._software = software
        self._heartbeat = heartbeat
        self._door = Doorkeeper(federation, HUB, node, keys)
        self._assembly = Assembly()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="site")
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._told = b""

    @property
    def open_runs(self) -> int:
        """How many runs are open here."""
        return self._runs.open_runs

    async def begin(self, client: FederationClient) -> None:
        """Hears the hub over this client from now on; called by the site's link."""
        self._client = client
        for verb in ASKED:
            await client.subscribe(to_site(self._me, verb), queue=self._me, cb=self._heard)
        await client.flush()
        await self._beat()

    async def live(self) -> None:
        """Gives signs of life until it is cancelled."""
        loop = asyncio.get_running_loop()
        # Looking for kernels takes a while the first time; nobody should wait for it.
        loop.run_in_executor(self._workers, self._runs.warm)
        try:
            while True:
                await asyncio.sleep(self._heartbeat)
                await self._beat()
        finally:
            self._runs.stop()
            for task in list(self._tasks):
                task.cancel()
            self._workers.shutdown(wait=False, cancel_futures=True)

    async def _heard(self, message: Msg) -> None:
        if len(self._tasks) >= MOST_QUESTIONS:
            self.counts.refused += 1
            return
        # The client waits for its callback, so the work is done beside it.
        task = asyncio.get_running_loop().create_task(self._answered(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answered(self, message: Msg) -> None:
        self.counts.questions += 1
        try:
            content = self._assembly.complete(message.data)
            if content is None:
                return
            question = await self._opened(content)
        except (Malformed, NotAuthentic) as error:
            self.counts.malformed += 1
            log.warning("message not accepted", reason=error.what, bytes=len(message.data))
            await self._reply(message.reply, None, encoded(Outcome(problem_of(error)), Outcome))
            return
        header = question.header
        if header.verb == "close":
            self._runs.close(header.run)
            await self._reply(message.reply, header, encoded(Outcome(), Outcome))
            return
        await self._reply(message.reply, header, await self._once(question))

    async def _opened(self, content: bytes) -> Message:
        try:
            return self._door.opened(content)
        except UnknownSigner:
            # The hub may have changed its key a moment ago.
            if self._catching_up is None:
                self._catching_up = asyncio.create_task(self._followed())
            await asyncio.shield(self._catching_up)
            return self._door.opened(content)

    async def _followed(self) -> None:
        try:
            # What nobody signed must not make a site ask more often than this.
            await asyncio.sleep(self._followed_at + FOLLOW_EVERY - time.monotonic())
            await self._follow()
        except (MipError, OSError, NatsError) as error:
            log.warning("the hub's key could not be asked for", reason=type(error).__name__)
        finally:
            self._followed_at, self._catching_up = time.monotonic(), None

    async def _once(self, question: Message) -> bytes:
        """The outcome of a question, as it travels; of one that came before, the former one."""
        header = question.header
        known = self._answers.get(header.run)
        if known is not None and header.run and header.round <= known.round:
            if (known.round, known.body) != (header.round, header.body):
                late = Problem("not accepted", NotAuthentic.title, "a run's rounds only grow")
                return encoded(Outcome(late), Outcome)
            return await asyncio.shield(known.outcome)
        loop = asyncio.get_running_loop()
        kept = _Answer(header.round, header.body, loop.create_future())
        if header.run:
            self._answers[header.run] = kept
            self._answers.move_to_end(header.run)
            while len(self._answers) > ANSWERS_KEPT:
                self._answers.popitem(last=False)
        worked: asyncio.Future[Outcome] = loop.create_future()
        self._workers.submit(self._work, question, loop, worked)
        outcome = await worked
        if outcome.problem is not None:
            self.counts.refused += outcome.problem.kind == "refused"
            self.counts.failed += outcome.problem.kind == "failed"
        body = encoded(outcome, Outcome)
        kept.outcome.set_result(body)
        return body

    def _work(
        self,
        question: Message,
        loop: asyncio.AbstractEventLoop,
        worked: "asyncio.Future[Outcome]",
    ) -> None:
        # `run_in_executor` would pass it on through a second future, in every round.
        outcome = self._worked(question, loop)
        # The loop is closed where the site has stopped meanwhile; nobody waits then.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, worked, outcome)

    def _worked(self, question: Message, loop: asyncio.AbstractEventLoop) -> Outcome:
        begun = time.perf_counter()
        try:
            content = self._done(question, self._following(question.header, loop))
        except Cancelled:
            return Outcome(Problem("cancelled", "Cancelled", "the run was cancelled"))
        except UnknownRun as error:
            return Outcome(Problem("unknown run", error.title, error.what))
        except MipError as error:
            log.info("refused", experiment=question.header.run, reason=error.what)
            return Outcome(problem_of(error))
        except Exception as error:  # noqa: BLE001 - a hostile question must not end the agent
            # A foreign message may quote a record, so only its kind is told.
            log.error("failed", experiment=question.header.run, kind=type(error).__name__)
            return Outcome(Problem("failed", "The site failed inside", type(error).__name__))
        return Outcome(None, content, time.perf_counter() - begun)

    def _done(self, question: Message, progress: Callable[[int], None]) -> bytes:
        header, runs = question.header, self._runs
        run, cohort = header.run, header.cohort
        match header.verb:
            case "open":
                opening = decoded(question.body, Opening)
                return encoded(runs.open(run, header.body, opening, progress), Admitted)
            case "share":
                sharing = decoded(question.body, Sharing)
                return encoded(runs.share(run, cohort, sharing, progress), Admitted)
            case "fold":
                return encoded(
                    runs.fold(run, cohort, decoded(question.body, Asking), progress), Sum
                )
            case "secure":
                step = decoded(question.body, Stepping).step
                return encoded(Stepped(runs.step(run, cohort, step, progress)), Stepped)
            case "preview":
                asked = decoded(question.body, Previewing)
                return encoded(runs.preview(asked.cohort, asked.user), Previewed)
            case "offer":
                return self._offer()
            case _:
                raise Malformed("a site is not asked that")

    def _following(self, header: Header, loop: asyncio.AbstractEventLoop) -> Callable[[int], None]:
        """Tells the hub now and then how far this round is, and stops at its deadline."""
        seen, told = 0, time.monotonic()

        def progress(records: int) -> None:
            nonlocal seen, told
            seen += records
            if header.deadline and time.time() > header.deadline:
                raise Cancelled
            now = time.monotonic()
            if now - told > PROGRESS_EVERY:
                told = now
                body = encoded(Folded(seen), Folded)
                asyncio.run_coroutine_threadsafe(self._tell("progress", body, header), loop)

        return progress

    async def _beat(self) -> None:
        try:
            offer = await asyncio.get_running_loop().run_in_executor(self._workers, self._offer)
        except MipError as error:
            log.error("nothing can be offered", reason=error.what)
            offer = Offer(self._software, paused=True).encoded()
        beat = Beat(self._software, digest(offer), self._runs.open_runs)
        await self._tell("beat", encoded(beat, Beat))
        if digest(offer) != self._told:
            self._told = digest(offer)
            await self._tell("offer", offer)

    async def _tell(self, verb: Verb, body: bytes, about: Header | None = None) -> None:
        run, number = (about.run, about.round) if about else ("", 0)
        header = Header(self._federation, self._me, HUB, verb, digest(body), run, number)
        await self._publish(to_hub(self._me, verb), header, body)

    async def _reply(self, to: str, header: Header | None, body: bytes) -> None:
        told = Header(
            self._federation,
            self._me,
            HUB,
            "answer",
            digest(body),
            header.run if header else "",
            header.round if header else 0,
            header.cohort if header else b"",
            nonce=header.nonce if header else b"",
        )
        await self._publish(to, told, body)

    async def _publish(self, subject: str, header: Header, body: bytes) -> None:
        client = self._client
        if not subject or client is None:
            return
        # While the broker is away the hub asks again; nothing is owed to a lost connection.
        with contextlib.suppress(NatsError, OSError):
            for part in chunks_of(sealed(client.identity, header, body)):
                await client.publish(subject, part)


def _settle(worked: "asyncio.Future[Outcome]", outcome: Outcome) -> None:
    if not worked.done():
        worked.set_result(outcome)
