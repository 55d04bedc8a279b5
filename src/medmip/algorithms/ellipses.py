"""Groups as ellipses in a plane: where each lies and how far it reaches, without a single point."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
from scipy import stats

from medmip.fold.statistic import FloatArray

Spread = tuple[tuple[float, float], tuple[float, float]]
"""A covariance matrix in the plane."""

_TURNS = np.linspace(0.0, 2.0 * np.pi, 91)


def ellipses(
    groups: Sequence[tuple[str, Sequence[float], Spread]],
    share: float,
    axes: tuple[str, str],
    legend: str,
) -> Any:  # noqa: ANN401
    """A drawing with one ellipse a group (label, centre, covariance), both axes to one scale.

    Each holds this share of a normal distribution with that centre and covariance.
    """
    order = [label for label, _, _ in groups]
    outlines = [_outline(np.array(centre), np.array(spread), share) for _, centre, spread in groups]
    low, high = (end(np.vstack(outlines), axis=0) for end in (np.min, np.max))
    half = 0.53 * float((high - low).max())
    across, up = (
        alt.Scale(domain=[middle - half, middle + half], nice=False)
        for middle in ((low + high) / 2).tolist()
    )
    lines = [
        {"group": label, "turn": turn, "x": x, "y": y}
        for label, outline in zip(order, outlines, strict=True)
        for turn, (x, y) in enumerate(outline.tolist())
    ]
    centres = [
        {"group": label, "x": float(centre[0]), "y": float(centre[1])}
        for label, centre, _ in groups
    ]
    x = alt.X("x:Q", title=axes[0], scale=across, axis=alt.Axis(tickCount=6))
    y = alt.Y("y:Q", title=axes[1], scale=up, axis=alt.Axis(tickCount=6))
    colour = alt.Color("group:N", sort=order, title=legend, legend=alt.Legend(labelLimit=240))
    drawing: Any = alt.Chart(alt.Data(values=lines)).mark_line(strokeWidth=2).encode(
        x=x, y=y, color=colour, order="turn:Q"
    ) + alt.Chart(alt.Data(values=centres)).mark_point(filled=True, size=80, opacity=1).encode(
        x=x,
        y=y,
        color=colour,
        tooltip=[
            alt.Tooltip("group:N", title=legend.lower()),
            alt.Tooltip("x:Q", title=axes[0], format=".3f"),
            alt.Tooltip("y:Q", title=axes[1], format=".3f"),
        ],
    )
    return drawing.properties(width=400, height=400)


def _outline(centre: FloatArray, spread: FloatArray, share: float) -> FloatArray:
    """Points of an ellipse, (turns, 2)."""
    values, vectors = np.linalg.eigh(spread)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    reach = np.sqrt(stats.chi2.ppf(share, 2))
    outline: FloatArray = (
        centre + reach * np.column_stack([np.cos(_TURNS), np.sin(_TURNS)]) @ root.T
    )
    return outline
