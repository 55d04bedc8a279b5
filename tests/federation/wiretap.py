"""All that sites send their hub, heard by a second client with the hub's own rights."""

import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from medmip.federation.background import Background
from medmip.federation.chunks import Assembly
from medmip.federation.client import FederationClient
from medmip.federation.connection import connect_hub
from medmip.federation.messages import HUB, Doorkeeper, Outcome
from medmip.federation.secure_messages import Answer, Stepped
from medmip.federation.subjects import node_of
from medmip.federation.wire import Malformed, decoded
from tests.federation.federation import Federation


class Wiretap:
    """raw has every message's bytes by node; answers what can be read as steps' answers."""

    def __init__(self, made: Federation) -> None:
        self.raw: dict[str, list[bytes]] = {}
        self._made = made
        self._assembly = Assembly(most=64)

    @property
    def content(self) -> dict[str, list[bytes]]:
        """What each site's answers hold, by node."""
        found: dict[str, list[bytes]] = {}
        keys = {peer.site.node: peer.site.keys for peer in self._made.coordinator.peers()}
        for node, messages in self.raw.items():
            door = Doorkeeper("test", node, HUB, partial(keys.__getitem__, node))
            for message in messages:
                opened = door.opened(message, once=False)
                if opened.header.verb == "answer":
                    found.setdefault(node, []).append(decoded(opened.body, Outcome).content)
        return found

    @property
    def answers(self) -> dict[str, list[Answer]]:
        """Answers to steps of secure aggregation, by node, in their order."""
        found: dict[str, list[Answer]] = {}
        for node, contents in self.content.items():
            for content in contents:
                try:
                    found.setdefault(node, []).append(decoded(content, Stepped).answer)
                except Malformed:
                    continue
        return found

    async def _keep(self, message: Any) -> None:
        whole = self._assembly.complete(message.data)
        if whole is not None:
            self.raw.setdefault(node_of(message.subject), []).append(whole)

    @asynccontextmanager
    async def heard(self) -> Any:
        client: FederationClient = await connect_hub(self._made.hub, "wiretap")
        await client.subscribe("mip.answer.>", cb=self._keep)
        await client.flush()
        yield self
        await client.flush()
        await client.close()


@contextmanager
def tapped(made: Federation) -> Iterator[Wiretap]:
    """Hears what sites answer meanwhile."""
    tap = Wiretap(made)
    with Background(tap.heard()):
        yield tap
        time.sleep(0.3)
