"""The picture of two variables: cells by density, lines, binned means with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from medmip.algorithms.palette import PALE, QUIET, RED
from medmip.algorithms.views import shown
from medmip.fold.statistic import FloatArray


def scatter_drawing(
    counts: Sequence[Sequence[int | None]],
    up: FloatArray,
    across: FloatArray,
    lines: Sequence[Mapping[str, Any]],
    means: Sequence[Mapping[str, Any]],
    titles: tuple[str, str],
    legend: str | None,
) -> Any:  # noqa: ANN401
    """Counts (rows from the lowest), edges up and across, lines and means as plain rows.

    titles are of the axes up and across; legend is the group's title, None for one group.
    """
    cells = [
        {
            "low": float(across[j]),
            "high": float(across[j + 1]),
            "bottom": float(up[i]),
            "top": float(up[i + 1]),
            "patients": count,
            "shown": str(shown(count)),
        }
        for i, row in enumerate(counts)
        for j, count in enumerate(row)
        if count != 0
    ]
    place = {
        "x": alt.X("low:Q", title=titles[1], scale=alt.Scale(zero=False, nice=False)),
        "x2": "high:Q",
        "y": alt.Y("bottom:Q", title=titles[0], scale=alt.Scale(zero=False, nice=False)),
        "y2": "top:Q",
    }
    tooltip = [
        alt.Tooltip("low:Q", title=f"{titles[1]} from", format=".4g"),
        alt.Tooltip("high:Q", title="to", format=".4g"),
        alt.Tooltip("bottom:Q", title=f"{titles[0]} from", format=".4g"),
        alt.Tooltip("top:Q", title="to", format=".4g"),
        alt.Tooltip("shown:N", title="count"),
    ]
    seen = [cell for cell in cells if cell["patients"] is not None]
    hidden = [cell for cell in cells if cell["patients"] is None]
    heat = (
        alt.Chart(alt.Data(values=seen))
        .mark_rect()
        .encode(
            **place,
            color=alt.Color(
                "patients:Q",
                title="Count",
                scale=alt.Scale(scheme="greys" if legend else "blues", domainMin=0),
                legend=alt.Legend(gradientLength=120),
            ),
            tooltip=tooltip,
        )
    )
    ghosts = (
        alt.Chart(alt.Data(values=hidden))
        .mark_rect(fill=PALE, stroke=QUIET, strokeDash=[1, 3], strokeWidth=0.8)
        .encode(**place, tooltip=tooltip)
    )
    return (
        alt.layer(heat, ghosts, alt.layer(*_marks(up, across, lines, means, legend)))
        .resolve_scale(color="independent")
        .properties(width="container", height=380)
    )


def _marks(
    up: FloatArray,
    across: FloatArray,
    lines: Sequence[Mapping[str, Any]],
    means: Sequence[Mapping[str, Any]],
    legend: str | None,
) -> list[Any]:
    order = [line["group"] for line in lines]
    colour: dict[str, Any] = {"color": alt.value(RED)}
    if legend:
        scale = alt.Scale(domain=order)
        colour = {
            "color": alt.Color(
                "group:N", sort=order, title=legend, scale=scale, legend=alt.Legend(labelLimit=240)
            )
        }
    ends = [
        {"group": line["group"], "turn": place, "x": x, "y": y}
        for line in lines
        if line["slope"] is not None
        for place, (x, y) in enumerate(_clipped(line["intercept"], line["slope"], up, across))
    ]
    line = (
        alt.Chart(alt.Data(values=ends))
        .mark_line(strokeWidth=2)
        .encode(x="x:Q", y="y:Q", detail="group:N", order="turn:Q", **colour)
    )
    base = alt.Chart(alt.Data(values=[dict(mean) for mean in means]))
    bars = base.mark_rule(strokeWidth=1.5).encode(x="x:Q", y="lower:Q", y2="upper:Q", **colour)
    points = base.mark_point(filled=True, size=45, opacity=1).encode(
        x="x:Q",
        y="y:Q",
        tooltip=[
            *([alt.Tooltip("group:N", title=legend)] if legend else []),
            alt.Tooltip("x:Q", title="mean across", format=".4g"),
            alt.Tooltip("y:Q", title="mean", format=".4g"),
            alt.Tooltip("lower:Q", format=".4g"),
            alt.Tooltip("upper:Q", format=".4g"),
            alt.Tooltip("n:Q", title="n", format=","),
        ],
        **colour,
    )
    return [line, bars, points]


def _clipped(
    intercept: float, slope: float, up: FloatArray, across: FloatArray
) -> list[tuple[float, float]]:
    """The ends of a line inside the grid; none where it passes the grid by."""
    low, high = float(across[0]), float(across[-1])
    if slope:
        meets = sorted((float(end) - intercept) / slope for end in (up[0], up[-1]))
        low, high = max(low, meets[0]), min(high, meets[1])
    return [(x, intercept + slope * x) for x in (low, high)] if low < high else []
