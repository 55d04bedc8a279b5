"""The datasets that a request may name: those of this installation, and those of sites."""

from medmip.federation.sites import Holding, Sites
from medmip.store.snapshots import Datasets, Snapshot

Held = Snapshot | Holding
"""A dataset here, or at a site: both tell code, hash, version and variables."""


class Shelf:
    """This installation's datasets beside those of its sites, where it is a hub."""

    def __init__(self, datasets: Datasets, sites: Sites | None = None) -> None:
        self._datasets = datasets
        self._sites = sites

    def list(self, model: str | None = None) -> "list[Held]":
        """By model and code; a dataset here goes before a site's of the same code."""
        own = self._datasets.list(model)
        taken = {(part.model, part.dataset) for part in own}
        far = self._sites.holdings(model) if self._sites is not None else []
        found: list[Held] = [*own]
        found += [part for part in far if (part.model, part.dataset) not in taken]
        return sorted(found, key=lambda part: (part.model, part.dataset))
