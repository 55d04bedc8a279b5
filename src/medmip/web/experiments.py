"""Routes of experiments and exploration."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator, AwareDatetime
from starlette.concurrency import run_in_threadpool

from medmip.accounts.dataset_reader import reader_of
from medmip.accounts.person import Caller
from medmip.accounts.role import Right
from medmip.errors import NotFound
from medmip.experiments.cohort_flow import CohortFlow, flow_of, told_together
from medmip.experiments.experiment import Outcome, State, Summary
from medmip.experiments.listing import Wanted, Whose
from medmip.experiments.prediction import ModelFormat
from medmip.experiments.report_file import ReportForm, report_file
from medmip.experiments.request import MOST_ANALYSES, InputData
from medmip.experiments.request import Request as AnalysisRequest
from medmip.experiments.service import ExperimentService
from medmip.experiments.write_up import WriteUp
from medmip.web.door import Door
from medmip.web.experiment_view import ExperimentView
from medmip.web.problems import problem_responses
from medmip.web.schemas import (
    ChangedExperiment,
    CohortCount,
    DatasetCount,
    ExperimentPage,
    ExploreCount,
    ExploreDescribe,
    ExploreFlow,
    ExploreHistogram,
    ExploreRelated,
    NewExperiment,
    NewRecords,
    SeenExperiment,
)

_LOOK_EVERY = 0.2
_KEEP_ALIVE = 15.0
"""Seconds between looks at a run, and between signs of life that proxies want to see."""


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is no moment in UTC") from None


Moment = Annotated[
    Annotated[AwareDatetime, AfterValidator(_in_utc)] | None,
    Query(examples=["2026-01-31T00:00:00Z"]),
]


def router(service: ExperimentService, door: Door) -> APIRouter:
    """Routes under /experiments and /explore.

    An experiment is seen by its author and whom it is shared with, and changed by its author.
    """
    routes = APIRouter()
    Analyst = Annotated[Caller, Depends(door.to(Right.ANALYSE))]  # noqa: N806 - a type
    Explorer = Annotated[Caller, Depends(door.to(Right.EXPLORE))]  # noqa: N806

    view = ExperimentView(service, door)

    @routes.post(
        "/experiments",
        operation_id="createExperiment",
        tags=["experiments"],
        status_code=202,
        responses=problem_responses(422),
    )
    def create(new: NewExperiment, response: Response, caller: Analyst) -> SeenExperiment:
        """Queues an analysis; its address is in the Location header."""
        request = AnalysisRequest(
            **{name: getattr(new, name) for name in AnalysisRequest.model_fields}
        )
        experiment = service.submit(request, new.name, caller.name, reader=reader_of(caller))
        response.headers["Location"] = f"/api/v1/experiments/{experiment.id}"
        return view.seen(experiment, caller)

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
        algorithm: Annotated[str | None, Query(max_length=200)] = None,
        dataset: Annotated[str | None, Query(max_length=200)] = None,
        tag: Annotated[str | None, Query(max_length=200)] = None,
        whose: Whose = "all",
        starred: bool = False,
        since: Moment = None,
        until: Moment = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> ExperimentPage:
        """A page of one's own experiments and of those that are shared with one, newest first.

        Every word of search is in the name, a tag, or the code or label of an algorithm or a
        variable; what was made at until is not in it.
        """
        wanted = Wanted(
            search=search,
            state=state,
            algorithm=algorithm,
            dataset=dataset,
            tag=tag,
            whose=whose,
            starred=starred,
            since=since,
            until=until,
        )
        total, items = service.find(wanted, limit, offset, caller)
        return ExperimentPage(total=total, items=view.listed(items, caller))

    @routes.get(
        "/experiments/{identity}",
        operation_id="getExperiment",
        tags=["experiments"],
        responses=problem_responses(404),
    )
    def get(identity: str, caller: Analyst) -> SeenExperiment:
        """An experiment with its result, once there is one."""
        return view.seen(service.get(identity, caller), caller)

    @routes.patch(
        "/experiments/{identity}",
        operation_id="changeExperiment",
        tags=["experiments"],
        responses=problem_responses(403, 404, 422),
    )
    def change(identity: str, new: ChangedExperiment, caller: Analyst) -> SeenExperiment:
        """Gives an experiment of one's own another name, or other tags."""
        view.own(identity, caller)
        if new.name is not None:
            service.experiments.rename(identity, new.name)
        if new.tags is not None:
            service.experiments.tag(identity, new.tags)
        return view.seen(service.get(identity, caller), caller)

    @routes.delete(
        "/experiments/{identity}",
        operation_id="deleteExperiment",
        tags=["experiments"],
        status_code=204,
        responses=problem_responses(403, 404, 409),
    )
    def delete(identity: str, caller: Analyst) -> None:
        """Forgets an experiment of one's own that has ended; the ledger keeps its rows."""
        view.own(identity, caller)
        service.experiments.remove(identity)

    @routes.post(
        "/experiments/{identity}/cancel",
        operation_id="cancelExperiment",
        tags=["experiments"],
        responses=problem_responses(403, 404),
    )
    def cancel(identity: str, caller: Analyst) -> SeenExperiment:
        """Ends an experiment of one's own without result."""
        view.own(identity, caller)
        return view.seen(service.cancel(identity), caller)

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
        service.get(identity, caller)
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
        service.get(identity, caller)
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
        service.get(identity, caller)
        return service.write_up(identity, str(request.base_url), token=not door.doorman.open)

    @routes.get(
        "/experiments/{identity}/report",
        operation_id="reportExperiment",
        tags=["experiments"],
        response_class=Response,
        responses=problem_responses(404, 409)
        | {
            200: {
                "description": "The report",
                "content": {"text/html": {}, "application/pdf": {}},
            }
        },
    )
    def report(
        identity: str,
        request: Request,
        caller: Analyst,
        format: ReportForm = "html",  # noqa: A002
    ) -> Response:
        """The experiment as one file that needs nothing else: a page, or a PDF to print."""
        service.get(identity, caller)
        address, token = str(request.base_url), not door.doorman.open
        content = report_file(service, identity, format, address, token=token)
        name = f'attachment; filename="report-{identity[:8]}.{format}"'
        kind = "text/html" if format == "html" else "application/pdf"
        return Response(content, media_type=kind, headers={"Content-Disposition": name})

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
        await run_in_threadpool(service.get, identity, caller)
        return StreamingResponse(
            _events(service, identity, request, caller),
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
        "/explore/related",
        operation_id="exploreRelated",
        tags=["explore"],
        responses=problem_responses(403, 422),
    )
    def related(question: ExploreRelated, caller: Explorer) -> Outcome:
        """A variable's correlations with others, through the guard; not kept as an experiment."""
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
        total = told_together(told)
        return CohortCount(
            patients=total,
            suppressed=total is None,
            minimum=service.policy.minimum_cell,
            rounded_to=service.policy.minimum_cell,
            datasets=[
                DatasetCount(code=code, patients=number, suppressed=number is None)
                for code, number in told.items()
            ],
        )

    @routes.post(
        "/explore/flow",
        operation_id="exploreFlow",
        tags=["explore"],
        responses=problem_responses(422),
    )
    def flow(question: ExploreFlow, caller: Explorer) -> CohortFlow:
        """How a cohort comes about: about how many patients each rule of a filter leaves."""
        data = InputData(**question.model_dump(exclude={"complete"}))
        return flow_of(service, data, question.complete, caller.name, reader=reader_of(caller))

    return routes


async def _events(
    service: ExperimentService, identity: str, request: Request, caller: Caller
) -> AsyncIterator[str]:
    last, quiet = "", 0.0
    while not await request.is_disconnected():
        try:
            experiment = await run_in_threadpool(service.get, identity, caller)
        except NotFound:
            # Deleted, or not shared with the caller any more.
            return
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
