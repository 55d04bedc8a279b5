"""The sites of a federation as the hub sees them: their health, what they offer, what differs."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.errors import CatalogueError
from medmip.catalogue.model_store import ModelStore
from medmip.errors import NotFound
from medmip.federation.clock import now
from medmip.federation.common_policy import Stated, breaches
from medmip.federation.coordinator import Coordinator, Peer, SiteKey
from medmip.federation.house import meanings
from medmip.federation.membership import Membership
from medmip.federation.messages import Outcome, Previewed
from medmip.federation.observer import Observer
from medmip.federation.offer import Offer
from medmip.federation.preview import Previewing
from medmip.federation.remote import RemoteMember, RemoteRun, content_of
from medmip.federation.request import CohortRequest
from medmip.federation.site_runs import Opening
from medmip.federation.wire import Malformed, decoded, encoded
from medmip.logbook import logger
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy

PREVIEW_WITHIN = 10.0
log = logger("medmip.federation.sites")


@dataclass(frozen=True)
class Holding:
    """A dataset at a site, as a request may name it; its numbers are rounded down."""

    site: str
    node: str
    model: str
    dataset: str
    hash: str
    version: int
    synthetic: bool
    patients: int
    records: int
    published: datetime
    variables: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """Variables of a data model that a site defines otherwise than the hub, or lacks."""

    model: str
    variables: tuple[str, ...]


@dataclass(frozen=True)
class SiteStatus:
    """One site: whether it is there, what it offers, and what is wrong with that.

    seen is how many seconds ago it gave a sign of life, None for never; skew is how far its clock
    is behind the hub's, in seconds; hidden are datasets that another site offers by the same code;
    breaches are thresholds in which it lets out more than the federation allows.
    """

    name: str
    node: str
    alive: bool
    seen: float | None
    skew: float
    offer: Offer | None
    differences: tuple[Difference, ...]
    hidden: tuple[str, ...]
    rejected: int
    breaches: tuple[str, ...] = ()

    @property
    def policy(self) -> dict[str, object]:
        """The thresholds that the site states, by name."""
        stated = json.loads(self.offer.policy) if self.offer else {}
        return stated if isinstance(stated, dict) else {}


def directory_of(membership: Membership) -> list[SiteKey]:
    """The members of the federation, with the keys that speak for them now."""
    moment = now()
    return [
        SiteKey(site.name, site.node, site.keys(moment), site.successions)
        for site in membership.members()
    ]


class Sites:
    """What the hub knows of its sites; the models that they offer come into its own store.

    common tells the federation's thresholds.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        models: ModelStore,
        common: Callable[[], Stated] = dict,
    ) -> None:
        self.coordinator = coordinator
        self.common = common
        self._models = models
        self._offers: dict[str, tuple[bytes, Offer | None]] = {}
        self._lock = threading.Lock()

    def settle(self, within: float = 5.0) -> None:
        """Waits until every site has told what it offers, so many seconds at the most."""
        until = time.monotonic() + within
        while time.monotonic() < until and not all(
            peer.offer or peer.absent for peer in self.coordinator.peers()
        ):
            time.sleep(0.05)
        # A request may come before anybody looked at the catalogue: their models are learned here.
        self.statuses()

    def gather(self, stopped: Callable[[], bool]) -> None:
        """Waits until every site has told what it offers, for a lost one as long as runs do.

        A hub that has just started knows of none: they connect again by themselves. stopped ends
        the wait.
        """
        until = time.monotonic() + self.coordinator.timing.grace
        while time.monotonic() < until and not stopped():
            if all(peer.offer for peer in self.coordinator.peers()):
                break
            time.sleep(0.1)
        self.statuses()

    def statuses(self) -> list[SiteStatus]:
        """Every member, by name."""
        taken: dict[tuple[str, str], str] = {}
        found = []
        for peer in self.coordinator.peers():
            offer = self._offer(peer)
            held = offer.datasets if offer else ()
            keys = [(part.model, part.code) for part in held]
            hidden = [
                key[1] for key in keys if taken.setdefault(key, peer.site.node) != peer.site.node
            ]
            found.append(
                SiteStatus(
                    peer.site.name,
                    peer.site.node,
                    self.coordinator.alive(peer),
                    time.monotonic() - peer.heard if peer.heard else None,
                    peer.skew,
                    offer,
                    self._differences(offer),
                    tuple(hidden),
                    peer.rejected,
                    self._breaches(offer),
                )
            )
        return found

    def holdings(self, model: str | None = None) -> list[Holding]:
        """The datasets that sites offer; of two of one code, that of the site first by name."""
        found: dict[tuple[str, str], Holding] = {}
        for status in self.statuses():
            for part in status.offer.datasets if status.offer else ():
                if model not in (None, part.model) or part.code in status.hidden:
                    continue
                found[part.model, part.code] = Holding(
                    status.name,
                    status.node,
                    part.model,
                    part.code,
                    part.hash,
                    part.version,
                    part.synthetic,
                    part.patients,
                    part.records,
                    datetime.fromisoformat(part.published),
                    part.variables,
                )
        return [found[key] for key in sorted(found)]

    def variables(self, holdings: Sequence[Holding]) -> tuple[frozenset[str], frozenset[str]]:
        """The variables that all of these datasets have, and those that any of them has."""
        sets = [frozenset(part.variables) for part in holdings]
        return frozenset.intersection(*sets), frozenset.union(*sets)

    def software(self, holdings: Iterable[Holding]) -> dict[str, str]:
        """The software's version at each site of these datasets, by the site's name."""
        nodes = {part.node for part in holdings}
        return {
            peer.site.name: peer.software
            for peer in self.coordinator.peers()
            if peer.site.node in nodes
        }

    def policies(self, holdings: Iterable[Holding]) -> dict[str, Policy]:
        """The thresholds that each site of these datasets states, by the site's name.

        A site whose software states them otherwise is left out.
        """
        nodes = {part.node for part in holdings}
        found: dict[str, Policy] = {}
        for status in self.statuses():
            if status.node in nodes and status.policy:
                with contextlib.suppress(ValidationError):
                    found[status.name] = Policy.model_validate(status.policy)
        return found

    def members(
        self,
        holdings: Sequence[Holding],
        run: str,
        opening: Opening,
        waiting: Callable[[str | None], None],
        observer: Observer,
    ) -> list[RemoteMember]:
        """The sites of these datasets as members of a run, in the order of their names.

        The order is always the same, so that a rerun adds up in the same order.
        """
        self._check_policies(holdings)
        shared = RemoteRun(self.coordinator, run, opening, waiting, observer)
        return [
            RemoteMember(
                peer,
                shared,
                tuple(
                    (part.dataset, part.hash) for part in holdings if part.node == peer.site.node
                ),
            )
            for peer in self._peers(holdings)
        ]

    def preview(
        self, holdings: Sequence[Holding], asked: CohortRequest, user: str
    ) -> list[Mapping[str, int | None]]:
        """What the sites of these datasets tell of a cohort in the making."""
        body = encoded(Previewing(user, asked), Previewing)
        waiting = [
            (peer, self.coordinator.ask(peer, "preview", body, deadline=PREVIEW_WITHIN))
            for peer in self._peers(holdings)
        ]
        told: list[Mapping[str, int | None]] = []
        for peer, future in waiting:
            outcome: Outcome = future.result()
            told.append(dict(content_of(peer.site.name, outcome, Previewed).patients))
        return told

    def _check_policies(self, holdings: Sequence[Holding]) -> None:
        """Raises Refused where a site lets out more than the federation allows."""
        nodes = {part.node for part in holdings}
        for status in self.statuses():
            if status.node in nodes and status.breaches:
                raise Refused(
                    f"{status.name} lets out more than the federation allows: "
                    f"{', '.join(status.breaches)}",
                    rule="federation_policy",
                    remedy="A site follows within half a minute; else tell its administrator.",
                )

    def _peers(self, holdings: Sequence[Holding]) -> list[Peer]:
        nodes = {part.node: part.site for part in holdings}
        peers = [peer for peer in self.coordinator.peers() if peer.site.node in nodes]
        gone = nodes.keys() - {peer.site.node for peer in peers}
        if gone:
            raise NotFound(
                f"{', '.join(sorted(nodes[node] for node in gone))} left the federation",
                remedy="Choose datasets of the sites that are there.",
            )
        return peers

    def _offer(self, peer: Peer) -> Offer | None:
        with self._lock:
            known = self._offers.get(peer.site.node)
            if known is not None and known[0] == peer.offer_digest:
                return known[1]
            offer: Offer | None = None
            if peer.offer:
                try:
                    offer = decoded(peer.offer, Offer)
                    json.loads(offer.policy)
                    for part in offer.datasets:
                        datetime.fromisoformat(part.published)
                except (Malformed, ValueError):
                    offer = None
                    peer.rejected += 1
            self._offers[peer.site.node] = (peer.offer_digest, offer)
        for offered in offer.models if offer else ():
            self._learn(offered.model)
        return offer

    def _learn(self, model: DataModel) -> None:
        if model.key in {known.key for known in self._models.list()}:
            return
        try:
            self._models.add(model)
        except CatalogueError as error:
            log.warning("a site's data model is not taken", model=model.key, reason=error.what)

    def _breaches(self, offer: Offer | None) -> tuple[str, ...]:
        stated = self.common()
        if offer is None or not stated:
            return ()
        try:
            return tuple(breaches(Policy.model_validate_json(offer.policy), stated))
        except ValidationError:
            return tuple(stated)

    def _differences(self, offer: Offer | None) -> tuple[Difference, ...]:
        own = {model.key: model for model in self._models.list()}
        found = []
        for offered in offer.models if offer else ():
            model = own.get(offered.model.key)
            if model is None or model == offered.model:
                continue
            there = {named.code: named.meaning for named in offered.variables}
            here = {named.code: named.meaning for named in meanings(model)}
            differ = [code for code, one in here.items() if there.get(code) != one]
            if differ:
                found.append(Difference(model.key, tuple(differ)))
        return tuple(found)
