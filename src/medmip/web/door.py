"""The door of every route: who is calling, and whether they may."""

from collections.abc import Callable
from ipaddress import ip_address

from fastapi import Request
from starlette.responses import Response

from medmip.accounts.doorman import Doorman
from medmip.accounts.errors import NotAllowed
from medmip.accounts.person import Caller
from medmip.accounts.role import Right

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_COOKIE = "mip-session"
_SECURE_COOKIE = "__Host-mip-session"
"""Browsers take a name that begins so only over TLS, from this host, for every path."""


class Door:
    """Makes the dependencies of routes; a route without one is a defect that a test finds."""

    def __init__(self, doorman: Doorman) -> None:
        self.doorman = doorman

    def to(self, right: Right) -> Callable[[Request], Caller]:
        """A dependency that lets in callers with this right; raises NotLoggedIn, NotAllowed."""

        def caller(request: Request) -> Caller:
            found = self.caller(request)
            found.demand(right)
            return found

        return caller

    def monitor(self, request: Request) -> None:
        """A dependency that lets in this machine itself, and who administers; raises as `to`.

        What came through a proxy on this machine is not of this machine.
        """
        if not is_from_here(request):
            self.caller(request).demand(Right.ADMINISTER)

    def caller(self, request: Request) -> Caller:
        """Whoever is logged in, whatever their rights; raises NotLoggedIn, NotAllowed."""
        authorization = request.headers.get("authorization", "")
        if not authorization:
            check_own_page(request)
        return self.doorman.caller(cookie_of(request), authorization)


def check_own_page(request: Request) -> None:
    """Raises NotAllowed where a change is asked for by cookie from another site's page.

    Browsers tell of every such request where it comes from (Fetch Metadata, or Origin, whose
    match with the host the shield has checked); what tells neither has no use for cookies.
    """
    if request.method in SAFE or not cookie_of(request):
        return
    site = request.headers.get("sec-fetch-site", "")
    if site != "same-origin" and (site or not request.headers.get("origin")):
        raise NotAllowed(
            "Changes are taken from this portal's own pages",
            remedy="Use an access token in scripts.",
        )


def cookie_of(request: Request) -> str:
    """The session's secret that a request carries, empty where none."""
    name = _SECURE_COOKIE if request.url.scheme == "https" else _COOKIE
    return request.cookies.get(name, "")


def give_cookie(request: Request, response: Response, secret: str) -> None:
    """Sets the session's cookie: out of reach of scripts and other sites, gone with the browser."""
    secure = request.url.scheme == "https"
    response.set_cookie(
        _SECURE_COOKIE if secure else _COOKIE,
        secret,
        secure=secure,
        httponly=True,
        samesite="strict",
        path="/",
    )


def take_cookie(request: Request, response: Response) -> None:
    """Takes the session's cookie back."""
    secure = request.url.scheme == "https"
    response.delete_cookie(
        _SECURE_COOKIE if secure else _COOKIE,
        secure=secure,
        httponly=True,
        samesite="strict",
        path="/",
    )


def is_from_here(request: Request) -> bool:
    """Whether a request was made on this machine, and not passed on by a proxy."""
    if any(name in request.headers for name in _PASSED_ON):
        return False
    try:
        return ip_address(address_of(request)).is_loopback
    except ValueError:
        return False


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return request.client.host if request.client else ""
