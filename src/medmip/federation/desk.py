"""The hub's membership desk: it answers nodes that enrol, say hello, renew, rotate, leave."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from nats.aio.msg import Msg

from medmip.errors import Conflict, MipError
from medmip.federation.client import FederationClient
from medmip.federation.clock import LIMIT, Skew, now
from medmip.federation.common_policy import read_common
from medmip.federation.desk_messages import (
    QUESTION,
    Answer,
    BadMessage,
    Enrol,
    Hello,
    Leave,
    Matter,
    Question,
    Refusal,
    Renew,
    Rotate,
    Welcome,
    digest,
    opened,
    sealed,
    software_version,
)
from medmip.federation.hub_folder import OVERLAP, HubFolder
from medmip.federation.identity import PublicIdentity
from medmip.federation.membership import Membership
from medmip.federation.site_record import Site, SiteState
from medmip.federation.subjects import DESK, node_of, to_hub
from medmip.logbook import logger

AT_ONCE = 8
"""Questions that are worked on at a time; the rest wait in the client's queue."""
log = logger("medmip.federation.desk")


class Desk:
    """Answers every question with a word, signed by the hub; what is malformed is counted.

    changed is called after a step that changes who may connect.
    """

    def __init__(
        self, folder: HubFolder, membership: Membership, changed: Callable[[], None]
    ) -> None:
        self._folder = folder
        self._membership = membership
        self._changed = changed
        self._free = asyncio.Semaphore(AT_ONCE)
        self._working: set[asyncio.Task[None]] = set()
        self.malformed = 0

    async def open(self, client: FederationClient) -> None:
        """Begins to hear what nodes ask through this client."""
        await client.subscribe(to_hub("*", DESK), queue="desk", cb=self._hear)
        await client.flush()

    async def _hear(self, message: Msg) -> None:
        # nats-py waits for a callback before it hands out the next message.
        await self._free.acquire()
        task = asyncio.create_task(self._reply(message))
        self._working.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        self._free.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("desk failed", error=type(error).__name__)

    async def _reply(self, message: Msg) -> None:
        answer = await asyncio.to_thread(self.answer, message.subject, message.data)
        if message.reply:
            await message.respond(answer)

    def answer(self, subject: str, data: bytes) -> bytes:
        """The desk's answer to a question on this subject, which the broker keeps to its node."""
        moment = now()
        said: Welcome | Refusal
        try:
            said = self._said(subject, data, moment)
        except MipError as error:
            self.malformed += isinstance(error, BadMessage)
            log.warning("refused", subject=subject, reason=error.what)
            said = Refusal(what=error.what[:500], remedy=(error.remedy or "")[:500] or None)
        answer = Answer(question=digest(data), at=now(), version=software_version(), said=said)
        return sealed(answer, subject, self._folder.identity)

    def _said(self, subject: str, data: bytes, moment: datetime) -> Welcome:
        asked, key = opened(data, subject, QUESTION)
        skew = Skew((asked.at - moment).total_seconds())
        if skew.too_large:
            raise Conflict(
                f"Your clock is {skew} of the hub's; at most {LIMIT.seconds} s are allowed",
                remedy="Let the machine set its clock by NTP, then try again.",
            )
        node = node_of(subject)
        if isinstance(asked.matter, Enrol):
            return self._enrol(node, key, asked, asked.matter, moment)
        site = self._speaker(node, key, moment)
        self._membership.note(site.node, skew.seconds, asked.version, moment)
        if self._membership.close_invitation(site.node):
            self._changed()
        return self._serve(site, asked.matter, moment)

    def _serve(self, site: Site, matter: Matter, moment: datetime) -> Welcome:
        match matter:
            case Hello():
                return self._welcome(site)
            case Leave():
                # The broker is told at the next look, so that this answer still gets through.
                return self._welcome(self._membership.leave(site.node, moment))
            case _ if site.state is not SiteState.MEMBER:
                raise Conflict("Only members may do this", remedy="Wait for the hub's approval.")
            case Renew(tls_key=tls_key):
                return self._welcome(site, self._certificate(site.node, tls_key, moment))
            case Rotate(succession=step):
                site = self._membership.rotate(site.node, step, moment + OVERLAP)
            case _:
                raise BadMessage("A member cannot enrol again")
        self._changed()
        return self._welcome(site)

    def _enrol(
        self, node: str, key: PublicIdentity, asked: Question, matter: Enrol, moment: datetime
    ) -> Welcome:
        site = self._membership.enrol(node, key, asked.version, moment)
        log.info("enrolled", site=site.node, state=site.state)
        self._changed()
        return self._welcome(site, self._certificate(site.node, matter.tls_key, moment))

    def _speaker(self, node: str, key: PublicIdentity, moment: datetime) -> Site:
        """The site that a subject belongs to, where this key speaks for it."""
        for site in self._membership.sites():
            if site.node == node and key in site.keys(moment):
                return site
        raise BadMessage("It is signed by a key that does not speak for this node")

    def _certificate(self, node: str, tls_key: str, moment: datetime) -> str:
        authority = self._folder.authority
        return authority.for_client(node, bytes.fromhex(tls_key), moment).decode()

    def _welcome(self, site: Site, certificate: str | None = None) -> Welcome:
        return Welcome(
            node=site.node,
            name=site.name,
            state=site.state,
            certificate=certificate,
            successions=self._folder.settings.successions,
            policy=dict(read_common(self._folder.policy)),
        )
