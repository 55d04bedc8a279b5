"""Routes of data models, datasets and algorithms."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from medmip.accounts.dataset_reader import reader_of
from medmip.accounts.person import Caller
from medmip.accounts.role import Right
from medmip.catalogue.search import VariableSearch
from medmip.catalogue.variable import DATASET
from medmip.experiments.preparation import Preparation
from medmip.experiments.request import InputData
from medmip.experiments.service import ExperimentService
from medmip.experiments.shelf import Held
from medmip.web.door import Door
from medmip.web.problems import problem_responses
from medmip.web.schemas import (
    AlgorithmEntry,
    DatasetEntry,
    Fit,
    FoundVariable,
    ModelEntry,
    ModelTree,
    SiteEntry,
)


def router(service: ExperimentService, door: Door, searcher: VariableSearch) -> APIRouter:
    """Routes under /models, /datasets and /algorithms; each caller sees their own datasets."""
    routes = APIRouter()
    Explorer = Annotated[Caller, Depends(door.to(Right.EXPLORE))]  # noqa: N806 - a type

    @routes.get("/models", operation_id="listModels", tags=["catalogue"])
    def list_models(caller: Explorer) -> list[ModelEntry]:
        """The data models of this installation, with those that its sites brought."""
        published: dict[str, list[str]] = {}
        for snapshot in service.shelf_of(reader_of(caller)).list():
            published.setdefault(snapshot.model, []).append(snapshot.dataset)
        return [
            ModelEntry(
                code=model.key,
                label=model.label,
                version=model.version,
                longitudinal=model.longitudinal,
                variables=len(model.all_variables),
                datasets=published.get(model.key, []),
            )
            for model in service.models.list()
        ]

    @routes.get(
        "/models/{key}",
        operation_id="getModel",
        tags=["catalogue"],
        responses=problem_responses(404),
    )
    def get_model(key: str) -> ModelTree:
        """A data model whole, as a tree."""
        return ModelTree.of(service.models.get(key))

    @routes.get(
        "/models/{key}/variables",
        operation_id="findVariables",
        tags=["catalogue"],
        responses=problem_responses(404, 422),
    )
    def find_variables(
        key: str,
        search: Annotated[str, Query(max_length=200)] = "",
        type: Literal["nominal", "real", "integer", "text"] | None = None,  # noqa: A002
        limit: Annotated[int, Query(ge=1, le=5000)] = 5000,
    ) -> list[FoundVariable]:
        """Variables that have every word of the search, or what means the same; the best first."""
        model = service.models.get(key)
        variables, scores = model.all_variables, searcher.scores(model, search)
        codes = [code for code in scores if type in (None, variables[code].type)]
        codes.sort(key=lambda code: -scores[code])
        return [
            FoundVariable(**variables[code].model_dump(), path=model.path_of(code))
            for code in codes[:limit]
        ]

    @routes.get("/datasets", operation_id="listDatasets", tags=["catalogue"])
    def list_datasets(
        caller: Explorer,
        model: Annotated[str | None, Query(max_length=200)] = None,
    ) -> list[DatasetEntry]:
        """The published datasets, of one data model or of all."""
        seen = service.shelf_of(reader_of(caller)).list(model)
        return [DatasetEntry.of(snapshot, _label(snapshot)) for snapshot in seen]

    @routes.get("/sites", operation_id="listSites", tags=["catalogue"])
    def list_sites() -> list[SiteEntry]:
        """The hospitals of the federation; none where this installation is no hub."""
        sites = service.sites
        if sites is None:
            return []
        common = sites.common()
        return [SiteEntry.of(status, common) for status in sites.statuses()]

    def _label(snapshot: Held) -> str:
        variable = service.models.get(snapshot.model).all_variables.get(DATASET)
        if variable is None or snapshot.dataset not in variable.levels:
            return snapshot.dataset
        return variable.level_label(snapshot.dataset)

    @routes.get("/algorithms", operation_id="listAlgorithms", tags=["algorithms"])
    def list_algorithms() -> list[AlgorithmEntry]:
        """Every algorithm's declaration."""
        return [AlgorithmEntry.of(algorithm) for algorithm in service.validator.algorithms.values()]

    @routes.get("/preparation", operation_id="describePreparation", tags=["algorithms"])
    def describe_preparation() -> dict[str, Any]:
        """What may be done to records before an analysis, as a JSON Schema that makes a form."""
        return Preparation.model_json_schema()

    @routes.post(
        "/algorithms/fitting",
        operation_id="fitAlgorithms",
        tags=["algorithms"],
        responses=problem_responses(422),
    )
    def fit_algorithms(data: InputData, caller: Explorer) -> list[Fit]:
        """For each algorithm, whether the chosen variables fit it, and why not."""
        return [
            Fit(
                name=name,
                fits=not fitting.reasons,
                reasons=list(fitting.reasons),
                y=list(fitting.y),
                x=list(fitting.x),
            )
            for name, fitting in service.validator_of(reader_of(caller)).fitting(data).items()
        ]

    return routes
