"""People in a state database of their own."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from medmip.accounts.local_login import LocalLogin
from medmip.accounts.people import People
from medmip.accounts.person import Person
from medmip.accounts.role import Role
from medmip.accounts.sessions import Sessions
from medmip.catalogue.home import Home
from medmip.store.state import open_state

PASSWORD = "seventeen-otters-paint-windmills"
KEY = b"k" * 32


@pytest.fixture
def state(tmp_path: Path) -> Engine:
    return open_state(Home(tmp_path / "home").prepare())


@pytest.fixture
def people(state: Engine) -> People:
    return People(state)


@pytest.fixture
def sessions(state: Engine) -> Sessions:
    return Sessions(state, idle=timedelta(minutes=60), longest=timedelta(hours=12))


@pytest.fixture
def login(state: Engine, sessions: Sessions) -> LocalLogin:
    return LocalLogin(state, sessions, KEY)


@pytest.fixture
def anna(people: People) -> Person:
    return people.add("anna", [Role.RESEARCHER], label="Anna Muster", password=PASSWORD)
