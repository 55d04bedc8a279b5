"""`mip ldsm`: published data in a PostgreSQL for psql, R and BI tools, and who may read rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from medmip.cli.import_report import as_text
from medmip.cli.options import HomeOption, JsonOption, opened

if TYPE_CHECKING:
    from pathlib import Path

    from medmip.catalogue.home import Home
    from medmip.ldsm.settings import LdsmSettings

ldsm_app = typer.Typer(
    no_args_is_help=True,
    help="Published data in PostgreSQL: sync, readers, add-reader, remove-reader.",
)
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the person's account.")]


@ldsm_app.command()
def sync(home: HomeOption = None) -> None:
    """Copy what is published, hold readers to their rights, and note what they asked.

    A running `mip serve` does so by itself.
    """
    from medmip.accounts.doorman import doorman_of
    from medmip.ldsm.keeper import refresh
    from medmip.privacy.ledger import Ledger
    from medmip.privacy.ledger_head import LedgerHead
    from medmip.store.state import open_state

    with _database(home) as (place, _, address):
        ledger = Ledger(open_state(place), LedgerHead(place))
        fresh, asked = refresh(place, address, doorman_of(place), ledger)
    for snapshot in fresh:
        typer.echo(f"Copied {snapshot.model} {snapshot.dataset}, version {snapshot.version}.")
    typer.echo(f"{len(fresh)} datasets copied, {asked} statements written into the ledger.")


@ldsm_app.command()
def readers(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List who has an account to read rows."""
    from medmip.ldsm.database import connected
    from medmip.ldsm.readers import readers as all_readers

    with _database(home) as (_, _, address), connected(address) as connection:
        found = all_readers(connection)
    rows = [{"name": one.name, "account": one.role, "open": one.open} for one in found]
    if as_json:
        typer.echo(as_text(rows))
        return
    table = Table("Name", "Account", "May log in")
    for one in found:
        table.add_row(one.name, one.role, "yes" if one.open else "no")
    Console().print(table)


@ldsm_app.command("add-reader")
def add_reader(name: _Name, home: HomeOption = None) -> None:
    """Let a person read rows; their password is made anew and shown this once."""
    from medmip.accounts.doorman import doorman_of
    from medmip.ldsm.copying import copy_published
    from medmip.ldsm.database import connected, reader_address
    from medmip.ldsm.readers import Account
    from medmip.ldsm.readers import add_reader as add

    with _database(home) as (place, settings, address), connected(address) as connection:
        copy_published(place, connection)
        password = add(place, connection, doorman_of(place), settings, name)
    account = Account(name, open=True).role
    typer.echo(f"The account is {account}, its password {password}")
    typer.echo("It is shown this once. What is asked by it is written into the ledger.")
    if settings.readers_host.startswith("/"):
        typer.echo("On the server of the database:")
    typer.echo(f'psql "{reader_address(address, account, settings.readers_host)}"')


@ldsm_app.command("remove-reader")
def remove_reader(name: _Name, home: HomeOption = None) -> None:
    """End a reader's sessions and account."""
    from medmip.ldsm.database import connected
    from medmip.ldsm.readers import remove_reader as remove

    with _database(home) as (_, _, address), connected(address) as connection:
        remove(connection, name)
    typer.echo(f"{name} reads no rows any more.")


@contextmanager
def _database(home: "Path | None") -> "Iterator[tuple[Home, LdsmSettings, str]]":
    from medmip.ldsm.database import served
    from medmip.ldsm.errors import LdsmError
    from medmip.ldsm.settings import ldsm_settings

    place = opened(home)
    settings = ldsm_settings(place)
    if settings is None:
        raise LdsmError(
            "No database is named.",
            where=place.configuration.name,
            remedy='Name one there: [ldsm] database = "dbname=mip"',
        )
    with served(place, settings) as address:
        yield place, settings, address
