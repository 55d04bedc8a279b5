"""How an item is read once something is chosen: its files, its mapping, its options."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.harmonise.mapping_file import SHIPPED, MappingFile, parse_mapping, shipped_mapping
from medmip.inbox.item import Choice, Item
from medmip.ingest.dialect import Options
from medmip.ingest.errors import IngestError

OWN = "own"
"""The kind of a mapping that somebody wrote."""


@dataclass(frozen=True)
class ReadingPlan:
    """An item with its choice, and the model that it names."""

    home: Home
    item: Item
    model: DataModel

    @property
    def choice(self) -> Choice:
        return chosen_for(self.item)

    @property
    def path(self) -> Path:
        return self.home.inbox / self.item.name

    @property
    def paths(self) -> list[Path]:
        """The item's own path, and those of the files that the mapping reads besides."""
        return [self.path, *(self.home.inbox / name for name in self.choice.others)]

    @property
    def dataset(self) -> str | None:
        return self.choice.dataset

    @property
    def options(self) -> Options:
        return self.choice.options

    @cached_property
    def mapping(self) -> MappingFile | None:
        """The mapping chosen, None where the file is read as it is; raises MappingError."""
        return mapping_of(self.choice)


def chosen_for(item: Item) -> Choice:
    """How an item is read; raises IngestError where nobody has said so."""
    if item.choice is None:
        raise IngestError(
            "Nobody has said how it is read.",
            where=item.name,
            remedy="Choose a data model, and a mapping where its columns are not the model's.",
        )
    return item.choice


def kind_of(choice: Choice) -> str:
    """Which mapping a choice has: none (empty), a shipped one's name, or own."""
    if choice.mapping is None:
        return ""
    return choice.mapping if choice.mapping in SHIPPED else OWN


def mapping_of(choice: Choice) -> MappingFile | None:
    """The mapping of a choice, by its name or from its text; raises MappingError."""
    if choice.mapping is None:
        return None
    if choice.mapping in SHIPPED:
        return shipped_mapping(choice.mapping)
    return parse_mapping(choice.mapping.encode(), "mapping.yaml")
