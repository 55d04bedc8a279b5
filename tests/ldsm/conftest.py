"""A home whose published datasets are copied into a real PostgreSQL, asked by the real psql."""

import os
import subprocess

import psycopg.conninfo
import pytest

from medmip.accounts.doorman import doorman_of
from medmip.accounts.role import Role
from medmip.accounts.settings import Login
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.ingest.publish import bring_in
from medmip.ldsm.database import served
from medmip.ldsm.keeper import refresh
from medmip.ldsm.settings import ldsm_settings
from medmip.privacy.ledger import Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.state import open_state
from tests.accounts.conftest import PASSWORD
from tests.conftest import missing
from tests.ingest.files import VISITS as BARE_VISITS
from tests.ingest.files import WARD
from tests.ldsm.system_server import system_server
from tests.store.models import nominal, real

GAIT = WARD.model_copy(
    update={"code": "gait", "extends": WARD.key, "variables": (real("gaitspeed", 0),)}
)
"""A hospital's own model: the ward's, and a variable beside the common data elements."""

VISITS = BARE_VISITS.model_copy(update={"variables": (nominal("dataset"), *BARE_VISITS.variables)})


class House:
    """A home, its database, and psql."""

    def __init__(self, home, psql):
        self.home, self._psql = home, psql
        self.doorman = doorman_of(home, Login())
        self.ledger = Ledger(open_state(home), LedgerHead(home))
        self.settings = ldsm_settings(home)
        self.address = ""

    def publish(self, text, model=WARD, dataset="ward"):
        file = self.home.path / f"{dataset}.csv"
        file.write_text(text)
        whole = ModelStore(self.home).get(model.key)
        bring_in(self.home, file, whole, dataset, allow_small_change=True)

    def refresh(self):
        return refresh(self.home, self.address, self.doorman, self.ledger)

    def psql(self, statement, reader=None, password="", code=0):
        """What psql prints for a statement, as a reader or as MIP; its errors where it fails."""
        parts = psycopg.conninfo.conninfo_to_dict(self.address)
        if reader is not None:
            parts["user"] = f"mip_reader_{reader}"
        where = psycopg.conninfo.make_conninfo(**parts)
        done = subprocess.run(
            [self._psql, "-X", "-w", "-At", "-F", "|", "-d", where, "-c", statement],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PGPASSWORD": password},
        )
        assert (done.returncode == 0) == (code == 0), done.stdout + done.stderr
        return done.stdout.splitlines() if code == 0 else done.stderr


@pytest.fixture(scope="session", params=["embedded", "system"])
def database(request):
    """What `[ldsm]` names: the PostgreSQL of a demonstration, or that of the system."""
    if request.param == "embedded":
        yield "embedded"
        return
    with system_server(missing) as address:
        yield address


@pytest.fixture(scope="module")
def house(tmp_path_factory, need, database):
    home = Home(tmp_path_factory.mktemp("ldsm") / "home").prepare()
    home.configuration.write_text(f'[ldsm]\ndatabase = "{database}"\n')
    store = ModelStore(home)
    for model in (WARD, GAIT, VISITS):
        store.add(model)
    made = House(home, need("psql"))
    for name, role in (
        ("ada", Role.DATA_MANAGER),
        ("bob", Role.DATA_MANAGER),
        ("eve", Role.RESEARCHER),
    ):
        made.doorman.people.add(name, [role], password=PASSWORD)
    with served(home, made.settings) as address:
        made.address = address
        yield made
