"""The web application: API, portal, health."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import FileResponse
from prometheus_client import CollectorRegistry
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from medmip.accounts.dataset_reader import reader_named
from medmip.accounts.doorman import Doorman
from medmip.accounts.role import Right
from medmip.catalogue.search import VariableSearch
from medmip.experiments.service import ExperimentService
from medmip.imaging.queue.measuring_desk import MeasuringDesk
from medmip.inbox.desk import Desk
from medmip.inbox.scan_desk import ScanDesk
from medmip.web import (
    audit,
    catalogue,
    experiment_sharing,
    experiments,
    federation,
    imaging,
    inbox,
    notices,
    operations,
    people,
    problems,
    profile,
    provider,
    scan_publication,
    scan_queue,
    scan_review,
    stewardship,
    system,
    variables,
)
from medmip.web.door import Door
from medmip.web.metrics import ServiceCollector
from medmip.web.shield import Shield

API = "/api/v1"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Portal(StaticFiles):
    """The built portal; an address that is no file is one of its screens."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or path.startswith(("api/", "assets/")):
                raise
            response = await super().get_response("index.html", scope)
        hashed = path.startswith("assets/")
        response.headers["Cache-Control"] = (
            "public, max-age=31536000, immutable" if hashed else "no-cache"
        )
        return response


class Application(FastAPI):
    """FastAPI whose schema holds the problem answers, and no others."""

    def openapi(self) -> dict[str, Any]:
        schema = super().openapi()
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        if "ProblemAnswer" not in schemas:
            problem = problems.Problem.model_json_schema(
                ref_template="#/components/schemas/{model}"
            )
            schemas |= problem.pop("$defs")
            schemas["ProblemAnswer"] = problem
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
        return schema


def create_app(
    service: ExperimentService,
    doorman: Doorman,
    *,
    hosts: Collection[str] = LOOPBACK,
    portal: Path | None = None,
    metrics: CollectorRegistry | None = None,
    backups: system.Backups | None = None,
) -> FastAPI:
    """The application over a service; doorman tells who calls, hosts are the names it answers to.

    portal is the folder of the built portal; None takes the one inside the package. metrics is what
    /metrics tells besides the service's own; backups tells administrators of the newest one.
    """
    desk = Desk(service.home, service.models, service.outbox.tell)
    scan_desk = ScanDesk(service.home, service.outbox.tell)
    measuring = MeasuringDesk(service.home, service.outbox.state, service.outbox.tell)
    service.reader_now = partial(reader_named, doorman, right=Right.ANALYSE)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.resume()
        with desk, scan_desk, measuring:
            yield
        service.close()

    app = Application(
        title="MIP",
        summary="Medical Informatics Platform",
        description="Privacy-preserving analysis of clinical data inside the hospital.",
        version=version("medmip"),
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses=problems.problem_responses(400, 401, 403, 413, 421, 422),
        separate_input_output_schemas=False,
    )
    door = Door(doorman)
    searcher = VariableSearch()
    api = APIRouter(prefix=API)
    api.include_router(
        catalogue.router(service, door, searcher), dependencies=[Depends(door.to(Right.EXPLORE))]
    )
    api.include_router(
        variables.router(service, searcher), dependencies=[Depends(door.to(Right.EXPLORE))]
    )
    api.include_router(experiments.router(service, door))
    api.include_router(experiment_sharing.router(service, door))
    api.include_router(operations.api_router(service, door))
    api.include_router(audit.router(service, door))
    api.include_router(system.router(service, door, backups))
    api.include_router(notices.router(service.outbox, door))
    api.include_router(federation.router(service, door))
    api.include_router(inbox.router(desk, door))
    api.include_router(imaging.router(scan_desk, door))
    api.include_router(scan_queue.router(measuring, door))
    api.include_router(scan_review.router(service.home, service.ledger, measuring.jobs, door))
    api.include_router(scan_publication.router(service.home, service.ledger, door))
    api.include_router(stewardship.router(desk, door))
    api.include_router(profile.router(door))
    api.include_router(provider.router(door))
    api.include_router(people.router(door))
    app.include_router(api)
    collected = metrics or CollectorRegistry()
    collected.register(ServiceCollector(service))
    app.include_router(operations.root_router(service, door, collected))
    problems.install(app)
    folder = portal or portal_folder()
    if (folder / "index.html").is_file():

        @app.get("/api/docs", include_in_schema=False)
        def docs() -> FileResponse:
            return FileResponse(folder / "api-docs.html")

        app.mount("/", Portal(directory=folder, html=True), name="portal")
    app.add_middleware(Shield, hosts=hosts)
    return app


def portal_folder() -> Path:
    """Where the portal is built into."""
    return Path(str(files("medmip.web"))) / "static"
