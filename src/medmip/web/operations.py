"""Routes of policy, ledger, health and metrics."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel

from medmip.accounts.role import Right
from medmip.experiments.service import ExperimentService
from medmip.privacy.policy import Policy
from medmip.web.door import Door
from medmip.web.problems import problem_responses
from medmip.web.schemas import LedgerEntry, LedgerPage


class Health(BaseModel):
    """Whether the server lives, or is ready."""

    status: str = "ok"


def api_router(service: ExperimentService, door: Door) -> APIRouter:
    """Routes under /policy and /audit."""
    routes = APIRouter()

    @routes.get(
        "/policy",
        operation_id="getPolicy",
        tags=["privacy"],
        dependencies=[Depends(door.to(Right.EXPLORE))],
    )
    def policy() -> Policy:
        """The thresholds that the guard applies."""
        return service.policy

    @routes.get(
        "/audit",
        operation_id="listLedger",
        tags=["privacy"],
        responses=problem_responses(422),
        dependencies=[Depends(door.to(Right.AUDIT))],
    )
    def audit(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> LedgerPage:
        """Every release and refusal, newest first."""
        rows = service.ledger.rows(limit, offset)
        return LedgerPage(
            total=service.ledger.count(),
            items=[LedgerEntry.model_validate(row) for row in rows],
        )

    return routes


def root_router(service: ExperimentService, door: Door, collected: CollectorRegistry) -> APIRouter:
    """/healthz, /readyz and /metrics."""
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz", operation_id="isAlive")
    def alive() -> Health:
        """The process answers."""
        return Health()

    @routes.get("/readyz", operation_id="isReady")
    def ready() -> Health:
        """The state database answers, too."""
        service.ledger.count()
        return Health()

    @routes.get(
        "/metrics",
        operation_id="getMetrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
        dependencies=[Depends(door.monitor)],
    )
    def metrics() -> Response:
        """Counts in Prometheus' text format, for this machine or a token; nothing of patients."""
        return Response(generate_latest(collected), media_type=CONTENT_TYPE_LATEST)

    return routes
