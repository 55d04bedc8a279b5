"""The hub's side: questions to sites go out together, answers come back in time or are missed."""

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import InitVar, dataclass, field, replace
from secrets import token_hex
from typing import Protocol

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from medmip.errors import MipError
from medmip.federation.chunks import Assembly, chunks_of
from medmip.federation.client import FederationClient
from medmip.federation.identity import PublicIdentity
from medmip.federation.messages import (
    HUB,
    Beat,
    Doorkeeper,
    Folded,
    Header,
    Message,
    NotAuthentic,
    Outcome,
    Verb,
    digest,
    sealed,
)
from medmip.federation.subjects import answer_inbox, node_of, to_hub, to_site
from medmip.federation.succession import Succession
from medmip.federation.wire import Malformed, decoded
from medmip.logbook import logger

TOLD: tuple[Verb, ...] = ("beat", "offer", "progress")
"""What sites tell without being asked."""
FETCH_WITHIN = 10.0
MOST_FOLLOWED = 200
"""Rounds of a site whose progress is kept."""
ABSENT = 0.3
"""Seconds until a question is sent again to a site that did not listen."""
log = logger("medmip.federation.coordinator")


class HubStopped(MipError):
    """Nothing can be asked of sites: the hub's side of the federation does not run."""

    title = "The federation is not running"
    status = 503


@dataclass(frozen=True)
class Timing:
    """Seconds: a site without a sign of life for `silence` is lost; a lost one is waited for
    during `grace`; a round ends after `deadline`; an unanswered question is asked again each
    `again`.
    """

    silence: float = 12.0
    grace: float = 20.0
    deadline: float = 600.0
    again: float = 3.0


@dataclass(frozen=True)
class SiteKey:
    """A member of the federation: what people call it, its node, the keys that speak for it.

    successions are the statements by which it came to its present key.
    """

    name: str
    node: str
    keys: tuple[PublicIdentity, ...]
    successions: tuple[Succession, ...] = ()


class Directory(Protocol):
    """Who the members of the federation are, at this moment."""

    def __call__(self) -> Sequence[SiteKey]: ...


@dataclass
class Peer:
    """What the hub knows of a site that is alive or was."""

    site: SiteKey
    federation: InitVar[str]
    heard: float = 0.0
    """When a sign of life last came, by the monotonic clock; 0 for never."""
    skew: float = 0.0
    software: str = ""
    runs: int = 0
    offer: bytes = b""
    offer_digest: bytes = b""
    rejected: int = 0
    absent: bool = False
    """Whether the broker says that nobody listens there."""
    progress: dict[tuple[str, int], int] = field(default_factory=dict)

    def __post_init__(self, federation: str) -> None:
        self.door = Doorkeeper(federation, self.site.node, HUB, lambda: self.site.keys)


@dataclass
class Waited:
    """One question on its way: what has come back, and how it goes on."""

    peer: Peer
    header: Header
    outcome: "asyncio.Future[Outcome]"
    attempt: "asyncio.Future[None]"
    """Done when there is an outcome, the broker says that nobody listens there, or time is over."""


