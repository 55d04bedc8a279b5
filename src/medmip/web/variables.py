"""The route that searches variables over models and hospitals."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from medmip.catalogue.search import VariableSearch
from medmip.catalogue.variable import VariableType
from medmip.experiments.availability import Available, available, chosen, site_of
from medmip.experiments.service import ExperimentService
from medmip.web.problems import problem_responses

Names = Annotated[list[str], Query(max_length=500)]


class Place(BaseModel):
    """A dataset that has a variable; site names the hospital, empty where it lies here."""

    dataset: str
    site: str


class PlacedVariable(BaseModel):
    """A variable and where it is; path holds the labels of the groups around it.

    everywhere: all chosen datasets of its model have it. differs names the hospitals that define it
    otherwise than the hub; it cannot be analysed there, while other variables can.
    """

    model: str
    code: str
    label: str
    type: VariableType
    units: str
    path: tuple[str, ...]
    places: list[Place]
    everywhere: bool
    differs: tuple[str, ...]

    @classmethod
    def of(cls, found: Available) -> "PlacedVariable":
        variable = found.variable
        return cls(
            model=found.model.key,
            code=variable.code,
            label=variable.label,
            type=variable.type,
            units=variable.units,
            path=found.model.path_of(variable.code),
            places=[Place(dataset=part.dataset, site=site_of(part)) for part in found.held],
            everywhere=found.everywhere,
            differs=found.differs,
        )


class VariablesFound(BaseModel):
    """How many variables any chosen dataset has, how many all of them have, and those found."""

    datasets: int
    union: int
    intersection: int
    found: int
    items: list[PlacedVariable]


def router(service: ExperimentService, searcher: VariableSearch) -> APIRouter:
    """The route /variables."""
    routes = APIRouter()

    @routes.get(
        "/variables",
        operation_id="searchVariables",
        tags=["catalogue"],
        responses=problem_responses(422),
    )
    def search(
        search: Annotated[str, Query(max_length=200)] = "",
        model: Annotated[str | None, Query(max_length=200)] = None,
        dataset: Names = [],  # noqa: B006 - FastAPI copies it
        site: Names = [],  # noqa: B006
        within: Literal["any", "all"] = "any",
        limit: Annotated[int, Query(ge=1, le=5000)] = 100,
    ) -> VariablesFound:
        """Variables of datasets here and at hospitals that have every word, the best first.

        A word is found in a label, code, level, group, unit or description, or by what means the
        same in English, German or French. dataset and site choose among them; within says whether
        any of the chosen datasets is to have a variable, or all.
        """
        held = chosen(service.shelf.list(model), dataset, site)
        statuses = service.sites.statuses() if service.sites is not None else []
        every = list(available(service.models.list(), held, statuses))
        scores = {
            part.key: searcher.scores(part, search)
            for part in {one.model.key: one.model for one in every}.values()
        }
        found = [
            one
            for one in every
            if (within == "any" or one.everywhere) and one.variable.code in scores[one.model.key]
        ]
        found.sort(key=lambda one: -scores[one.model.key][one.variable.code])
        return VariablesFound(
            datasets=len(held),
            union=len(every),
            intersection=sum(one.everywhere for one in every),
            found=len(found),
            items=[PlacedVariable.of(one) for one in found[:limit]],
        )

    return routes
