"""What a server has to offer: data models, datasets, variables, algorithms."""

from typing import Any

from medmip.client.connection import Connection
from medmip.client.listing import Entry, Listing


class Model(Entry):
    """A data model; code is such as `dementia:1.0`."""

    code: str
    label: str
    variables: int
    longitudinal: bool
    datasets: tuple[str, ...]

    @property
    def key(self) -> str:
        return self.code


class Dataset(Entry):
    """A published dataset; site names the hospital that holds it, where it is not the server."""

    code: str
    label: str
    model: str
    version: int
    patients: int
    records: int
    synthetic: bool
    site: str = ""
    hash: str

    @property
    def key(self) -> str:
        return self.code


class Variable(Entry):
    """A variable of a data model, and the datasets that have it."""

    code: str
    label: str
    type: str
    units: str
    model: str
    path: tuple[str, ...]
    datasets: tuple[str, ...]

    @property
    def key(self) -> str:
        return self.code


class Algorithm(Entry):
    """An algorithm's declaration; parameters is a JSON Schema."""

    name: str
    label: str
    question: str
    description: str
    discloses: str
    version: str
    parameters: dict[str, Any]

    @property
    def key(self) -> str:
        return self.name


class Variables:
    """The variables of the datasets that the server shows."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def search(
        self, words: str = "", model: str | None = None, limit: int = 100
    ) -> Listing[Variable]:
        """Variables that have every word, or what means it in three languages; the best first."""
        found: Any = self._connection.get("/variables", search=words, model=model, limit=limit)
        return Listing(
            [
                Variable(**item, datasets=[place["dataset"] for place in item["places"]])
                for item in found["items"]
            ]
        )

    def __repr__(self) -> str:
        return "Variables: search('words of the label')"
