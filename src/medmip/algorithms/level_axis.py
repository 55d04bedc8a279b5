"""The axis below a chart that names levels: tilted only where there is no room."""

import json
import textwrap
from collections.abc import Sequence

import altair as alt

WIDTH = 640
"""Pixels that a chart as wide as its place may count on."""
_LETTER = 6.1
"""Pixels of a letter, on average."""
_LINES = 3


def level_axis(labels: Sequence[str], step: float | None = None, *, limit: int = 200) -> alt.Axis:
    """The axis of these labels; step is each one's room in pixels, by default a share of WIDTH.

    Labels are broken between words into lines; where a word or the lines find no room, all are
    tilted and cut at limit pixels.
    """
    room = int((step or WIDTH / max(len(labels), 1)) / _LETTER)
    lines = {label: textwrap.wrap(label, room, break_long_words=False) for label in labels if room}
    if len(lines) == len(set(labels)) and all(_fits(part, room) for part in lines.values()):
        if all(len(part) <= 1 for part in lines.values()):
            return alt.Axis(labelAngle=0, labelLimit=limit)
        return alt.Axis(
            labelAngle=0, labelLimit=limit, labelExpr=f"({json.dumps(lines)})[datum.label]"
        )
    return alt.Axis(labelAngle=-40, labelLimit=limit)


def _fits(lines: Sequence[str], room: int) -> bool:
    return len(lines) <= _LINES and all(len(line) <= room for line in lines)
