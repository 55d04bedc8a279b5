"""Names, passwords, codes: what opens a session, and what does not."""

import time
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from cryptography.exceptions import InvalidTag
from sqlalchemy import Engine, update

from medmip.accounts import second_factor
from medmip.accounts.errors import NotLoggedIn, TooMany
from medmip.accounts.journal import Journal
from medmip.accounts.local_login import FREE_FAILURES, LocalLogin
from medmip.accounts.people import People
from medmip.accounts.person import Person
from medmip.accounts.role import Right, Role
from medmip.accounts.sessions import Sessions
from medmip.accounts.tables import people as people_table
from medmip.accounts.tables import sessions as sessions_table
from medmip.accounts.tables import tokens as tokens_table
from medmip.accounts.tokens import Tokens
from medmip.errors import NotFound, RequestError
from tests.accounts.conftest import KEY, PASSWORD


def test_right_password_opens_a_session(
    login: LocalLogin, sessions: Sessions, anna: Person, people: People
) -> None:
    opened = login.log_in("Anna", PASSWORD, "10.0.0.7", "Firefox")
    known = sessions.known(opened.secret)
    assert known is not None
    assert (known.person, known.complete) == (anna.id, True)
    (session,) = sessions.of(anna.id)
    assert (session.address, session.agent) == ("10.0.0.7", "Firefox")
    assert people.get(anna.id).seen is not None
    assert sessions.known(opened.secret + "x") is None


@pytest.mark.parametrize("name, password", [("anna", "wrong"), ("nobody", PASSWORD), ("", "")])
def test_wrong_log_in_tells_nothing(
    login: LocalLogin, anna: Person, name: str, password: str
) -> None:
    with pytest.raises(NotLoggedIn) as caught:
        login.log_in(name, password)
    assert str(caught.value) == "Name or password is wrong"


def test_unknown_name_takes_as_long_as_a_wrong_password(login: LocalLogin, anna: Person) -> None:
    def took(name: str) -> float:
        started = time.perf_counter()
        with pytest.raises(NotLoggedIn):
            login.log_in(name, "wrong")
        return time.perf_counter() - started

    pairs = [(took("anna"), took("nobody")) for _ in range(FREE_FAILURES - 1)]
    assert sorted(known / unknown for known, unknown in pairs)[0] < 5
    assert sorted(unknown / known for known, unknown in pairs)[0] < 5


def test_what_was_typed_for_an_unknown_name_is_not_kept(
    login: LocalLogin, state: Engine, anna: Person
) -> None:
    with pytest.raises(NotLoggedIn):
        login.log_in(PASSWORD, "anna")
    assert PASSWORD not in str(Journal(state).find()[1])


def test_account_waits_longer_after_each_failure(
    login: LocalLogin, state: Engine, anna: Person
) -> None:
    for _ in range(FREE_FAILURES):
        with pytest.raises(NotLoggedIn):
            login.log_in("anna", "wrong")
    waits = []
    for _ in range(3):
        with pytest.raises(TooMany) as caught:
            login.log_in("anna", PASSWORD)
        waits.append(caught.value.wait)
        with state.begin() as connection:
            connection.execute(update(people_table).values(locked_until=None))
        with pytest.raises(NotLoggedIn):
            login.log_in("anna", "wrong")
    assert waits[1] > 1.5 * waits[0]
    assert waits[2] > 1.5 * waits[1]
    with state.begin() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(people_table).values(locked_until=past))
    assert login.log_in("anna", PASSWORD).complete
    with pytest.raises(NotLoggedIn):
        login.log_in("anna", "wrong")


def test_disabled_account_and_one_without_password_stay_out(
    login: LocalLogin, people: People, anna: Person
) -> None:
    people.add("admin", [Role.ADMINISTRATOR])
    people.enable(anna.id, "admin", enabled=False)
    for name in ("anna", "admin"):
        with pytest.raises(NotLoggedIn):
            login.log_in(name, PASSWORD)


def with_factor(people: People, person: Person) -> tuple[str, list[str]]:
    secret = second_factor.enrolment(person.name, "MIP").secret
    return secret, people.set_second_factor(person.id, secret, KEY, person.name)


def test_second_factor_is_asked_for_and_good_once(
    login: LocalLogin, sessions: Sessions, people: People, anna: Person
) -> None:
    secret, _ = with_factor(people, anna)
    opened = login.log_in("anna", PASSWORD)
    half = sessions.known(opened.secret)
    assert half is not None
    assert not half.complete
    code = pyotp.TOTP(secret).now()
    whole = login.give_code(half, code)
    assert sessions.known(opened.secret) is None
    known = sessions.known(whole.secret)
    assert known is not None
    assert known.complete
    again = sessions.known(login.log_in("anna", PASSWORD).secret)
    assert again is not None
    with pytest.raises(NotLoggedIn):
        login.give_code(again, code)


