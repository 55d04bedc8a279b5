"""`mip experiment`: what was run."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

experiment_app = typer.Typer(help="Experiments that were run.", no_args_is_help=True)
DAY = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


@experiment_app.command("list")
def list_experiments(
    search: Annotated[
        str, typer.Option(help="Words of the name, algorithm, variables or tags.")
    ] = "",
    state: Annotated[str | None, typer.Option(help="Such as done or failed.")] = None,
    algorithm: Annotated[str | None, typer.Option(help="An algorithm's name.")] = None,
    dataset: Annotated[str | None, typer.Option(help="A dataset's code.")] = None,
    tag: Annotated[str | None, typer.Option(help="A tag.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=DAY, help="Made then or later, in UTC.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=DAY, help="Made before then, in UTC.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    offset: Annotated[int, typer.Option(min=0, help="How many to leave out first.")] = 0,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List experiments of everybody, newest first."""
    from rich.console import Console
    from rich.table import Table

    from medmip.catalogue.model_store import ModelStore
    from medmip.experiments.experiment import State
    from medmip.experiments.labels import Labels
    from medmip.experiments.listing import Wanted
    from medmip.experiments.packages import algorithms_of
    from medmip.experiments.repository import Experiments
    from medmip.store.state import open_state

    if state is not None and state not in set(State):
        raise typer.BadParameter(f"{state!r} is none of {', '.join(State)}")
    wanted = Wanted(
        search=search,
        state=None if state is None else State(state),
        algorithm=algorithm,
        dataset=dataset,
        tag=tag,
        since=None if since is None else since.replace(tzinfo=UTC),
        until=None if until is None else until.replace(tzinfo=UTC),
    )
    place = opened(home)
    if search:
        wanted = Labels(algorithms_of(place), ModelStore(place)).meant(wanted)
    total, found = Experiments(open_state(place)).find(wanted, limit, offset)
    if as_json:
        typer.echo(json.dumps([part.model_dump(mode="json") for part in found], indent=2))
        return
    told = f"{len(found)} of {total}"
    table = Table("id", "name", "tags", "algorithm", "state", "who", "created", caption=told)
    for part in found:
        created = f"{part.created:%Y-%m-%d %H:%M}"
        tags = ", ".join(part.tags)
        table.add_row(part.id, part.name, tags, part.algorithm, str(part.state), part.user, created)
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


@experiment_app.command("rename")
def rename(identity: str, name: str, home: HomeOption = None) -> None:
    """Give an experiment another name."""
    from medmip.experiments.plain_text import checked_name
    from medmip.experiments.repository import Experiments
    from medmip.store.state import open_state

    kept = checked_name(name)
    Experiments(open_state(opened(home))).rename(identity, kept)
    typer.echo(f"{identity}: {kept}")


@experiment_app.command("tag")
def tag(
    identity: str,
    tags: Annotated[list[str] | None, typer.Argument(help="None takes all away.")] = None,
    home: HomeOption = None,
) -> None:
    """Give an experiment these tags, instead of those there were."""
    from medmip.experiments.plain_text import checked_tags
    from medmip.experiments.repository import Experiments
    from medmip.store.state import open_state

    experiments = Experiments(open_state(opened(home)))
    experiments.tag(identity, checked_tags(tags or []))
    typer.echo(f"{identity}: {', '.join(experiments.get(identity).tags) or 'no tags'}")


@experiment_app.command("report")
def report(
    identity: str,
    output: Annotated[
        Path | None, typer.Option(help="The .html or .pdf file to write; else HTML is printed.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write an experiment's report: methods, tables, charts and code in one HTML or PDF file."""
    from medmip.accounts.settings import login_settings
    from medmip.catalogue.atomic_file import write_atomically
    from medmip.errors import RequestError
    from medmip.experiments.report_file import report_file
    from medmip.experiments.service import ExperimentService

    if output is not None and not output.parent.is_dir():
        raise RequestError("is in no folder that exists", where=str(output))
    place = opened(home)
    service = ExperimentService(place)
    try:
        token = login_settings(place).kind != "open"
        printed = output is not None and output.suffix.lower() == ".pdf"
        content = report_file(service, identity, "pdf" if printed else "html", token=token)
    finally:
        service.close()
    if output is None:
        typer.echo(content.decode(), nl=False)
        return
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
