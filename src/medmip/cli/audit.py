"""`mip audit`: the ledger, for the privacy officer."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

audit_app = typer.Typer(help="The ledger of releases and refusals.", no_args_is_help=True)


@audit_app.command("list")
def list_rows(
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the newest rows."""
    from rich.console import Console
    from rich.table import Table

    from medmip.privacy.ledger import Ledger
    from medmip.privacy.ledger_head import LedgerHead
    from medmip.store.state import open_state

    place = opened(home)
    ledger = Ledger(open_state(place), LedgerHead(place))
    rows = ledger.rows(limit)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = Table("no.", "at", "user", "algorithm", "statistic", "verdict", "rule", "suppressed")
    for row in rows:
        table.add_row(
            str(row.number),
            row.at[:19],
            row.user,
            row.algorithm,
            row.statistic,
            row.verdict,
            row.rule,
            str(row.suppressed),
        )
    Console().print(table)


@audit_app.command("export")
def export(home: HomeOption = None) -> None:
    """Print the whole ledger as CSV, oldest row first."""
    from medmip.privacy.ledger import Ledger
    from medmip.privacy.ledger_file import csv_lines
    from medmip.privacy.ledger_head import LedgerHead
    from medmip.store.state import open_state

    place = opened(home)
    ledger = Ledger(open_state(place), LedgerHead(place))
    sys.stdout.writelines(csv_lines(ledger.walk()))


@audit_app.command("verify")
def verify(home: HomeOption = None) -> None:
    """Check that no row was changed, moved or removed."""
    from medmip.errors import Conflict
    from medmip.privacy.ledger import Ledger
    from medmip.privacy.ledger_head import LedgerHead
    from medmip.store.state import open_state

    place = opened(home)
    ledger = Ledger(open_state(place), LedgerHead(place))
    broken = ledger.verify()
    if broken is not None:
        raise Conflict(
            f"The ledger was changed at row {broken}",
            remedy="Keep the file as it is and tell the privacy officer.",
        )
    typer.echo(f"{ledger.count()} rows, none changed")
