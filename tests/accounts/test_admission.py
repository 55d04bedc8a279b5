"""Whom the allow-list lets in."""

import pytest
from sqlalchemy import Engine

from medmip.accounts.admission import AllowList
from medmip.accounts.role import Role
from medmip.errors import Conflict, NotFound, RequestError


@pytest.fixture
def allowed(state: Engine) -> AllowList:
    return AllowList(state)


def test_empty_list_lets_nobody_in(allowed: AllowList) -> None:
    assert allowed.roles_of("anna@hospital.example", verified=True) is None


def test_address_or_its_domain_is_let_in_with_its_roles(allowed: AllowList) -> None:
    allowed.add("@hospital.example", [Role.RESEARCHER], "admin")
    allowed.add("anna@hospital.example", [Role.DATA_MANAGER], "admin")
    assert allowed.roles_of("bert@hospital.example", verified=True) == (Role.RESEARCHER,)
    assert allowed.roles_of("ANNA@hospital.example", verified=True) == (
        Role.RESEARCHER,
        Role.DATA_MANAGER,
    )


@pytest.mark.parametrize(
    "email",
    [
        "anna@evil-hospital.example",
        "anna@hospital.example.evil.org",
        "hospital.example",
        "anna@sub.hospital.example",
        "",
    ],
)
def test_alike_addresses_stay_out(allowed: AllowList, email: str) -> None:
    allowed.add("@hospital.example", [Role.RESEARCHER], "admin")
    assert allowed.roles_of(email, verified=True) is None


def test_unverified_address_stays_out(allowed: AllowList) -> None:
    allowed.add("anna@hospital.example", [Role.RESEARCHER], "admin")
    assert allowed.roles_of("anna@hospital.example", verified=False) is None


@pytest.mark.parametrize("entry", ["", "anna", "@", "@localhost", "a b@hospital.example"])
def test_entry_that_is_neither_is_refused(allowed: AllowList, entry: str) -> None:
    with pytest.raises(RequestError):
        allowed.add(entry, [Role.RESEARCHER], "admin")


def test_request_waits_until_it_is_decided(allowed: AllowList) -> None:
    asked = allowed.ask("https://idp.example", "42", "Anna", "anna@hospital.example", "a study")
    again = allowed.ask("https://idp.example", "42", "Anna", "anna@hospital.example", "my study")
    assert again.id == asked.id
    assert [request.reason for request in allowed.requests(waiting=True)] == ["my study"]
    decided = allowed.decide(asked.id, [Role.RESEARCHER], "admin")
    assert (decided.state, decided.decided_by) == ("approved", "admin")
    assert allowed.roles_of("anna@hospital.example", verified=True) == (Role.RESEARCHER,)
    with pytest.raises(Conflict):
        allowed.decide(asked.id, None, "admin")


def test_declined_request_lets_nobody_in(allowed: AllowList) -> None:
    asked = allowed.ask("https://idp.example", "42", "Anna", "anna@hospital.example", "")
    assert allowed.decide(asked.id, None, "admin").state == "declined"
    assert allowed.entries() == []


def test_removed_entry_lets_nobody_in(allowed: AllowList) -> None:
    allowed.add("@hospital.example", [Role.RESEARCHER], "admin")
    allowed.remove("@hospital.example", "admin")
    assert allowed.roles_of("anna@hospital.example", verified=True) is None
    with pytest.raises(NotFound):
        allowed.remove("@hospital.example", "admin")
