"""A server as a script or notebook sees it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medmip.client.catalogue import Algorithm, Dataset, Model, Variables
from medmip.client.cohort import Cohort
from medmip.client.connection import Connection
from medmip.client.errors import ClientError
from medmip.client.listing import Listing
from medmip.client.result import Result
from medmip.client.run import Run

Codes = str | Sequence[str] | None


class Mip:
    """A running MIP; every answer has passed its guard, as in the portal."""

    def __init__(self, url: str, token: str | None = None, ca: Path | None = None) -> None:
        self._connection = Connection(url, token, ca)
        self.variables = Variables(self._connection)

    @property
    def models(self) -> Listing[Model]:
        """The data models."""
        found: Any = self._connection.get("/models")
        return Listing([Model(**part) for part in found])

    @property
    def datasets(self) -> Listing[Dataset]:
        """The published datasets that you may use."""
        found: Any = self._connection.get("/datasets")
        return Listing([Dataset(**part) for part in found])

    @property
    def algorithms(self) -> Listing[Algorithm]:
        """Every algorithm with its parameters."""
        found: Any = self._connection.get("/algorithms")
        return Listing([Algorithm(**part) for part in found])

    def cohort(
        self,
        model: str | None = None,
        datasets: str | Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> Cohort:
        """A cohort: of all datasets of the model unless some are named.

        model may be left out where only one has data; filters is a QueryBuilder document. Raises
        ClientError where the model has to be named, or has no data.
        """
        if isinstance(datasets, str):
            datasets = [datasets]
        if model is None or datasets is None:
            known = {part.code: part.datasets for part in self.models if part.datasets}
            if model is None:
                model = _only(known)
            if model not in known:
                raise ClientError(
                    f"No dataset of {model!r} is there for you",
                    remedy=f"There is data of: {', '.join(known) or 'no model'}.",
                )
            datasets = datasets or known[model]
        chosen = None if filters is None else dict(filters)
        return Cohort(self._connection, model, tuple(datasets), chosen)

    def run(
        self,
        algorithm: str,
        *,
        cohort: Cohort | None = None,
        y: Codes = None,
        x: Codes = None,
        name: str = "",
        progress: bool = True,
        **options: Any,  # noqa: ANN401 - what a request may say besides
    ) -> Result:
        """Runs an algorithm and waits for its result.

        cohort is all data of the one model, unless given; y and x are codes of variables. options
        are the other fields of a request: parameters, validation, preparation, grid, compare,
        on_loss. Raises Problem where the server takes no such request, Refused and WithoutResult
        where it ended so.
        """
        run = self.submit(algorithm, cohort=cohort, y=y, x=x, name=name, **options)
        return run.wait(progress=progress)

    def submit(
        self,
        algorithm: str,
        *,
        cohort: Cohort | None = None,
        y: Codes = None,
        x: Codes = None,
        name: str = "",
        **options: Any,  # noqa: ANN401
    ) -> Run:
        """Asks for a run and does not wait; the arguments are those of `run`."""
        whose = cohort or self.cohort()
        asked = {"algorithm": algorithm, "inputdata": whose.document(y, x), "name": name}
        found: Any = self._connection.post("/experiments", {**options, **asked})
        return Run(self._connection, found["id"])

    def experiment(self, identity: str) -> Run:
        """An experiment that was asked for before, here or in the portal."""
        return Run(self._connection, identity)

    def close(self) -> None:
        """Ends the connection; running experiments go on."""
        self._connection.close()

    def __enter__(self) -> "Mip":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"MIP at {self._connection.url}"


def _only(known: Mapping[str, object]) -> str:
    if len(known) == 1:
        return next(iter(known))
    raise ClientError(
        "The data model has to be named" if known else "No dataset is there for you",
        remedy=f"Name one of: {', '.join(known)}." if known else "Ask a data manager.",
    )
