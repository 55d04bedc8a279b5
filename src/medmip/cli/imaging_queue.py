"""`mip imaging measure` and `queue`: scans queued, and measured by workers."""

from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.imaging_following import Following, pace
from medmip.cli.imaging_volumes import taken_scans
from medmip.cli.options import HomeOption, JsonOption, opened
from medmip.imaging.volumetry.choice import SettingName

if TYPE_CHECKING:
    from medmip.catalogue.home import Home
    from medmip.imaging.queue.job import ScanJob
    from medmip.imaging.settings import MeasuringSettings

ScansArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[SCAN…]", help="Ids, as `list` shows them.")
]


def measure(
    scans: ScansArgument = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All scans that were taken; those measured are passed.")
    ] = False,
    atlas: Annotated[
        str | None,
        typer.Option("--atlas", help="By which regions; else by the only one that was added."),
    ] = None,
    setting: Annotated[
        SettingName, typer.Option("--setting", help="How fine the registration is.")
    ] = SettingName.FAST,
    priority: Annotated[
        int, typer.Option("--priority", min=-100, max=100, help="Higher ones go first.")
    ] = 0,
    later: Annotated[
        bool, typer.Option("--later", help="Only queue them: a running `mip serve` measures them.")
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, max=256, help="Scans at once, on this machine."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="A cluster's: tls://host:port; else as `mip.toml` says."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Measure the volumes of brains and their regions; a run that was stopped goes on."""
    from medmip.imaging.queue.jobs import ScanJobs
    from medmip.imaging.queue.runner import QueueRunner
    from medmip.imaging.volumetry.atlas import AtlasShelf
    from medmip.imaging.volumetry.proof import unproven
    from medmip.imaging.volumetry.requirements import tools
    from medmip.logbook import write_log_to
    from medmip.notices.outbox import Outbox
    from medmip.store.state import open_state

    place = opened(home)
    if everything == bool(scans):
        raise typer.BadParameter("name scans, or say --all")
    wanted = taken_scans(place, scans or None)
    chosen = AtlasShelf(place).chosen(atlas)
    tools()
    settings = _settings(place, workers, scheduler)
    if chosen is None:
        typer.echo("There is no atlas: only totals are measured (`mip imaging atlas add`).")
    write_log_to(place.logs / "imaging.jsonl")
    state = open_state(place)
    jobs = ScanJobs(state)
    jobs.put(wanted, chosen.name if chosen else None, setting, priority)
    if later:
        typer.echo(pace(jobs.standing()))
        return
    following = Following(place, jobs, wanted)
    runner = QueueRunner(
        place, jobs, settings, told=following.hear, tell=Outbox.of(place, state).tell
    )
    following.until_ended(runner)
    done, failed, left = following.ended()
    why = unproven()
    typer.echo(f"{done} measured, {failed} not." + (f" {why}." if why else ""))
    if left:
        typer.echo(f"{left} were cancelled or still wait (`mip imaging queue`).", err=True)
    if failed or left:
        raise typer.Exit(1)


def queue(
    scans: ScansArgument = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All: that wait or failed, for --retry that failed.")
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Take them off the queue; stops what is under way.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Let those that failed or were cancelled wait again.")
    ] = False,
    priority: Annotated[
        int | None,
        typer.Option("--priority", min=-100, max=100, help="Higher ones go first; 0 at first."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the queue of scans, with its rate and its end; cancel, retry, set priorities."""
    import json

    from medmip.imaging.queue.jobs import ScanJobs
    from medmip.store.state import open_state

    jobs = ScanJobs(open_state(opened(home)))
    wishes = [cancel, retry, priority is not None]
    if sum(wishes) > 1:
        raise typer.BadParameter("one of --cancel, --retry and --priority at a time")
    if any(wishes):
        if everything == bool(scans):
            raise typer.BadParameter("name scans, or say --all")
        named = scans or None
        if cancel:
            count = jobs.cancel(named)
        else:
            count = jobs.retry(named) if retry else jobs.prioritise(named, priority or 0)
        typer.echo(f"{count} changed")
    standing = jobs.standing()
    if as_json:
        told = {"standing": standing.model_dump(mode="json")}
        listed = [job.model_dump(mode="json") for job in jobs.listed()]
        typer.echo(json.dumps(told | {"jobs": listed}, indent=2))
        return
    typer.echo(pace(standing))
    for job in jobs.listed(_SHOWN):
        typer.echo(_line(job))
    if (more := standing.total + standing.cancelled - _SHOWN) > 0:
        typer.echo(f"and {more:,} more (--json lists all)")


def _line(job: "ScanJob") -> str:
    told = [job.state.value, *([job.step] if job.step else [])]
    told += [f"priority {job.priority}"] if job.priority else []
    lines = [f"{job.scan}  {', '.join(told)}", *(f"  {one}" for one in job.trouble.splitlines())]
    return "\n".join(lines)


def _settings(place: "Home", workers: int | None, scheduler: str | None) -> "MeasuringSettings":
    """What `mip.toml` says, but for what the command does; raises BadParameter."""
    from pydantic import ValidationError

    from medmip.imaging.settings import MeasuringSettings, imaging_settings
    from medmip.store.engine_settings import engine_settings

    stated = imaging_settings(place).measuring.model_dump(exclude_unset=True)
    if scheduler is not None:
        stated = {name: stated[name] for name in stated.keys() - _OF_CLUSTER}
        stated["scheduler"] = scheduler
        if scheduler.startswith("tls://"):
            # The certificates are the cluster's, whatever it works at.
            own = imaging_settings(place).measuring
            known = engine_settings(place) if own.is_local else own
            stated |= known.model_dump(include=_OF_CLUSTER - {"scheduler", "workers"})
    if workers is not None:
        stated["workers"] = workers
    try:
        return MeasuringSettings.model_validate(stated)
    except ValidationError as error:
        why = error.errors(include_input=False)[0]["msg"].removeprefix("Value error, ")
        raise typer.BadParameter(why) from None


_OF_CLUSTER = {"scheduler", "workers", "ca_file", "certificate_file", "key_file"}
_SHOWN = 40
