"""Routes of experiments and exploration."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from medmip.accounts.dataset_reader import reader_of
from medmip.accounts.person import Caller
from medmip.accounts.role import Right
from medmip.experiments.experiment import Experiment, Outcome, State, Summary
from medmip.experiments.prediction import ModelFormat
from medmip.experiments.request import MOST_ANALYSES, InputData
from medmip.experiments.request import Request as AnalysisRequest
from medmip.experiments.service import ExperimentService
from medmip.experiments.write_up import WriteUp
from medmip.web.door import Door
from medmip.web.problems import problem_responses
from medmip.web.schemas import (
    CohortCount,
    DatasetCount,
    ExperimentPage,
    ExploreCount,
    ExploreDescribe,
    ExploreHistogram,
    NewExperiment,
    NewName,
    NewRecords,
)

_LOOK_EVERY = 0.2
_KEEP_ALIVE = 15.0
"""Seconds between looks at a run, and between signs of life that proxies want to see."""


def router(service: ExperimentService, door: Door) -> APIRouter:
    """Routes under /experiments and /explore; an experiment is its author's alone."""
    routes = APIRouter()
    Analyst = Annotated[Caller, Depends(door.to(Right.ANALYSE))]  # noqa: N806 - a type
    Explorer = Annotated[Caller, Depends(door.to(Right.EXPLORE))]  # noqa: N806

    @routes.post(
        "/experiments",
        operation_id="createExperiment",
        tags=["experiments"],
        status_code=202,
        responses=problem_responses(422),
    )
    def create(new: NewExperiment, response: Response, caller: Analyst) -> Experiment:
        """Queues an analysis; its address is in the Location header."""
        request = AnalysisRequest(
            **{name: getattr(new, name) for name in AnalysisRequest.model_fields}
        )
        experiment = service.submit(request, new.name, caller.name, reader=reader_of(caller))
        response.headers["Location"] = f"/api/v1/experiments/{experiment.id}"
        return experiment

    @routes.get(
        "/experiments",
        operation_id="listExperiments",
        tags=["experiments"],
        responses=problem_responses(422),
    )
    def find(
        caller: Analyst,
        search: Annotated[str, Query(max_length=200)] = "",
        state: State | None = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> ExperimentPage:
        """A page of experiments, newest first."""
        total, items = service.find(search, state, limit, offset, user=caller.name)
        return ExperimentPage(total=total, items=items)

    @routes.get(
        "/experiments/{identity}",
        operation_id="getExperiment",
        tags=["experiments"],
        responses=problem_responses(404),
    )
    def get(identity: str, caller: Analyst) -> Experiment:
        """An experiment with its result, once there is one."""
        return service.get(identity, caller.name)

    @routes.patch(
        "/experiments/{identity}",
        operation_id="renameExperiment",
        tags=["experiments"],
        responses=problem_responses(404, 422),
    )
    def rename(identity: str, new: NewName, caller: Analyst) -> Experiment:
        """Gives an experiment another name."""
        service.get(identity, caller.name)
        service.experiments.rename(identity, new.name)
        return service.get(identity)

    @routes.delete(
        "/experiments/{identity}",
        operation_id="deleteExperiment",
        tags=["experiments"],
        status_code=204,
        responses=problem_responses(404, 409),
    )
    def delete(identity: str, caller: Analyst) -> None:
        """Forgets an experiment that has ended; the ledger keeps its rows."""
        service.get(identity, caller.name)
        service.experiments.remove(identity)

    @routes.post(
        "/experiments/{identity}/cancel",
        operation_id="cancelExperiment",
        tags=["experiments"],
        responses=problem_responses(404),
    )
    def cancel(identity: str, caller: Analyst) -> Experiment:
        """Ends an experiment without result."""
        service.get(identity, caller.name)
        return service.cancel(identity)

    @routes.post(
        "/experiments/{identity}/predictions",
        operation_id="predict",
        tags=["experiments"],
        responses=problem_responses(404, 409, 422),
    )
    def predict(
        identity: str, new: NewRecords, caller: Analyst
    ) -> list[dict[str, str | float | None]]:
        """What the experiment's model predicts for given values; nothing of them is kept."""
        service.get(identity, caller.name)
        return service.predict(identity, new.records, new.analysis)

    @routes.get(
        "/experiments/{identity}/model",
        operation_id="exportModel",
        tags=["experiments"],
        response_class=Response,
        responses=problem_responses(404, 409, 422)
        | {
            200: {
                "description": "The model",
                "content": {"application/json": {}, "application/octet-stream": {}},
            }
        },
    )
    def model(
        identity: str,
        caller: Analyst,
        format: ModelFormat = "json",  # noqa: A002
        analysis: Annotated[int, Query(ge=1, le=MOST_ANALYSES)] = 1,
    ) -> Response:
        """The experiment's model as a file: as JSON, or as an ONNX graph for other software."""
        service.get(identity, caller.name)
        content = service.export(identity, format, analysis)
        kind = "application/json" if format == "json" else "application/octet-stream"
        name = f'attachment; filename="model-{identity[:8]}.{format}"'
        return Response(content, media_type=kind, headers={"Content-Disposition": name})

    @routes.get(
        "/experiments/{identity}/write-up",
        operation_id="writeUp",
        tags=["experiments"],
        responses=problem_responses(404, 409),
    )
    def write_up(identity: str, request: Request, caller: Analyst) -> WriteUp:
        """A paper's paragraph on the experiment, and code that asks for it again."""
        service.get(identity, caller.name)
        return service.write_up(identity, str(request.base_url), token=not door.doorman.open)

    @routes.get(
        "/experiments/{identity}/report",
        operation_id="reportExperiment",
        tags=["experiments"],
        response_class=Response,
        responses=problem_responses(404, 409)
        | {200: {"description": "The report", "content": {"text/html": {}}}},
    )
    def report(identity: str, request: Request, caller: Analyst) -> Response:
        """The experiment as one HTML file that needs nothing else."""
        service.get(identity, caller.name)
        address = str(request.base_url)
        page = service.report(identity, address, token=not door.doorman.open)
        name = f'attachment; filename="report-{identity[:8]}.html"'
        return Response(page, media_type="text/html", headers={"Content-Disposition": name})

    @routes.get(
        "/experiments/{identity}/events",
        operation_id="watchExperiment",
        tags=["experiments"],
        response_class=StreamingResponse,
        responses=problem_responses(404)
        | {200: {"description": "Progress", "content": {"text/event-stream": {}}}},
    )
    async def watch(identity: str, request: Request, caller: Analyst) -> StreamingResponse:
        """Server-sent events: `progress` at every change, `end` once the run has ended."""
        await run_in_threadpool(service.get, identity, caller.name)
        return StreamingResponse(
            _events(service, identity, request),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @routes.post(
        "/explore/histogram",
        operation_id="exploreHistogram",
        tags=["explore"],
        responses=problem_responses(403, 422),
    )
    def histogram(question: ExploreHistogram, caller: Explorer) -> Outcome:
        """One variable's distribution, through the guard; not kept as an experiment."""
        return service.explore(question.request(), caller.name, reader=reader_of(caller))

    @routes.post(
        "/explore/describe",
        operation_id="exploreDescribe",
        tags=["explore"],
        responses=problem_responses(403, 422),
    )
    def describe(question: ExploreDescribe, caller: Explorer) -> Outcome:
        """Summaries of variables, through the guard; not kept as an experiment."""
        return service.explore(question.request(), caller.name, reader=reader_of(caller))

    @routes.post(
        "/explore/count",
        operation_id="exploreCount",
        tags=["explore"],
        responses=problem_responses(422),
    )
    def count(question: ExploreCount, caller: Explorer) -> CohortCount:
        """About how many patients a filter chooses, rounded down to the policy's minimum."""
        data = InputData(**question.model_dump())
        told = service.preview(data, caller.name, reader=reader_of(caller))
        numbers = [number for number in told.values() if number is not None]
        total = sum(numbers)
        hidden = total == 0 and len(numbers) < len(told)
        return CohortCount(
            patients=None if hidden else total,
            suppressed=hidden,
            minimum=service.policy.minimum_cell,
            rounded_to=service.policy.minimum_cell,
            datasets=[
                DatasetCount(code=code, patients=number, suppressed=number is None)
                for code, number in told.items()
            ],
        )

    return routes


async def _events(
    service: ExperimentService, identity: str, request: Request
) -> AsyncIterator[str]:
    last, quiet = "", 0.0
    while not await request.is_disconnected():
        experiment = await run_in_threadpool(service.get, identity)
        light = Summary(**{name: getattr(experiment, name) for name in Summary.model_fields})
        now = light.model_dump_json()
        if now != last:
            yield f"event: progress\ndata: {now}\n\n"
            last, quiet = now, 0.0
        if experiment.state.ended:
            yield f"event: end\ndata: {now}\n\n"
            return
        if quiet >= _KEEP_ALIVE:
            yield ": still here\n\n"
            quiet = 0.0
        await asyncio.sleep(_LOOK_EVERY)
        quiet += _LOOK_EVERY
