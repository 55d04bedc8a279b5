"""What a person at a terminal is told while scans are measured, here or by somebody else."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from medmip.cli.imaging_volumes import tell_volumes

if TYPE_CHECKING:
    from medmip.catalogue.home import Home
    from medmip.imaging.queue.job import QueueStanding
    from medmip.imaging.queue.jobs import ScanJobs
    from medmip.imaging.queue.runner import JobTold, QueueRunner
    from medmip.imaging.queue.worker import StepTold

_LOOK_EVERY = 1.0


class Following:
    """Tells of the scans that were asked for, as they come to their ends."""

    def __init__(self, home: "Home", jobs: "ScanJobs", wanted: Sequence[str]) -> None:
        self._home, self._jobs = home, jobs
        self._wanted = frozenset(wanted)
        self._shown = ""
        self._pace = ""

    def until_ended(self, runner: "QueueRunner") -> None:
        """Measures what waits; where somebody else does, waits, and goes on where they stop."""
        first = True
        while not runner.run():
            if first:
                typer.echo("They are measured already, as by `mip serve`; this follows it.")
                first = False
            self._tell_pace()
            if not self._open():
                return
            time.sleep(_LOOK_EVERY)

    def hear(self, told: "StepTold | JobTold") -> None:
        """A step began or is done, or a job ended."""
        from medmip.imaging.queue.job import JobState
        from medmip.imaging.queue.runner import JobTold

        if self._shown != told.scan:
            typer.echo(told.scan)
            self._shown = told.scan
        if not isinstance(told, JobTold):
            if told.seconds is None:
                typer.echo(f"  {told.step} …")
            else:
                how = "done" if told.anew else "done before,"
                typer.echo(f"  {told.step} {how} in {told.seconds:.1f} s")
            return
        if told.state is JobState.DONE:
            tell_volumes(self._home, told.scan)
        else:
            typer.echo("".join(f"  {line}\n" for line in told.trouble.splitlines()), err=True)
        if told.state is JobState.WAITING:
            typer.echo("  It is tried again.")
        self._tell_pace()

    def ended(self) -> tuple[int, int, int]:
        """How many of those asked for were measured, failed, and did not come to an end."""
        from medmip.imaging.queue.job import JobState

        done, failed = (
            len(self._wanted & self._jobs.in_state(state))
            for state in (JobState.DONE, JobState.FAILED)
        )
        return done, failed, len(self._wanted) - done - failed

    def _open(self) -> bool:
        from medmip.imaging.queue.job import JobState

        return bool(self._wanted & self._jobs.in_state(*filter(lambda one: one.is_open, JobState)))

    def _tell_pace(self) -> None:
        told = pace(self._jobs.standing())
        if len(self._wanted) > 1 and told != self._pace:
            self._pace = told
            typer.echo(told)


def pace(standing: "QueueStanding") -> str:
    """How the queue stands, in a line."""
    told = [f"{standing.done:,} of {standing.total:,} measured"]
    told += [f"{standing.running:,} under way"] if standing.running else []
    told += [f"{standing.waiting:,} wait"] if standing.waiting else []
    told += [f"{standing.failed:,} failed"] if standing.failed else []
    told += [f"{standing.cancelled:,} cancelled"] if standing.cancelled else []
    if standing.hourly is not None and standing.ends is not None:
        told.append(f"{standing.hourly:.3g} an hour")
        told.append(f"all done about {standing.ends.astimezone():%d %b %H:%M}")
    elif standing.open and not standing.working:
        told.append("nobody measures (`mip serve` or `mip imaging measure` does)")
    lines = [", ".join(told), *(f"  {line}" for line in standing.held.splitlines())]
    return "\n".join(lines)
