"""A site's statement of what it offers, as the hub and its users see it."""

from dataclasses import dataclass

from medmip.catalogue.data_model import DataModel
from medmip.federation.request import Named
from medmip.federation.wire import encoded


@dataclass(frozen=True)
class OfferedDataset:
    """A dataset at a site; patients and records are rounded down to multiples of its minimum.

    published is in ISO 8601.
    """

    model: str
    code: str
    hash: str
    version: int
    synthetic: bool
    patients: int
    records: int
    published: str
    variables: tuple[str, ...]


@dataclass(frozen=True)
class OfferedModel:
    """A data model at a site: the whole of it, and what makes its variables what they are."""

    model: DataModel
    variables: tuple[Named, ...]


@dataclass(frozen=True)
class OfferedAlgorithm:
    """An algorithm that a site runs for the federation."""

    name: str
    version: str


@dataclass(frozen=True)
class Offer:
    """All that a site states of itself; policy is the JSON of its thresholds."""

    software: str
    models: tuple[OfferedModel, ...] = ()
    datasets: tuple[OfferedDataset, ...] = ()
    algorithms: tuple[OfferedAlgorithm, ...] = ()
    policy: str = "{}"
    paused: bool = False
    only_masked: bool = False
    approval: str = "automatic"
    approver: str = ""
    hours: str = ""

    def encoded(self) -> bytes:
        """As it travels."""
        return encoded(self, Offer)
