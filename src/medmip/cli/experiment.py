"""`mip experiment`: what was run."""

import json
from pathlib import Path
from typing import Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

experiment_app = typer.Typer(help="Experiments that were run.", no_args_is_help=True)


@experiment_app.command("list")
def list_experiments(
    search: str = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List experiments, newest first."""
    from rich.console import Console
    from rich.table import Table

    from medmip.experiments.repository import Experiments
    from medmip.store.state import open_state

    total, found = Experiments(open_state(opened(home))).find(search, None, limit)
    if as_json:
        typer.echo(json.dumps([part.model_dump(mode="json") for part in found], indent=2))
        return
    table = Table("id", "name", "algorithm", "state", "created", caption=f"{len(found)} of {total}")
    for part in found:
        created = f"{part.created:%Y-%m-%d %H:%M}"
        table.add_row(part.id, part.name, part.algorithm, str(part.state), created)
    Console().print(table)


@experiment_app.command("show")
def show(identity: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show one experiment with its result."""
    from medmip.cli.run import show_experiment
    from medmip.experiments.repository import Experiments
    from medmip.store.state import open_state

    found = Experiments(open_state(opened(home))).get(identity)
    if as_json:
        typer.echo(json.dumps(found.model_dump(mode="json"), indent=2))
    else:
        show_experiment(found)


@experiment_app.command("report")
def report(
    identity: str,
    output: Annotated[
        Path | None, typer.Option(help="The HTML file to write; else it is printed.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write an experiment's report: methods, tables, charts and code in one HTML file."""
    from medmip.accounts.settings import login_settings
    from medmip.catalogue.atomic_file import write_atomically
    from medmip.errors import RequestError
    from medmip.experiments.service import ExperimentService

    if output is not None and not output.parent.is_dir():
        raise RequestError("is in no folder that exists", where=str(output))
    place = opened(home)
    service = ExperimentService(place)
    try:
        page = service.report(identity, token=login_settings(place).kind != "open")
    finally:
        service.close()
    if output is None:
        typer.echo(page, nl=False)
        return
    content = page.encode()
    write_atomically(output, content)
    typer.echo(f"{len(content):,} bytes: {output}")


@experiment_app.command("cancel")
def cancel(identity: str, home: HomeOption = None) -> None:
    """End an experiment that is queued or running."""
    from medmip.experiments.experiment import State
    from medmip.experiments.repository import Experiments
    from medmip.store.state import open_state

    experiments = Experiments(open_state(opened(home)))
    experiments.finish(identity, State.CANCELLED, {})
    typer.echo(f"{identity} is {experiments.get(identity).state}")


@experiment_app.command("remove")
def remove(identity: str, home: HomeOption = None) -> None:
    """Forget an experiment that has ended; the ledger keeps its rows."""
    from medmip.experiments.repository import Experiments
    from medmip.store.state import open_state

    Experiments(open_state(opened(home))).remove(identity)
    typer.echo(f"{identity} is removed")
