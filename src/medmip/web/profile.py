"""Routes of one's own account: log-in and log-out, password, second factor, sessions, tokens."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from medmip.accounts import second_factor
from medmip.accounts.doorman import Step
from medmip.accounts.errors import NotLoggedIn
from medmip.accounts.person import Caller, Person, anybody
from medmip.accounts.role import Right, Role, rights_of
from medmip.accounts.sessions import Known, Session
from medmip.accounts.tokens import Token
from medmip.errors import Conflict
from medmip.web.door import Door, address_of, check_own_page, cookie_of, give_cookie, take_cookie
from medmip.web.problems import problem_responses
from medmip.web.rate import Rate

ISSUER = "MIP"
_Secret = Annotated[str, Field(min_length=1, max_length=512)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Credentials(_Body):
    """A name and its password."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    password: _Secret


class Code(_Body):
    """A code of the second factor, or a recovery code."""

    code: Annotated[str, Field(min_length=1, max_length=32)]


class NewPassword(_Body):
    """The password there is, and the one that is to be."""

    password: _Secret
    new: _Secret


class NewFactor(_Body):
    """A secret that was offered, and a code that shows that an app has it."""

    secret: Annotated[str, Field(min_length=16, max_length=64, pattern=r"^[A-Z2-7]+$")]
    code: Annotated[str, Field(min_length=6, max_length=8)]
    password: _Secret


class Password(_Body):
    """One's password once more, for a change to the log-in itself."""

    password: _Secret


class Terms(_Body):
    """The version of the terms that is accepted."""

    version: Annotated[int, Field(ge=1, le=10**6)]


class NewToken(_Body):
    """A token for scripts: what it is called, may do, and how many days it is good for."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: Annotated[list[Right], Field(min_length=1, max_length=20)]
    days: Annotated[int, Field(ge=1, le=366)] = 90


class MadeToken(BaseModel):
    """A new token, with the secret that is shown this once."""

    secret: str
    token: Token


class Offered(BaseModel):
    """A second factor to set up: the secret, and the address that an app's camera reads."""

    secret: str
    address: str


class Recovery(BaseModel):
    """Codes that stand in for the second factor, each once; shown this once."""

    codes: list[str]


class Visit(BaseModel):
    """Who is here, how one logs in, and what is to be done next."""

    kind: str = Field(examples=["local"])
    step: Step
    name: str = ""
    label: str = ""
    roles: tuple[Role, ...] = ()
    rights: tuple[Right, ...] = ()
    second_factor: bool = False
    terms_version: int = 0


