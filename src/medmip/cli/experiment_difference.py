"""`mip experiment rerun` and `difference`: the same again, and what is different."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

if TYPE_CHECKING:
    from medmip.experiments.difference import Difference, TablePair


def rerun(identity: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Ask the same again of the datasets' present versions, and show what is different."""
    from contextlib import ExitStack

    from medmip.cli.federated import sites_of
    from medmip.cli.run import show_experiment
    from medmip.experiments.difference import difference
    from medmip.experiments.experiment import State
    from medmip.experiments.service import ExperimentService
    from medmip.logbook import write_log_to

    place = opened(home)
    write_log_to(place.logs / "mip.jsonl")
    connected = ExitStack()
    service = ExperimentService(place, sites=sites_of(place, connected))
    try:
        former = service.get(identity)
        made = service.run(former.request, former.name, origin=former.id)
    finally:
        service.close()
        connected.close()
    if as_json:
        typer.echo(json.dumps(made.model_dump(mode="json"), indent=2))
    elif made.result is None or former.result is None:
        show_experiment(made)
    else:
        typer.echo(f"{made.id}: {made.state}")
        _print_difference(difference(former, made))
    if made.state is not State.DONE:
        raise typer.Exit(1)


def show_difference(
    identity: str,
    other: Annotated[
        str | None, typer.Argument(help="The former one; else the one it asks again.")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show two experiments side by side: versions of their data, and every number that moved."""
    from medmip.errors import Conflict
    from medmip.experiments.difference import difference
    from medmip.experiments.repository import Experiments
    from medmip.store.state import open_state

    experiments = Experiments(open_state(opened(home)))
    after = experiments.get(identity)
    former = other or after.origin
    if former is None:
        raise Conflict(
            "The experiment asks nothing again", remedy="Name the other one to compare with."
        )
    found = difference(experiments.get(former), after)
    if as_json:
        typer.echo(json.dumps(found.model_dump(mode="json"), indent=2))
    else:
        _print_difference(found)


def _print_difference(found: "Difference") -> None:
    if not found.same_request:
        typer.echo("The two ask different things.")
    for part in found.datasets:
        versions = [str(side.version) if side else "none" for side in (part.before, part.after)]
        told = f"version {' → '.join(versions)}" if part.moved else f"still version {versions[1]}"
        typer.echo(f"{part.site + ': ' if part.site else ''}{part.dataset}: {told}")
    moved = [table for table in found.tables if table.changed]
    for table in moved:
        _print_pair(table)
    same = len(found.tables) - len(moved)
    if same:
        typer.echo(f"{same} table{'s' if same > 1 else ''} without a difference")


def _print_pair(pair: "TablePair") -> None:
    from rich.console import Console
    from rich.table import Table

    from medmip.experiments.report_numbers import format_of, shown_value

    title = f"{pair.analysis}: {pair.title}" if pair.analysis else pair.title
    table = Table(*(column.label for column in pair.columns), title=title)
    for row in pair.rows:
        cells = []
        for column in pair.columns:
            sides = [
                shown_value(side.get(column.key), format_of(side, column)) if side else "none"
                for side in (row.before, row.after)
            ]
            cells.append(sides[0] if sides[0] == sides[1] else " → ".join(sides))
        table.add_row(*cells)
    Console().print(table)
