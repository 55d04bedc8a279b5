"""Routes of policy, health and metrics."""

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel

from medmip.accounts.role import Right
from medmip.experiments.service import ExperimentService
from medmip.privacy.policy import Policy
from medmip.web.door import Door


class Health(BaseModel):
    """Whether the server lives, or is ready."""

    status: str = "ok"


def api_router(service: ExperimentService, door: Door) -> APIRouter:
    """The route /policy."""
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
