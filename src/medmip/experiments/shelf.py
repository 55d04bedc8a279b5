"""The datasets that a request may name: those of this installation, and those of sites."""

from collections.abc import Callable

from medmip.federation.sites import Holding, Sites
from medmip.store.placed import Listing
from medmip.store.snapshots import Snapshot

Held = Snapshot | Holding
"""A dataset here, or at a site: both tell code, hash, version and variables."""


class Shelf:
    """This installation's datasets beside those of its sites, where it is a hub.

    may says of each dataset here whether it is on the shelf; without it all are.
    """

    def __init__(
        self,
        datasets: Listing,
        sites: Sites | None = None,
        may: Callable[[Snapshot], bool] | None = None,
    ) -> None:
        self._datasets = datasets
        self._sites = sites
        self._may = may

    def seen(self, may: Callable[[Snapshot], bool]) -> "Shelf":
        """The shelf as somebody sees it who may use these datasets alone."""
        return Shelf(self._datasets, self._sites, may)

    def list(self, model: str | None = None) -> "list[Held]":
        """By model and code; a dataset here goes before a site's of the same code."""
        own = self._datasets.list(model)
        taken = {(part.model, part.dataset) for part in own}
        far = self._sites.holdings(model) if self._sites is not None else []
        # A dataset that is hidden here hides its namesake at a site as well: a run would take ours.
        found: list[Held] = [part for part in own if self._may is None or self._may(part)]
        found += [part for part in far if (part.model, part.dataset) not in taken]
        return sorted(found, key=lambda part: (part.model, part.dataset))

    def silent(self) -> tuple[str, ...]:
        """The hospitals of which nobody knows what they have: they were not heard of yet."""
        statuses = self._sites.statuses() if self._sites is not None else []
        return tuple(status.name for status in statuses if status.offer is None)
