"""A confusion matrix as a picture."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from medmip.algorithms.level_axis import level_axis
from medmip.algorithms.palette import ON_DARK, ON_LIGHT
from medmip.algorithms.views import View, chart, hidden_note, shown

_STEP = 96


def confusion_chart(
    labels: Sequence[str], counts: Sequence[Sequence[int | None]], minimum: int
) -> View:
    """Records of each class (rows) by given class (columns); counts is (k, k), None where hidden.

    The colour is the share of the class; where some counts are hidden, the number of records.
    """
    flat = [count for row in counts for count in row]
    known = [count for count in flat if count is not None]
    whole = len(known) == len(flat)
    top = 100 if whole else max(known, default=1) or 1
    cells = [
        {
            "actual": labels[i],
            "given": labels[j],
            "told": str(shown(count)) if count is None else f"{count:,}",
            "weight": 100 * (count or 0) / max(sum(filter(None, row)), 1) if whole else count,
        }
        for i, row in enumerate(counts)
        for j, count in enumerate(row)
    ]
    title = "% of class" if whole else "Records"
    base = alt.Chart(alt.Data(values=cells)).encode(
        x=alt.X("given:N", sort=list(labels), title="Classed as", axis=level_axis(labels, _STEP)),
        y=alt.Y("actual:N", sort=list(labels), title="Class", axis=alt.Axis(labelLimit=200)),
        tooltip=[
            alt.Tooltip("actual:N", title="class"),
            alt.Tooltip("given:N", title="classed as"),
            alt.Tooltip("told:N", title="records"),
            alt.Tooltip("weight:Q", title=title, format=".1f"),
        ],
    )
    heat = (
        base.transform_filter("isValid(datum.weight)")
        .mark_rect()
        .encode(
            color=alt.Color(
                "weight:Q", title=title, scale=alt.Scale(scheme="blues", domain=[0, top])
            )
        )
    )
    told = (
        base.transform_filter("isValid(datum.weight)")
        .mark_text(fontSize=12)
        .encode(
            text="told:N",
            color=alt.condition(
                f"datum.weight > {0.6 * top}", alt.value(ON_DARK), alt.value(ON_LIGHT)
            ),
        )
    )
    hidden = (
        base.transform_filter("!isValid(datum.weight)").mark_text(fontSize=12).encode(text="told:N")
    )
    drawing: Any = (heat + told + hidden).properties(width=alt.Step(_STEP), height=alt.Step(44))
    words = f"Confusion matrix of {len(labels)} classes"
    if whole:
        right = sum(row[i] or 0 for i, row in enumerate(counts))
        words += f", {100 * right / max(sum(known), 1):.1f} % right"
    note = f"Numbers are records. {hidden_note(flat, minimum)}"
    return chart("Confusion matrix", drawing, words, note.strip())
