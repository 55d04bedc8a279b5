"""Survival curves as they are told: their steps, and their picture as a paper prints it."""

from collections.abc import Mapping, Sequence
from typing import Literal

import altair as alt
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from medmip.algorithms.views import Chart, chart
from medmip.fold.product_limit import ProductLimit
from medmip.fold.survival import FollowUp

_HEIGHT, _LINE = 260, 17
"""Pixels of the curves' height, and of a line of the numbers below."""


class SurvivalStep(BaseModel):
    """What happened since the step before, up to and with `time`.

    at_risk had neither event nor censoring before. Greenwood's error and the limits are None
    where nobody is left. The cumulative hazard is Nelson and Aalen's; its limits are None while
    it is zero.
    """

    model_config = ConfigDict(frozen=True)

    time: float
    at_risk: int
    events: int
    censored: int
    survival: float
    std_error: float | None
    lower: float | None
    upper: float | None
    cumulative_hazard: float
    hazard_std_error: float
    hazard_lower: float | None
    hazard_upper: float | None


class SurvivalCurve(BaseModel):
    """One group's curve; level is None where there are no groups, masked counts are None.

    restricted_mean is the mean time without event up to the result's horizon.
    """

    model_config = ConfigDict(frozen=True)

    level: str | None
    n: int
    events: int | None
    censored: int | None
    median: float | None
    median_lower: float | None
    median_upper: float | None
    restricted_mean: float | None
    restricted_mean_std_error: float | None
    steps: tuple[SurvivalStep, ...]


