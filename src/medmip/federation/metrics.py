"""What a hub and a site tell a monitor of their federation, in Prometheus' terms; no patient."""

import time
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from medmip.federation.membership import Membership
from medmip.federation.site_record import SiteState
from medmip.federation.site_service import SiteService
from medmip.federation.sites import Sites


class HubCollector(Collector):
    """The hub's: its hospitals by state, and of each member whether it is there."""

    def __init__(self, sites: Sites, membership: Membership) -> None:
        self._sites = sites
        self._membership = membership

    def collect(self) -> Iterator[Metric]:
        """Read anew at each scrape."""
        states = [site.state for site in self._membership.sites()]
        known = GaugeMetricFamily("mip_hub_sites", "Hospitals by state", labels=["state"])
        for state in SiteState:
            known.add_metric([state], states.count(state))
        yield known
        up = _gauge("mip_hub_site_up", "Whether a hospital gives signs of life")
        seen = _gauge("mip_hub_site_seen_seconds", "Seconds since its last sign of life")
        skew = _gauge("mip_hub_site_clock_seconds", "How far its clock is behind the hub's")
        runs = _gauge("mip_hub_site_runs", "Analyses open there")
        rejected = CounterMetricFamily(
            "mip_hub_site_rejected_messages", "Its messages that were not accepted", labels=["site"]
        )
        coordinator = self._sites.coordinator
        for peer in coordinator.peers():
            name = [peer.site.name]
            up.add_metric(name, coordinator.alive(peer))
            if peer.heard:
                seen.add_metric(name, time.monotonic() - peer.heard)
            skew.add_metric(name, peer.skew)
            runs.add_metric(name, peer.runs)
            rejected.add_metric(name, peer.rejected)
        yield from (up, seen, skew, runs, rejected)


class SiteCollector(Collector):
    """A site's: its connection to the hub, and what the hub has asked."""

    def __init__(self, service: SiteService) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Read anew at each scrape."""
        service, counts = self._service, self._service.agent.counts
        asked = CounterMetricFamily(
            "mip_site_questions", "The hub's questions, by what became of them", labels=["outcome"]
        )
        ended = counts.refused + counts.malformed + counts.failed
        for outcome, number in (
            ("answered", max(0, counts.questions - ended)),
            ("refused", counts.refused),
            ("malformed", counts.malformed),
            ("failed", counts.failed),
        ):
            asked.add_metric([outcome], number)
        yield asked
        connected = service.link.link.connected
        yield GaugeMetricFamily("mip_site_connected", "Whether the hub is reached", connected)
        runs = service.agent.open_runs
        yield GaugeMetricFamily("mip_site_runs", "Analyses open here", runs)
        waiting = sum(wish.answer == "waiting" for wish in service.house.approvals.list())
        yield GaugeMetricFamily("mip_site_requests_waiting", "Analyses to agree to", waiting)
        word = service.link.word
        if word is not None:
            yield GaugeMetricFamily(
                "mip_site_clock_seconds", "How far the hub's clock is ahead", word.skew.seconds
            )


def _gauge(name: str, what: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, labels=["site"])
