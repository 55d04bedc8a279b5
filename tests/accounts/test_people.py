"""Who is there, and what may be changed of them."""

import pytest
from sqlalchemy import Engine, text

from medmip.accounts.errors import NotAllowed
from medmip.accounts.journal import Journal
from medmip.accounts.people import People
from medmip.accounts.person import Caller, Person
from medmip.accounts.role import RIGHTS, Right, Role, rights_of
from medmip.accounts.sessions import Sessions
from medmip.accounts.tokens import Tokens
from medmip.errors import Conflict, RequestError
from tests.accounts.conftest import PASSWORD


def test_no_secret_is_kept_as_it_is(people: People, state: Engine, anna: Person) -> None:
    with state.connect() as connection:
        kept = str(connection.execute(text("SELECT * FROM people")).all())
    assert PASSWORD not in kept
    assert "$argon2id$" in kept


@pytest.mark.parametrize(
    "password", ["short", "password1234", "anna-muster-anna-muster", "aaaaaaaaaaaaaaaa", "x" * 300]
)
def test_weak_password_is_refused_with_advice(people: People, password: str) -> None:
    with pytest.raises(RequestError) as caught:
        people.add("anna.muster", [Role.RESEARCHER], label="Anna Muster", password=password)
    (problem,) = caught.value.fields
    assert problem.path == "password"
    assert problem.message
    assert password not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a", "anna muster", "anna/muster", "ä" * 3, "n" * 101])
def test_name_that_will_not_do_is_refused(people: People, name: str) -> None:
    with pytest.raises(RequestError):
        people.add(name, [Role.RESEARCHER])


def test_name_is_given_once(people: People, anna: Person) -> None:
    with pytest.raises(Conflict):
        people.add("ANNA", [Role.RESEARCHER])


def test_somebody_stays_administrator(people: People) -> None:
    first = people.add("first", [Role.ADMINISTRATOR])
    with pytest.raises(Conflict):
        people.set_roles(first.id, [Role.RESEARCHER], "first")
    with pytest.raises(Conflict):
        people.enable(first.id, "first", enabled=False)
    assert people.get(first.id).roles == (Role.ADMINISTRATOR,)
    assert people.get(first.id).enabled
    people.add("second", [Role.ADMINISTRATOR])
    assert not people.enable(first.id, "second", enabled=False).enabled


def test_closing_an_account_ends_its_sessions_and_tokens(
    people: People, sessions: Sessions, state: Engine, anna: Person
) -> None:
    people.add("admin", [Role.ADMINISTRATOR])
    secret = sessions.begin(anna.id, complete=True)
    token, _ = Tokens(state).make(anna.id, "script", [Right.ANALYSE], 30, "anna")
    people.enable(anna.id, "admin", enabled=False)
    assert sessions.known(secret) is None
    assert Tokens(state).known(token) is None
    people.enable(anna.id, "admin")
    assert sessions.known(secret) is None
    assert Tokens(state).known(token) is None


def test_every_change_is_in_the_journal(people: People, state: Engine, anna: Person) -> None:
    people.set_roles(anna.id, [Role.DATA_MANAGER], "admin")
    people.set_password(anna.id, PASSWORD + "-two", "anna")
    people.accept_terms(anna.id, 3, "10.0.0.7")
    total, rows = Journal(state).find()
    assert total == 4
    assert [row.what for row in rows] == [
        "terms accepted",
        "password changed",
        "roles changed",
        "account made",
    ]
    assert rows[2].actor == "admin"
    assert rows[0].address == "10.0.0.7"
    assert Journal(state).find("roles")[0] == 1


def test_rights_come_from_roles_alone() -> None:
    assert set(RIGHTS) == set(Role)
    assert rights_of([]) == frozenset()
    holders = {right: {role for role in Role if right in RIGHTS[role]} for right in Right}
    assert holders[Right.READ_RECORDS] == {Role.DATA_MANAGER}
    assert holders[Right.AUDIT] == {Role.PRIVACY_OFFICER}
    assert holders[Right.MANAGE_PEOPLE] == {Role.ADMINISTRATOR}
    assert holders[Right.ANALYSE] == {Role.RESEARCHER}


def test_refusal_names_the_role_that_would_do() -> None:
    caller = Caller("anna", "Anna", (Role.RESEARCHER,), rights_of([Role.RESEARCHER]))
    caller.demand(Right.ANALYSE)
    with pytest.raises(NotAllowed) as caught:
        caller.demand(Right.AUDIT)
    assert "privacy officer" in str(caught.value)
