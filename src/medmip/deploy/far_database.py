"""Whether the node reaches its database on another server, and nobody else does.

Run as the node's own account by the acceptance test: `python -m medmip.deploy.far_database HOME`.
"""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from json import dumps
from pathlib import Path

import psycopg
from cryptography import x509
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from medmip.catalogue.home import Home
from medmip.deploy.acceptance import Check
from medmip.deploy.blocks import database
from medmip.deploy.portal_certificate import RENEW_BEFORE
from medmip.errors import MipError
from medmip.ldsm.database import connected
from medmip.ldsm.settings import ldsm_settings

_SETUP = "`mip deploy setup` sets both servers up; then look at the database's own points."


def look(home: Home, now: datetime) -> Iterator[Check]:
    """The points of the acceptance test on the node's side. Raises MipError."""
    settings = ldsm_settings(home)
    address = settings.database if settings else ""
    yield _reached(address)
    yield _refused(address)
    yield valid(Path(database.CLIENT), "certificate of the node for the database", now)


def valid(path: Path, name: str, now: datetime) -> Check:
    """Whether a certificate lasts for another month. Raises OSError where it is not there."""
    remedy = "`mip deploy configure` with the same answers makes another; then `mip deploy setup`."
    try:
        held = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        return Check(name, False, f"{path} is no certificate", "`mip deploy setup` puts it right.")
    left = held.not_valid_after_utc - now
    return Check(name, left >= RENEW_BEFORE, f"it runs out in {left.days} days", remedy)


def _reached(address: str) -> Check:
    try:
        with connected(address) as connection:
            kind = connection.execute(
                "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
            ).fetchone()
    except MipError as error:
        return Check("database on another server", False, error.what, _SETUP)
    over = str(kind[0]) if kind else ""
    return Check("database on another server", over == "TLSv1.3", f"reached over {over}", _SETUP)


def _refused(address: str) -> Check:
    """Without the certificate nobody is let in, from this server either."""
    parts = conninfo_to_dict(address)
    # A file that is not there is no certificate; one that is not named would be looked for.
    without = make_conninfo("", **parts | {"sslcert": "/dev/null/none", "sslkey": "/dev/null/none"})
    try:
        with psycopg.connect(without, connect_timeout=10):
            let_in = True
    except psycopg.Error:
        let_in = False
    return Check(
        "database without a certificate",
        not let_in,
        "it lets in who shows none" if let_in else "nobody is let in",
        "`mip deploy setup` writes who is let in.",
    )


if __name__ == "__main__":
    for found in look(Home(Path(sys.argv[1])), datetime.now(UTC)):
        sys.stdout.write(f"{dumps(asdict(found))}\n")
