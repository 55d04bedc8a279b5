"""Routes of the ledger, for the privacy officer."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from medmip.accounts.role import Right
from medmip.experiments.service import ExperimentService
from medmip.privacy.ledger_file import csv_lines
from medmip.web.door import Door
from medmip.web.problems import problem_responses


class LedgerEntry(BaseModel):
    """One release or refusal."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    at: datetime
    user: str
    experiment: str
    algorithm: str
    cohort: str
    snapshots: dict[str, str]
    statistic: str
    verdict: str
    rule: str
    reason: str
    suppressed: int
    previous: str
    hash: str


class LedgerPage(BaseModel):
    """A page of the ledger, newest first, and how many rows there are."""

    total: int
    items: list[LedgerEntry]


class LedgerCheck(BaseModel):
    """Whether the ledger is whole; broken is the first row that was changed, moved or removed."""

    rows: int
    broken: int | None


def router(service: ExperimentService, door: Door) -> APIRouter:
    """Routes under /audit."""
    routes = APIRouter(tags=["privacy"], dependencies=[Depends(door.to(Right.AUDIT))])

    @routes.get("/audit", operation_id="listLedger", responses=problem_responses(422))
    def audit(
        search: Annotated[str, Query(max_length=200)] = "",
        verdict: Annotated[Literal["released", "refused", "failed"] | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> LedgerPage:
        """Every release and refusal that has all words of the search, newest first."""
        total, rows = service.ledger.find(search, verdict or "", limit, offset)
        return LedgerPage(total=total, items=[LedgerEntry.model_validate(row) for row in rows])

    @routes.get(
        "/audit/export",
        operation_id="exportLedger",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/csv": {}}}},
    )
    def export() -> StreamingResponse:
        """The whole ledger as CSV, oldest row first."""
        return StreamingResponse(
            csv_lines(service.ledger.walk()),
            media_type="text/csv",
            headers={"content-disposition": 'attachment; filename="ledger.csv"'},
        )

    @routes.get("/audit/check", operation_id="checkLedger")
    def check() -> LedgerCheck:
        """Whether any row was changed, moved or removed, every row looked at."""
        return LedgerCheck(rows=service.ledger.count(), broken=service.ledger.verify())

    return routes