class Coordinator:
    """Speaks with all sites over the hub's connection, in whose event loop its work is done."""

    def __init__(self, federation: str, directory: Directory, timing: Timing | None = None) -> None:
        self.timing = timing or Timing()
        self.federation = federation
        self._asker = token_hex(8)
        self._numbers = itertools.count()
        self._directory = directory
        self._peers: dict[str, Peer] = {}
        self._asked: dict[str, Waited] = {}
        self._assembly = Assembly(most=64)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: FederationClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, client: FederationClient) -> None:
        """Hears and asks over this client from now on; called by the hub's service."""
        self._loop, self._client = asyncio.get_running_loop(), client
        # Without queue groups: a command beside the server hears the sites as well, and what comes
        # twice while the hub changes its identity does no harm.
        await client.subscribe(f"{answer_inbox('*', self._asker)}.*", cb=self._answered)
        for verb in TOLD:
            await client.subscribe(to_hub("*", verb), cb=self._told)
        await client.flush()
        for peer in self.peers():
            self._background(self._fetch(peer))

    def peers(self) -> list[Peer]:
        """Every member of the federation, by name."""
        known = []
        for site in self._directory():
            peer = self._peers.get(site.node)
            if peer is None:
                peer = self._peers[site.node] = Peer(site, self.federation)
            peer.site = site
            known.append(peer)
        for node in self._peers.keys() - {peer.site.node for peer in known}:
            self._peers.pop(node, None)
        return sorted(known, key=lambda peer: (peer.site.name, peer.site.node))

    def alive(self, peer: Peer) -> bool:
        """Whether a site gave a sign of life lately."""
        return not peer.absent and time.monotonic() - peer.heard < self.timing.silence

    def ask(
        self,
        peer: Peer,
        verb: Verb,
        body: bytes,
        *,
        run: str = "",
        round_: int = 0,
        cohort: bytes = b"",
        deadline: float | None = None,
    ) -> "Future[Outcome]":
        """A site's answer to come; it is asked again until it answers, or the deadline passes.

        The future raises TimeoutError at the deadline. It may be cancelled.
        """
        until = time.time() + (deadline or self.timing.deadline)
        header = Header(
            self.federation,
            HUB,
            peer.site.node,
            verb,
            digest(body),
            run,
            round_,
            cohort,
            deadline=until,
        )
        if self._loop is None:
            raise HubStopped(
                "The hub is not connected to its broker",
                remedy="Start it with `mip serve`; its log tells more.",
            )
        return asyncio.run_coroutine_threadsafe(self._ask(peer, header, body), self._loop)

    def _background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, peer: Peer, header: Header, body: bytes) -> Outcome:
        loop = asyncio.get_running_loop()
        # No secret: an answer counts for its signature and its question's nonce.
        token = str(next(self._numbers))
        futures = (loop.create_future(), loop.create_future())
        waited = self._asked[token] = Waited(peer, header, *futures)
        pause = self.timing.again
        try:
            while True:
                await self._send(waited, token, body)
                left = header.deadline - time.time()
                if left <= 0:
                    raise TimeoutError
                with contextlib.suppress(TimeoutError):
                    return await self._awaited(waited, min(pause, left))
                pause = min(2 * pause, 8 * self.timing.again)
                # Sent again it is a message of its own, with a nonce and a time of its own.
                waited.header = replace(header, sent=time.time(), nonce=os.urandom(16))
        finally:
            del self._asked[token]
            peer.progress.pop((header.run, header.round), None)

    async def _awaited(self, waited: Waited, pause: float) -> Outcome:
        """The outcome, within so many seconds; much fewer where nobody listens there at present."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(pause, _settle, waited)
        try:
            await waited.attempt
        finally:
            timer.cancel()
        if waited.outcome.done():
            return waited.outcome.result()
        waited.attempt = loop.create_future()
        if waited.peer.absent:
            await asyncio.sleep(min(pause, ABSENT))
        raise TimeoutError

    async def _send(self, waited: Waited, token: str, body: bytes) -> None:
        header, node = waited.header, waited.peer.site.node
        subject = to_site(node, header.verb)
        reply = f"{answer_inbox(node, self._asker)}.{token}"
        assert self._client is not None
        # While the broker is away nothing is lost: it is sent again.
        with contextlib.suppress(NatsError, OSError):
            for part in chunks_of(sealed(self._client.identity, header, body)):
                await self._client.publish(subject, part, reply=reply)

    async def _answered(self, message: Msg) -> None:
        waited = self._asked.get(message.subject.rpartition(".")[2])
        if waited is None:
            return
        if message.headers and message.headers.get("Status") == "503":
            waited.peer.absent = True
            _settle(waited)
            return
        opened = self._opened(waited.peer, message.data)
        if opened is None or opened.header.verb != "answer" or waited.outcome.done():
            return
        asked, header = waited.header, opened.header
        known = (header.run, header.round, header.cohort)
        asked_for = (asked.run, asked.round, asked.cohort, asked.nonce)
        # A site that could not read the question answers without saying which.
        if header.nonce and (*known, header.nonce) != asked_for:
            return
        self._lives(waited.peer)
        try:
            waited.outcome.set_result(decoded(opened.body, Outcome))
            _settle(waited)
        except Malformed as error:
            self._reject(waited.peer, error)

    async def _told(self, message: Msg) -> None:
        peer = self._peers.get(node_of(message.subject))
        if peer is None:
            self.peers()
            peer = self._peers.get(node_of(message.subject))
        if peer is None:
            return
        opened = self._opened(peer, message.data)
        if opened is None:
            return
        self._lives(peer)
        peer.skew = time.time() - opened.header.sent
        try:
            self._learn(peer, opened)
        except Malformed as error:
            self._reject(peer, error)

    def _learn(self, peer: Peer, told: Message) -> None:
        match told.header.verb:
            case "beat":
                beat = decoded(told.body, Beat)
                peer.software, peer.runs = beat.software, beat.runs
                if beat.offer != peer.offer_digest:
                    self._background(self._fetch(peer))
            case "offer":
                peer.offer, peer.offer_digest = told.body, digest(told.body)
            case "progress":
                key = (told.header.run, told.header.round)
                peer.progress[key] = decoded(told.body, Folded).records
                while len(peer.progress) > MOST_FOLLOWED:
                    peer.progress.pop(next(iter(peer.progress)))

    async def _fetch(self, peer: Peer) -> None:
        header = Header(
            self.federation,
            HUB,
            peer.site.node,
            "offer",
            digest(b""),
            deadline=time.time() + FETCH_WITHIN,
        )
        with contextlib.suppress(TimeoutError):
            outcome = await self._ask(peer, header, b"")
            if outcome.problem is None:
                peer.offer, peer.offer_digest = outcome.content, digest(outcome.content)

    def _opened(self, peer: Peer, content: bytes) -> Message | None:
        try:
            whole = self._assembly.complete(content)
            return None if whole is None else peer.door.opened(whole, once=False)
        except (Malformed, NotAuthentic) as error:
            self._reject(peer, error)
            return None

    def _lives(self, peer: Peer) -> None:
        peer.heard, peer.absent = time.monotonic(), False

    def _reject(self, peer: Peer, error: MipError) -> None:
        peer.rejected += 1
        log.warning("message not accepted", site=peer.site.name, reason=error.what)


def _settle(waited: Waited) -> None:
    if not waited.attempt.done():
        waited.attempt.set_result(None)
