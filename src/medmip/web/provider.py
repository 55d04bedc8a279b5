"""Routes of log-in through an OpenID provider."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from medmip.accounts.errors import NotAllowed, NotListed, NotLoggedIn
from medmip.accounts.provider import LONGEST_LOG_IN, Provider
from medmip.errors import Conflict
from medmip.web.door import Door, address_of, check_own_page, give_cookie
from medmip.web.problems import problem_responses
from medmip.web.rate import Rate

_UNDER_WAY = "mip-log-in"
_ASKING = "mip-admission"
_ON = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta http-equiv="refresh" content="0;url={there}"><title>MIP</title>
<p><a href="{there}">Continue</a></p></html>"""
"""A page that leads on: a redirect would still count as another site's, and so would not bring
the session's cookie, which goes with requests of this site alone."""


class AdmissionRequest(BaseModel):
    """Why somebody whom the provider vouches for wants to be let in."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=2000)] = ""


def router(door: Door) -> APIRouter:
    """Routes under /session/provider."""
    routes = APIRouter(tags=["people"])
    doorman = door.doorman
    by_address = Rate("60/minute")

    def provider() -> Provider:
        if doorman.provider is None or doorman.settings.kind != "oidc":
            raise Conflict("This installation does not log in through a provider")
        return doorman.provider

    def back(request: Request) -> str:
        return str(request.url_for("finishProviderLogIn"))

    @routes.get(
        "/session/provider",
        operation_id="beginProviderLogIn",
        response_class=RedirectResponse,
        status_code=303,
        responses=problem_responses(409, 429, 502),
    )
    def begin(request: Request) -> Response:
        """Sends the browser to the provider."""
        by_address.count(address_of(request))
        address, kept = provider().begin(back(request))
        response = RedirectResponse(address, status_code=303)
        _keep(request, response, _UNDER_WAY, kept)
        return response

    @routes.get(
        "/session/provider/back",
        operation_id="finishProviderLogIn",
        name="finishProviderLogIn",
        response_class=HTMLResponse,
        responses=problem_responses(401, 409, 422, 429, 502),
    )
    def finish(
        request: Request,
        state: Annotated[str, Query(max_length=500)] = "",
        code: Annotated[str, Query(max_length=4000)] = "",
        error: Annotated[str, Query(max_length=500)] = "",
    ) -> Response:
        """Where the provider sends the browser back to."""
        by_address.count(address_of(request))
        if error:
            raise NotLoggedIn("The provider did not log you in", remedy="Try again.")
        kept = request.cookies.get(_UNDER_WAY, "")
        vouched = provider().finish(back(request), kept, state, code)
        agent = request.headers.get("user-agent", "")
        try:
            secret = doorman.let_in(vouched, address_of(request), agent)
        except NotListed:
            response = HTMLResponse(_ON.format(there="/admission"))
            _keep(request, response, _ASKING, provider().promise(vouched))
        else:
            response = HTMLResponse(_ON.format(there="/"))
            give_cookie(request, response, secret)
        response.delete_cookie(_UNDER_WAY, path="/api/v1/session")
        return response

    @routes.post(
        "/session/provider/admission",
        operation_id="askForAdmission",
        status_code=204,
        responses=problem_responses(401, 409, 422, 429),
    )
    def ask(given: AdmissionRequest, request: Request) -> None:
        """Asks an administrator to be let in."""
        check_own_page(request)
        by_address.count(address_of(request))
        vouched = provider().promised(request.cookies.get(_ASKING, ""))
        if not vouched.verified:
            raise NotAllowed("The provider has not verified your address")
        doorman.allowed.ask(
            vouched.issuer, vouched.subject, vouched.label, vouched.email, given.reason
        )

    @routes.post(
        "/session/provider/log-out",
        operation_id="logOutByProvider",
        responses=problem_responses(401, 409, 422, 429),
    )
    def log_out(
        request: Request,
        logout_token: Annotated[str, Form(max_length=20_000)],
    ) -> Response:
        """Ends sessions that the provider says are over (back-channel log-out)."""
        by_address.count(address_of(request))
        ended = provider().ended(logout_token)
        doorman.sessions.end_from_provider(
            provider().settings.issuer, ended.subject, ended.provider_session
        )
        return Response(headers={"Cache-Control": "no-store"})

    return routes


def _keep(request: Request, response: Response, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=int(LONGEST_LOG_IN),
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
        path="/api/v1/session",
    )