def told_steps(
    estimate: ProductLimit, ends: Sequence[int], state: FollowUp
) -> tuple[SurvivalStep, ...]:
    """An estimate at these indices of it; numbers are those since the one before."""
    done = np.cumsum([estimate.censored, estimate.events], axis=1)[:, list(ends)]
    censored, events = np.diff(done, axis=1, prepend=0)
    return tuple(
        SurvivalStep(
            time=state.time_of(int(estimate.place[end])),
            at_risk=int(estimate.after[end] + events[index] + censored[index]),
            events=int(events[index]),
            censored=int(censored[index]),
            survival=float(estimate.survival[end]),
            std_error=_known(estimate.error[end]),
            lower=_known(estimate.lower[end]),
            upper=_known(estimate.upper[end]),
            cumulative_hazard=float(estimate.hazard[end]),
            hazard_std_error=float(estimate.hazard_error[end]),
            hazard_lower=_known(estimate.hazard_lower[end]),
            hazard_upper=_known(estimate.hazard_upper[end]),
        )
        for index, end in enumerate(ends)
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def curves_chart(
    title: str,
    curves: Mapping[str, SurvivalCurve],
    axis: str,
    group: str | None,
    confidence: float,
    joined: bool,
) -> Chart:
    """Curves by label with their confidence bands, and the numbers at risk below.

    joined: not every time at which somebody left is told, so that between times the curves fall
    along straight lines instead of in steps.
    """
    between: Literal["linear", "step-after"] = "linear" if joined else "step-after"
    last = max((part.steps[-1].time for part in curves.values() if part.steps), default=0.0)
    last = last or 1.0
    ticks = _ticks(last)
    points: list[dict[str, object]] = []
    numbers: list[dict[str, object]] = []
    for label, part in curves.items():
        start = {"time": 0.0, "survival": 1.0, "lower": 1.0, "upper": 1.0}
        told = [step.model_dump(include=set(start)) for step in part.steps]
        points += [row | {"group": label} for row in (start, *told)]
        numbers += _numbers(label, part, ticks, joined)
    place = 48 + _LINE
    rows = {label: _HEIGHT + place + 2 * _LINE * index for index, label in enumerate(curves)}
    height = _HEIGHT + place + 2 * _LINE * len(curves) - (0 if group else _LINE)
    order = list(curves)
    strokes = alt.Legend(title=group, symbolType="stroke", symbolOpacity=1, symbolStrokeWidth=3)
    colour = alt.Color(
        "group:N", sort=order, scale=alt.Scale(domain=order), legend=strokes if group else None
    )
    bottom = -(height - _HEIGHT) / _HEIGHT
    down = alt.Y(
        "survival:Q",
        title="Survival",
        scale=alt.Scale(domain=[bottom, 1], nice=False),
        axis=alt.Axis(
            values=[0, 0.2, 0.4, 0.6, 0.8, 1], domain=False, titleAnchor="end", format=".1f"
        ),
    )
    across = alt.X(
        "time:Q",
        title=axis,
        scale=alt.Scale(domain=[0, max(last, ticks[-1])], nice=False),
        axis=alt.Axis(values=ticks, grid=False, offset=_HEIGHT - height),
    )
    base = alt.Chart(alt.Data(values=points)).encode(x=across, color=colour)
    bands = (
        base.transform_filter("isValid(datum.lower) && isValid(datum.upper)")
        .mark_area(interpolate=between, opacity=0.16)
        .encode(y=alt.Y("lower:Q"), y2="upper:Q")
    )
    lines = base.mark_line(interpolate=between, strokeWidth=2, point=joined).encode(
        y=down,
        tooltip=[
            alt.Tooltip("group:N", title=group or "Group"),
            alt.Tooltip("time:Q", title=axis),
            alt.Tooltip("survival:Q", title="Survival", format=".4f"),
        ],
    )
    layers = lines + bands
    heading = alt.Chart(alt.Data(values=[{"words": "Number at risk"}])).mark_text(
        align="left", fontWeight="bold", fontSize=12
    )
    layers += heading.encode(x=alt.value(0), y=alt.value(_HEIGHT + place - _LINE), text="words:N")
    for label, line in rows.items():
        mine = alt.Chart(alt.Data(values=[row for row in numbers if row["group"] == label]))
        below = line + (_LINE if group else 0)
        layers += mine.mark_text(fontSize=12).encode(
            x="time:Q", y=alt.value(below), text="number:N", color=colour
        )
        if group:
            name = alt.Chart(alt.Data(values=[{"group": label}]))
            layers += name.mark_text(align="left", fontSize=12).encode(
                x=alt.value(0), y=alt.value(line), text="group:N", color=colour
            )
    words = "; ".join(
        f"{label} " + (f"median {part.median:.3g}" if part.median is not None else "no median")
        for label, part in curves.items()
    )
    return chart(
        title,
        layers.properties(width="container", height=height, view=alt.ViewBackground(stroke=None)),
        f"Survival curves of {len(curves)} group{'' if len(curves) == 1 else 's'}: {words}",
        f"Bands are {100 * confidence:g} % confidence limits."
        + (
            " Points are told, lines only join them; numbers at risk are those left after the time "
            "at which they stand."
            if joined
            else ""
        ),
    )


def hazard_chart(
    title: str,
    curves: Mapping[str, SurvivalCurve],
    axis: str,
    group: str | None,
    confidence: float,
    joined: bool,
) -> Chart:
    """Cumulative hazards by label with their confidence bands; joined as in curves_chart."""
    between: Literal["linear", "step-after"] = "linear" if joined else "step-after"
    points: list[dict[str, object]] = []
    for label, part in curves.items():
        points.append({"group": label, "time": 0.0, "hazard": 0.0, "lower": 0.0, "upper": 0.0})
        points += [
            {
                "group": label,
                "time": step.time,
                "hazard": step.cumulative_hazard,
                "lower": step.hazard_lower,
                "upper": step.hazard_upper,
            }
            for step in part.steps
        ]
    order = list(curves)
    strokes = alt.Legend(title=group, symbolType="stroke", symbolOpacity=1, symbolStrokeWidth=3)
    base = alt.Chart(alt.Data(values=points)).encode(
        x=alt.X("time:Q", title=axis, scale=alt.Scale(domainMin=0, nice=False)),
        color=alt.Color(
            "group:N", sort=order, scale=alt.Scale(domain=order), legend=strokes if group else None
        ),
    )
    bands = (
        base.transform_filter("isValid(datum.lower) && isValid(datum.upper)")
        .mark_area(interpolate=between, opacity=0.16)
        .encode(y=alt.Y("lower:Q"), y2="upper:Q")
    )
    lines = base.mark_line(interpolate=between, strokeWidth=2, point=joined).encode(
        y=alt.Y("hazard:Q", title="Cumulative hazard", scale=alt.Scale(domainMin=0)),
        tooltip=[
            alt.Tooltip("group:N", title=group or "Group"),
            alt.Tooltip("time:Q", title=axis),
            alt.Tooltip("hazard:Q", title="Cumulative hazard", format=".4f"),
        ],
    )
    ends = "; ".join(
        f"{label} {part.steps[-1].cumulative_hazard:.3g} at {part.steps[-1].time:.4g}"
        for label, part in curves.items()
        if part.steps
    )
    return chart(
        title,
        (lines + bands).properties(width="container", height=_HEIGHT),
        f"Cumulative hazards of {len(curves)} group{'' if len(curves) == 1 else 's'}: {ends}",
        f"Nelson-Aalen estimates; bands are {100 * confidence:g} % confidence limits. A straight "
        "line means a constant hazard." + (" Points are told, lines only join them." * joined),
    )


def _ticks(last: float) -> list[float]:
    """About six round times from 0 to the last one."""
    rough = max(last, 1e-300) / 6
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(part * power for part in (1, 2, 5, 10) if part * power >= rough)
    return [float(f"{index * step:.12g}") for index in range(int(np.ceil(last / step)) + 1)]


def _numbers(
    label: str, part: SurvivalCurve, ticks: Sequence[float], joined: bool
) -> list[dict[str, object]]:
    """The numbers at risk at each tick; where times are joined, after a time told near it."""
    times: NDArray[np.float64] = np.array([0.0, *(step.time for step in part.steps)])
    left = [part.n, *(step.at_risk - step.events - step.censored for step in part.steps)]
    reach = (ticks[1] - ticks[0]) / 2 if len(ticks) > 1 else 0.0
    rows: list[dict[str, object]] = []
    for tick in ticks:
        index = max(int(np.searchsorted(times, tick, side="right" if joined else "left")) - 1, 0)
        place = float(times[index]) if joined else tick
        if tick - place <= reach:
            rows.append({"group": label, "time": place, "number": str(left[index])})
    return rows
