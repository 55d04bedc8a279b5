"""`mip hub runs` and `mip site log`: what ran over hospitals, as each side has it written down."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

LimitOption = Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest.")]


def hub_runs(limit: LimitOption = 20, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List analyses over hospitals: who asked, how they ended, how far each hospital came."""
    from rich.console import Console
    from rich.table import Table

    from medmip.experiments.listing import Wanted
    from medmip.experiments.repository import Experiments
    from medmip.federation.hub_folder import HubFolder
    from medmip.store.state import open_state

    place = opened(home)
    HubFolder.of(place)
    total, found = Experiments(open_state(place)).find(Wanted(federated=True), limit)
    if as_json:
        keys = {"id", "user", "algorithm", "state", "created", "duration", "problem", "sites"}
        rows = [part.model_dump(mode="json", include=keys) for part in found]
        typer.echo(json.dumps(rows, indent=2))
        return
    if not found:
        typer.echo("None yet. Analyses of hospitals' datasets are listed here.")
        return
    table = Table(
        "id", "who", "algorithm", "state", "created", "hospitals",
        caption=f"{len(found)} of {total}",
    )  # fmt: skip
    for part in found:
        hospitals = [
            f"{site.name}: {site.reason or f'{site.state}, {site.answered} of {site.asked}'}"
            for site in part.sites
        ]
        created = f"{part.created:%Y-%m-%d %H:%M}"
        table.add_row(
            part.id, part.user, part.algorithm, str(part.state), created, "\n".join(hospitals)
        )
    Console().print(table)


def site_log(
    experiment: Annotated[
        str, typer.Option(help="Show every row of this experiment, the oldest first.")
    ] = "",
    limit: LimitOption = 20,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what this site was asked, released and refused, an experiment a line.

    The ids are those of the hub. `mip audit` shows and verifies the whole ledger.
    """
    from rich.console import Console
    from rich.table import Table

    from medmip.federation.site_folder import SiteFolder
    from medmip.privacy.ledger import Ledger
    from medmip.privacy.ledger_head import LedgerHead
    from medmip.store.state import open_state

    place = opened(home)
    SiteFolder.of(place)
    ledger = Ledger(open_state(place), LedgerHead(place))
    if experiment:
        rows = list(reversed(ledger.rows(limit=ledger.count(), experiment=experiment)))
        if as_json:
            typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
            return
        table = Table("at", "user", "algorithm", "what", "verdict", "withheld", "why")
        for row in rows:
            table.add_row(
                row.at[:19],
                row.user,
                row.algorithm,
                row.statistic,
                row.verdict,
                str(row.suppressed or ""),
                row.reason,
            )
        Console().print(table)
        return
    runs = ledger.runs(limit)
    if as_json:
        typer.echo(json.dumps([asdict(run) for run in runs], indent=2))
        return
    if not runs:
        typer.echo("Nothing was asked yet.")
        return
    table = Table("last", "who", "algorithm", "released", "refused", "experiment", "why")
    for run in runs:
        table.add_row(
            run.ended[:19],
            run.user,
            run.algorithm,
            str(run.released),
            str(run.refused),
            run.experiment,
            run.reason,
        )
    Console().print(table)
