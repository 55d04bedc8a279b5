"""Who is followed for how long: what every analysis of times to an event checks first."""

from collections.abc import Sequence
from dataclasses import replace

from medmip.algorithms.declaration import CannotCompute
from medmip.catalogue.variable import Variable
from medmip.fold.cohort import Cohort
from medmip.fold.statistic import IntArray
from medmip.fold.survival import FollowUp, StatusCounts, status_counts, step_counts

STEPS = 5000
"""Steps of the grid, at the most."""


def checked_status(cohort: Cohort, state: FollowUp, levels: Sequence[str]) -> StatusCounts:
    """Patients by group and status; raises CannotCompute where a patient has several records."""
    if cohort.size.records != cohort.size.patients:
        raise CannotCompute(
            "Some patients have several records, and a time to an event is told once",
            remedy="Filter to one visit of each patient.",
        )
    return cohort.fold(status_counts, state, cells=levels)


def leaving_steps(cohort: Cohort, state: FollowUp, time: Variable) -> IntArray:
    """Who leaves by group, status (censored first) and step, (g, 2, steps).

    Raises CannotCompute where nobody has the event, or a time is negative or beyond the grid.
    """
    counts = cohort.fold(step_counts, state)
    if int(counts.negative):
        raise CannotCompute(
            f"{time.code} is negative for some patients", remedy="Filter these times out."
        )
    late = int(counts.leaving[..., -1].sum())
    if late:
        raise CannotCompute(
            f"{time.code} reaches beyond {state.steps} steps of {state.grid:g}",
            remedy=_coarser(cohort, state, late),
        )
    if not counts.leaving[:, 1].any():
        raise CannotCompute(
            "Nobody in this cohort has the event",
            remedy="Choose another level as the event, or widen the filter.",
        )
    leaving: IntArray = counts.leaving[..., :-1]
    return leaving


def _coarser(cohort: Cohort, state: FollowUp, late: int) -> str:
    """What to do where some leave after the grid's last step."""
    wider = state
    for _ in range(60):
        if late < max(cohort.minimum, 1):
            break
        wider = replace(wider, grid=2 * wider.grid)
        late = int(cohort.fold(step_counts, wider).leaving[..., -1].sum())
    if wider is state or late >= cohort.minimum:
        return "Filter out the few longest times, or choose a coarser grid."
    return f"Choose a coarser grid, such as {wider.grid:g}."
