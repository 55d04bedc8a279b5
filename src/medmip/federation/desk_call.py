"""A node's side of the membership desk: asking, and believing only the hub's own answer."""

from collections.abc import Callable
from dataclasses import dataclass

from nats.errors import Error as NatsError

from medmip.errors import MipError
from medmip.federation.client import FederationClient
from medmip.federation.clock import LIMIT, Skew, now
from medmip.federation.connection import HubUnreachable
from medmip.federation.desk_messages import (
    ANSWER,
    BadMessage,
    Matter,
    Refusal,
    Welcome,
    digest,
    opened,
    question,
    sealed,
)
from medmip.federation.identity import Identity, PublicIdentity
from medmip.federation.subjects import DESK, to_hub
from medmip.federation.succession import Succession, newest

PATIENCE = 5.0
"""Seconds to wait for an answer."""


class HubRefused(MipError):
    """The hub answered, and said no."""

    title = "The hub refused"
    status = 403


class ClocksApart(MipError):
    """The clocks of the two nodes are too far apart to tell a message from a replayed one."""

    title = "The clocks are too far apart"
    status = 403


@dataclass(frozen=True, slots=True)
class Word:
    """What the hub said, by which version; skew is its clock against this node's."""

    welcome: Welcome
    skew: Skew
    version: str


HubKey = Callable[[tuple[Succession, ...]], PublicIdentity]
"""The hub's key, as this node knows it after these statements of succession."""


def pinned(key: PublicIdentity) -> HubKey:
    """A key that was known before, and those that it handed over to."""
    return lambda chain: newest(key, chain)


async def ask(
    client: FederationClient, node: str, matter: Matter, identity: Identity, hub: HubKey
) -> Word:
    """The hub's word on a matter of this node, over its own connection.

    Raises HubRefused with the hub's reason, ClocksApart, HubUnreachable where nobody answers, and
    BadMessage where somebody else than the hub did.
    """
    subject = to_hub(node, DESK)
    sent = now()
    data = sealed(question(matter, sent), subject, identity)
    try:
        reply = await client.request(subject, data, timeout=PATIENCE)
    except NatsError:
        raise HubUnreachable(
            "The broker is there, but the hub does not answer",
            remedy="Ask the hub's operator whether `mip serve` runs there.",
        ) from None
    back = now()
    answer, key = opened(reply.data, subject, ANSWER)
    if answer.question != digest(data):
        raise BadMessage("It answers another question")
    chain = answer.said.successions if isinstance(answer.said, Welcome) else ()
    known = hub(chain)
    if isinstance(answer.said, Refusal):
        # A refusal carries no successions; believing a wrong one only means to ask again.
        raise HubRefused(answer.said.what, remedy=answer.said.remedy)
    if key != known:
        raise BadMessage(
            f"It is signed by {key.fingerprint}, and the hub is {known.fingerprint}",
            remedy="Compare the hub's fingerprint by phone.",
        )
    skew = Skew.between(sent, answer.at, back)
    if skew.too_large:
        raise ClocksApart(
            f"The hub's clock is {skew} of this machine's; at most {LIMIT.seconds} s are allowed",
            remedy="Let both machines set their clocks by NTP.",
        )
    return Word(answer.said, skew, answer.version)