def router(door: Door) -> APIRouter:
    """Routes under /session and /profile."""
    routes = APIRouter(tags=["people"])
    doorman = door.doorman
    by_address, by_name = Rate("30/minute"), Rate("10/minute")

    def visit_of(known: Known | None) -> Visit:
        step = doorman.step(known)
        kind, terms = doorman.settings.kind, doorman.settings.terms_version
        if doorman.open:
            caller = anybody()
            return Visit(
                kind=kind,
                step=step,
                name=caller.name,
                label=caller.label,
                roles=caller.roles,
                rights=tuple(sorted(caller.rights)),
            )
        if known is None or not known.complete:
            return Visit(kind=kind, step=step, terms_version=terms)
        person = doorman.people.get(known.person)
        return Visit(
            kind=kind,
            step=step,
            name=person.name,
            label=person.label,
            roles=person.roles,
            rights=tuple(sorted(rights_of(person.roles))),
            second_factor=person.second_factor,
            terms_version=terms,
        )

    def own(request: Request) -> tuple[Known, Person]:
        check_own_page(request)
        return doorman.own(cookie_of(request))

    Own = Annotated[tuple[Known, Person], Depends(own)]  # noqa: N806 - a type

    @routes.get("/session", operation_id="getSession")
    def session(request: Request) -> Visit:
        """Who is logged in, and what stands between them and the platform."""
        return visit_of(doorman.known(cookie_of(request)))

    @routes.post("/session", operation_id="logIn", responses=problem_responses(401, 409, 422, 429))
    def log_in(given: Credentials, request: Request, response: Response) -> Visit:
        """Opens a session; a second factor may still be asked for."""
        if doorman.settings.kind != "local":
            raise Conflict("This installation does not log in by password")
        by_address.count(address_of(request))
        by_name.count(given.name.strip().lower())
        agent = request.headers.get("user-agent", "")
        opened = doorman.local.log_in(given.name, given.password, address_of(request), agent)
        give_cookie(request, response, opened.secret)
        return visit_of(doorman.known(opened.secret))

    @routes.post(
        "/session/code", operation_id="giveCode", responses=problem_responses(401, 422, 429)
    )
    def code(given: Code, request: Request, response: Response) -> Visit:
        """Completes a session by a code of the second factor."""
        check_own_page(request)
        by_address.count(address_of(request))
        known = doorman.known(cookie_of(request))
        if known is None or known.complete:
            raise NotLoggedIn("No log-in waits for a code", remedy="Give name and password first.")
        agent = request.headers.get("user-agent", "")
        opened = doorman.local.give_code(known, given.code, address_of(request), agent)
        give_cookie(request, response, opened.secret)
        return visit_of(doorman.known(opened.secret))

    @routes.delete("/session", operation_id="logOut", status_code=204)
    def log_out(request: Request, response: Response) -> None:
        """Ends the session, if there is one."""
        check_own_page(request)
        known = doorman.known(cookie_of(request))
        if known is not None:
            actor = doorman.people.get(known.person).name
            doorman.sessions.end(known.person, known.session, actor)
        take_cookie(request, response)

    @routes.put(
        "/profile/password",
        operation_id="changePassword",
        status_code=204,
        responses=problem_responses(401, 409, 422, 429),
    )
    def password(new: NewPassword, me: Own, request: Request, response: Response) -> None:
        """Changes one's password; every session ends, this one too."""
        _, person = me
        _confirm(person, new.password)
        doorman.people.set_password(person.id, new.new, person.name)
        take_cookie(request, response)

    @routes.post(
        "/profile/second-factor/offer",
        operation_id="offerSecondFactor",
        responses=problem_responses(401),
    )
    def offer(me: Own) -> Offered:
        """A fresh secret to set a second factor up with; nothing is kept yet."""
        offered = second_factor.enrolment(me[1].name, ISSUER)
        return Offered(secret=offered.secret, address=offered.address)

    @routes.put(
        "/profile/second-factor",
        operation_id="setSecondFactor",
        responses=problem_responses(401, 422, 429),
    )
    def set_factor(new: NewFactor, me: Own) -> Recovery:
        """Asks for codes from now on; the recovery codes are shown this once."""
        _, person = me
        _confirm(person, new.password)
        if not second_factor.shows(new.secret, new.code):
            raise NotLoggedIn("The code does not fit the secret", remedy="Read the newest code.")
        return Recovery(
            codes=doorman.people.set_second_factor(person.id, new.secret, doorman.key, person.name)
        )

    @routes.post(
        "/profile/second-factor/drop",
        operation_id="dropSecondFactor",
        status_code=204,
        responses=problem_responses(401, 429),
    )
    def drop_factor(given: Password, me: Own, request: Request, response: Response) -> None:
        """Asks for no codes any more; every session ends."""
        _, person = me
        _confirm(person, given.password)
        doorman.people.drop_second_factor(person.id, person.name)
        take_cookie(request, response)

    @routes.put(
        "/profile/terms",
        operation_id="acceptTerms",
        responses=problem_responses(401, 409, 422),
    )
    def terms(given: Terms, me: Own, request: Request) -> Visit:
        """Accepts the data-use terms; the journal keeps it."""
        known, person = me
        if given.version != doorman.settings.terms_version:
            raise Conflict(
                "These are not the terms in force", remedy="Load the page again and read them."
            )
        doorman.people.accept_terms(person.id, given.version, address_of(request))
        return visit_of(known)

    @routes.get("/profile/sessions", operation_id="listSessions", responses=problem_responses(401))
    def sessions(me: Own) -> list[Session]:
        """One's sessions, the last used first."""
        return doorman.sessions.of(me[1].id)

    @routes.delete(
        "/profile/sessions/{identity}",
        operation_id="endSession",
        status_code=204,
        responses=problem_responses(401, 404),
    )
    def end_session(identity: str, me: Own) -> None:
        """Ends one of one's sessions."""
        doorman.sessions.end(me[1].id, identity, me[1].name)

    @routes.get("/profile/tokens", operation_id="listTokens", responses=problem_responses(401))
    def tokens(me: Own) -> list[Token]:
        """One's access tokens."""
        return doorman.tokens.of(me[1].id)

    @routes.post(
        "/profile/tokens",
        operation_id="makeToken",
        status_code=201,
        responses=problem_responses(401, 403, 422),
    )
    def make_token(
        new: NewToken, me: Own, caller: Annotated[Caller, Depends(door.caller)]
    ) -> MadeToken:
        """A new access token; its secret is shown this once. A token makes no tokens."""
        known, person = me
        for scope in new.scopes:
            caller.demand(scope)
        secret, token = doorman.tokens.make(
            known.person, new.name, new.scopes, new.days, person.name
        )
        return MadeToken(secret=secret, token=token)

    @routes.delete(
        "/profile/tokens/{identity}",
        operation_id="revokeToken",
        status_code=204,
        responses=problem_responses(401, 404),
    )
    def revoke(identity: str, me: Own) -> None:
        """Ends one of one's tokens."""
        doorman.tokens.revoke(me[1].id, identity, me[1].name)

    def _confirm(person: Person, password: str) -> None:
        if not doorman.local.confirmed(person.id, password):
            raise NotLoggedIn("The password is wrong")

    return routes
