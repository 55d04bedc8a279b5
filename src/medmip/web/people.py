"""Routes of the administrator: people, the allow-list, requests to be let in, the journal."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from medmip.accounts.admission import Admission, Entry
from medmip.accounts.journal import Event
from medmip.accounts.person import Caller, Person
from medmip.accounts.role import Right, Role
from medmip.accounts.sessions import Session
from medmip.web.door import Door
from medmip.web.problems import problem_responses

_Roles = Annotated[list[Role], Field(max_length=len(Role))]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewPerson(_Body):
    """A local account; without a password it cannot log in until it has one."""

    name: Annotated[str, Field(min_length=2, max_length=100)]
    label: Annotated[str, Field(max_length=200)] = ""
    email: Annotated[str, Field(max_length=320)] = ""
    roles: _Roles = []
    password: Annotated[str, Field(min_length=1, max_length=512)] | None = None


class ChangedPerson(_Body):
    """What is to be different; what is left out stays."""

    roles: _Roles | None = None
    enabled: bool | None = None
    password: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    drop_second_factor: bool = False


class NewEntry(_Body):
    """Whom to let in: an address, or a domain such as `@hospital.example`."""

    entry: Annotated[str, Field(min_length=3, max_length=320)]
    roles: _Roles


class Decision(_Body):
    """Whether a request is granted, and with which roles."""

    approve: bool
    roles: _Roles = []


class EventPage(BaseModel):
    """A page of the journal, newest first."""

    total: int
    items: list[Event]


def router(door: Door) -> APIRouter:
    """Routes under /users, /allow-list, /admissions and /journal."""
    routes = APIRouter(tags=["people"])
    doorman = door.doorman
    Manager = Annotated[Caller, Depends(door.to(Right.MANAGE_PEOPLE))]  # noqa: N806 - a type
    Auditor = Annotated[Caller, Depends(door.to(Right.AUDIT))]  # noqa: N806

    @routes.get("/users", operation_id="listUsers")
    def users(_: Manager) -> list[Person]:
        """Everybody who has an account."""
        return doorman.people.everybody()

    @routes.post(
        "/users", operation_id="addUser", status_code=201, responses=problem_responses(409, 422)
    )
    def add(new: NewPerson, manager: Manager) -> Person:
        """A new local account."""
        return doorman.people.add(
            new.name,
            new.roles,
            label=new.label,
            email=new.email,
            password=new.password,
            actor=manager.name,
        )

    @routes.patch(
        "/users/{identity}",
        operation_id="changeUser",
        responses=problem_responses(404, 409, 422),
    )
    def change(identity: str, new: ChangedPerson, manager: Manager) -> Person:
        """Changes a person's roles, password or second factor, or opens or closes the account."""
        people = doorman.people
        if new.password is not None:
            people.set_password(identity, new.password, manager.name)
        if new.drop_second_factor:
            people.drop_second_factor(identity, manager.name)
        if new.roles is not None:
            people.set_roles(identity, new.roles, manager.name)
        if new.enabled is not None:
            people.enable(identity, manager.name, enabled=new.enabled)
        return people.get(identity)

    @routes.get(
        "/users/{identity}/sessions",
        operation_id="listUserSessions",
        responses=problem_responses(404),
    )
    def sessions(identity: str, _: Manager) -> list[Session]:
        """A person's sessions."""
        return doorman.sessions.of(doorman.people.get(identity).id)

    @routes.delete(
        "/users/{identity}/sessions",
        operation_id="endUserSessions",
        status_code=204,
        responses=problem_responses(404),
    )
    def end_sessions(identity: str, manager: Manager) -> None:
        """Ends all of a person's sessions."""
        doorman.sessions.end_all(doorman.people.get(identity).id, manager.name)

    @routes.get("/allow-list", operation_id="listAllowed")
    def allowed(_: Manager) -> list[Entry]:
        """Whom the allow-list lets in."""
        return doorman.allowed.entries()

    @routes.post(
        "/allow-list", operation_id="allow", status_code=204, responses=problem_responses(422)
    )
    def allow(new: NewEntry, manager: Manager) -> None:
        """Lets an address or a domain in."""
        doorman.allowed.add(new.entry, new.roles, manager.name)

    @routes.delete(
        "/allow-list/{entry}",
        operation_id="disallow",
        status_code=204,
        responses=problem_responses(404),
    )
    def disallow(entry: str, manager: Manager) -> None:
        """Lets an address or a domain in no more."""
        doorman.allowed.remove(entry, manager.name)

    @routes.get("/admissions", operation_id="listAdmissions")
    def admissions(_: Manager, waiting: bool = True) -> list[Admission]:
        """Who asks to be let in."""
        return doorman.allowed.requests(waiting=waiting)

    @routes.post(
        "/admissions/{identity}",
        operation_id="decideAdmission",
        responses=problem_responses(404, 409, 422),
    )
    def decide(identity: str, decision: Decision, manager: Manager) -> Admission:
        """Grants or declines a request."""
        roles = decision.roles if decision.approve else None
        return doorman.allowed.decide(identity, roles, manager.name)

    @routes.get("/journal", operation_id="readJournal", responses=problem_responses(422))
    def journal(
        _: Auditor,
        search: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ) -> EventPage:
        """Every log-in, failure and change of accounts, newest first."""
        total, items = doorman.journal.find(search, limit, offset)
        return EventPage(total=total, items=items)

    return routes