def test_wrong_codes_lock_like_wrong_passwords(
    login: LocalLogin, sessions: Sessions, people: People, anna: Person
) -> None:
    with_factor(people, anna)
    half = sessions.known(login.log_in("anna", PASSWORD).secret)
    assert half is not None
    for _ in range(FREE_FAILURES):
        with pytest.raises(NotLoggedIn):
            login.give_code(half, "000000")
    with pytest.raises(TooMany):
        login.give_code(half, "000000")
    with pytest.raises(TooMany):
        login.log_in("anna", PASSWORD)


def test_right_password_does_not_forgive_wrong_codes(
    login: LocalLogin, sessions: Sessions, people: People, anna: Person
) -> None:
    with_factor(people, anna)
    for _ in range(FREE_FAILURES):
        half = sessions.known(login.log_in("anna", PASSWORD).secret)
        assert half is not None
        with pytest.raises(NotLoggedIn):
            login.give_code(half, "000000")
    with pytest.raises(TooMany):
        login.log_in("anna", PASSWORD)


def test_recovery_code_is_good_once(
    login: LocalLogin, sessions: Sessions, people: People, anna: Person
) -> None:
    _, codes = with_factor(people, anna)
    assert len(set(codes)) == 10
    half = sessions.known(login.log_in("anna", PASSWORD).secret)
    assert half is not None
    login.give_code(half, codes[3].lower())
    again = sessions.known(login.log_in("anna", PASSWORD).secret)
    assert again is not None
    with pytest.raises(NotLoggedIn):
        login.give_code(again, codes[3])
    login.give_code(again, codes[4])


def test_secret_of_a_second_factor_is_sealed_to_its_person() -> None:
    kept = second_factor.sealed("JBSWY3DPEHPK3PXP", KEY, "anna")
    assert b"JBSWY3DPEHPK3PXP" not in kept
    assert second_factor.opened(kept, KEY, "anna") == "JBSWY3DPEHPK3PXP"
    for key, person in ((KEY, "bert"), (b"j" * 32, "anna")):
        with pytest.raises(InvalidTag):
            second_factor.opened(kept, key, person)


def test_session_ends_when_idle_and_after_its_longest(
    sessions: Sessions, state: Engine, anna: Person
) -> None:
    secret = sessions.begin(anna.id, complete=True)
    for column, age in (("seen", sessions.idle), ("created", sessions.longest)):
        assert sessions.known(secret) is not None
        past = datetime.now(UTC) - age - timedelta(seconds=1)
        with state.begin() as connection:
            connection.execute(update(sessions_table).values({column: past}))
        assert sessions.known(secret) is None
        with state.begin() as connection:
            connection.execute(update(sessions_table).values({column: datetime.now(UTC)}))


def test_sessions_are_ended_one_by_one_or_all(sessions: Sessions, anna: Person) -> None:
    secrets = [sessions.begin(anna.id, complete=True) for _ in range(3)]
    first = sessions.known(secrets[0])
    assert first is not None
    sessions.end(anna.id, first.session, "anna")
    assert [sessions.known(secret) is None for secret in secrets] == [True, False, False]
    with pytest.raises(NotFound):
        sessions.end("someone else", sessions.of(anna.id)[0].id, "bert")
    assert sessions.end_all(anna.id, "anna") == 2
    assert sessions.of(anna.id) == []


def test_token_has_its_scopes_and_its_end(state: Engine, anna: Person) -> None:
    tokens = Tokens(state)
    secret, made = tokens.make(anna.id, "nightly", [Right.ANALYSE], 30, "anna")
    known = tokens.known(secret)
    assert known is not None
    assert (known.person, known.scopes) == (anna.id, frozenset({Right.ANALYSE}))
    assert secret.startswith("mip_")
    assert tokens.known(secret[:-1]) is None
    with state.begin() as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(tokens_table).values(expires=past))
    assert tokens.known(secret) is None
    tokens.revoke(anna.id, made.id, "anna")
    assert tokens.of(anna.id) == []


@pytest.mark.parametrize(
    "name, scopes, days",
    [
        ("", [Right.EXPLORE], 1),
        ("x", [], 1),
        ("x", [Right.EXPLORE], 0),
        ("x", [Right.EXPLORE], 9999),
    ],
)
def test_token_without_name_scope_or_end_is_refused(
    state: Engine, anna: Person, name: str, scopes: list[Right], days: int
) -> None:
    with pytest.raises(RequestError):
        Tokens(state).make(anna.id, name, scopes, days, "anna")
