"""Every error as application/problem+json (RFC 9457)."""

from http import HTTPStatus
from math import ceil
from secrets import token_hex
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from medmip.accounts.errors import NotLoggedIn, TooMany
from medmip.errors import MipError
from medmip.logbook import logger

MEDIA_TYPE = "application/problem+json"
log = logger("medmip.web")


class FieldError(BaseModel):
    """One offending field, by JSON path."""

    path: str
    message: str


class Problem(BaseModel):
    """What went wrong, where, and what to do."""

    type: str = "about:blank"
    title: str = Field(examples=["The request is not valid"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["inputdata.y: needs at least 1 numeric variable"])
    remedy: str | None = None
    errors: list[FieldError] = []


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented problem answers of a route."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}},
        }
        for status in statuses
    }


def answer(problem: Problem) -> JSONResponse:
    """A problem as a response."""
    return JSONResponse(
        problem.model_dump(mode="json"), status_code=problem.status, media_type=MEDIA_TYPE
    )


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem answer."""

    @app.exception_handler(MipError)
    async def mip_error(_: Request, error: MipError) -> JSONResponse:
        response = answer(
            Problem(
                title=error.title,
                status=error.status,
                detail=f"{error.where}: {error.what}" if error.where else error.what,
                remedy=error.remedy,
                errors=[FieldError(path=part.path, message=part.message) for part in error.fields],
            )
        )
        if isinstance(error, TooMany):
            response.headers["Retry-After"] = str(ceil(error.wait))
        if isinstance(error, NotLoggedIn):
            response.headers["WWW-Authenticate"] = "Bearer"
        return response

    @app.exception_handler(RequestValidationError)
    async def not_valid(_: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            FieldError(path=_path(detail["loc"]), message=detail["msg"])
            for detail in error.errors()
        ]
        first = errors[0]
        return answer(
            Problem(
                title="The request is not valid",
                status=422,
                detail=f"{first.path}: {first.message}",
                errors=errors,
            )
        )

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(error.status_code).phrase
        response = answer(
            Problem(title=phrase, status=error.status_code, detail=str(error.detail or phrase))
        )
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        reference = token_hex(6)
        # A foreign message may quote a record, so only its kind is written down.
        log.error(
            "request failed",
            reference=reference,
            kind=type(error).__name__,
            path=request.url.path,
        )
        return answer(
            Problem(
                title="The server failed inside",
                status=500,
                detail=f"{type(error).__name__}, reference {reference}",
                remedy="Give the reference to the administrator, who finds it in the log.",
            )
        )


def _path(location: tuple[int | str, ...]) -> str:
    inside = location[1:] if location and location[0] in ("body", "query", "path") else location
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in inside)
    return text.lstrip(".") or str(location[0] if location else "")
