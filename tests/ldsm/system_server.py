"""The system's own PostgreSQL, set up as the administrator's page says, on a socket of its own."""

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import psycopg

_CONF = """
listen_addresses = ''
unix_socket_directories = '{folder}'
logging_collector = on
log_destination = 'jsonlog'
password_encryption = 'scram-sha-256'
fsync = off
"""
_HBA = """
local all postgres peer map=own
local all all scram-sha-256
"""


@contextmanager
def system_server(missing: Callable[[str], NoReturn]) -> Iterator[str]:
    """The address of a database in it, by which MIP is let in; it runs meanwhile."""
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    server = packaged[-1] if packaged else shutil.which("postgres")
    if server is None:
        missing("the system has no PostgreSQL server")
    with running(Path(server).parent, _HBA) as folder:
        address = f"host={folder} user=postgres"
        with psycopg.connect(f"{address} dbname=postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE mip")
        yield f"{address} dbname=mip"


@contextmanager
def running(programs: Path, access: str, more: str = "") -> Iterator[Path]:
    """The folder of a running server, its socket and its certificates; access is pg_hba.conf's,
    more is added to postgresql.conf.

    It runs as its package's user where the tests run as root, which it refuses to be.
    """
    # Not below pytest's folder, which the server's user could not enter.
    folder = Path(tempfile.mkdtemp(prefix="mip-postgres-"))
    user = "postgres" if any(one.pw_name == "postgres" for one in pwd.getpwall()) else "nobody"
    as_user = ["setpriv", f"--reuid={user}", "--clear-groups"]
    before = as_user if os.getuid() == 0 else []

    def call(program: str, *words: str) -> None:
        done = subprocess.run(
            [*before, programs / program, *words],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        if before:
            shutil.chown(folder, user)
        folder.chmod(0o755)
        data = folder / "data"
        call("initdb", "-D", str(data), "-U", "postgres", "-A", "trust")
        conf = (data / "postgresql.conf").read_text() + _CONF.format(folder=folder) + more
        for name, text in (
            ("postgresql.conf", conf),
            ("pg_hba.conf", access),
            ("pg_ident.conf", f"own {getpass.getuser()} postgres\n"),
        ):
            (data / name).write_text(text)
        log = str(folder / "server.log")
        call("pg_ctl", "-D", str(data), "-w", "-l", log, "start")
        try:
            yield folder
        finally:
            call("pg_ctl", "-D", str(data), "-w", "-m", "fast", "stop")
    finally:
        shutil.rmtree(folder)
