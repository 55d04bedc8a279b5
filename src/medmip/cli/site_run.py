"""`mip site run` and the requests that wait for a person: a site's part in analyses."""

import asyncio
import getpass
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened
from medmip.cli.serve import check_port, only_server, published_to_database, stop_softly

if TYPE_CHECKING:
    from pathlib import Path

    from medmip.catalogue.home import Home
    from medmip.federation.approvals import Approvals, Decided, Wish
    from medmip.federation.site_service import SiteService

RequestArgument = Annotated[str, typer.Argument(help="Its id, as `mip site requests` shows it.")]
ByOption = Annotated[str, typer.Option("--by", help="Who answers; shown to the hub.")]


def run_site(
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="A port on 127.0.0.1 for a monitor (Prometheus)."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Answer the hub without a portal; `mip serve` does so beside the site's own portal."""
    serve_as_site(opened(home), metrics_port=metrics_port)


def serve_as_site(place: "Home", *, quiet: bool = False, metrics_port: int | None = None) -> None:
    """Answers the hub of the federation that this home belongs to, until told to stop.

    metrics_port is where this machine reads what `/metrics` tells; None for nowhere.
    """
    from medmip.experiments.service import ExperimentService
    from medmip.federation.site_folder import SiteFolder
    from medmip.federation.site_service import SiteService
    from medmip.logbook import write_log_to

    folder = SiteFolder.of(place)
    stop_softly()
    with only_server(place):
        write_log_to(place.logs / "mip.jsonl")
        service = ExperimentService(place)
        joined = folder.membership
        if not quiet:
            typer.echo(
                f"{joined.name} serves {joined.federation!r} at {joined.address} (Ctrl-C stops it)"
            )

        async def serving() -> None:
            agent = SiteService(folder, service.house())
            if metrics_port is not None:
                _tell_metrics(agent, metrics_port)
            async with agent:
                await asyncio.Event().wait()

        try:
            with (
                suppress(KeyboardInterrupt),
                published_to_database(place, service.ledger, quiet=quiet),
            ):
                asyncio.run(serving())
        finally:
            service.close()


def _tell_metrics(agent: "SiteService", port: int) -> None:
    from prometheus_client import CollectorRegistry, start_http_server

    from medmip.federation.metrics import SiteCollector

    check_port("127.0.0.1", port)
    collected = CollectorRegistry()
    collected.register(SiteCollector(agent))
    start_http_server(port, addr="127.0.0.1", registry=collected)


def requests(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List analyses that a person here has to agree to, where `site.toml` says so."""
    from rich.console import Console
    from rich.table import Table

    from medmip.store.filter_words import in_words

    wishes = _approvals(home).list()
    if as_json:
        typer.echo(json.dumps([wish.model_dump(mode="json") for wish in wishes], indent=2))
        return
    if not wishes:
        typer.echo('Nobody has asked. Requests wait here where `approval = "person"`.')
        return
    table = Table(
        "id", "who", "algorithms", "datasets", "variables", "rules", "steps", "asked", "answer"
    )
    for wish in wishes:
        answer = f"{wish.answer} by {wish.by}" if wish.by else wish.answer
        table.add_row(
            wish.id,
            wish.user,
            ", ".join(wish.algorithms),
            ", ".join(wish.datasets),
            ", ".join(wish.variables),
            in_words(wish.rules, {}) if wish.rules else "",
            "; ".join(wish.steps),
            wish.asked,
            answer,
        )
    Console().print(table)


def agree(request: RequestArgument, by: ByOption = "", home: HomeOption = None) -> None:
    """Agree to an analysis; whoever asked may then run it, again and again."""
    wish = _answered(home, request, "granted", by)
    typer.echo(f"{wish.user} may run {', '.join(wish.algorithms)} on {', '.join(wish.datasets)}.")


def decline(request: RequestArgument, by: ByOption = "", home: HomeOption = None) -> None:
    """Decline an analysis, also one that was agreed to before."""
    wish = _answered(home, request, "denied", by)
    typer.echo(f"{wish.user} may not run {', '.join(wish.algorithms)}.")


def _answered(home: "Path | None", request: str, answer: "Decided", by: str) -> "Wish":
    from medmip.federation.offering import read_offering

    who = by or getpass.getuser()
    read_offering(opened(home).site / "site.toml").check_approver([who])
    return _approvals(home).answer(request, answer, who)


def _approvals(home: "Path | None") -> "Approvals":
    from medmip.federation.approvals import Approvals
    from medmip.federation.site_folder import SiteFolder

    place = opened(home)
    SiteFolder.of(place)
    return Approvals.of(place)
