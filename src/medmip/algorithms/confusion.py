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

    The colour is the share of the class; where counts of it are hidden, of those that are told.
    """
    whole = [sum(count or 0 for count in row) for row in counts]
    cells = [
        {
            "actual": labels[i],
            "given": labels[j],
            "told": str(shown(count, minimum)) if count is None else f"{count:,}",
            "share": None if count is None else 100 * count / max(whole[i], 1),
        }
        for i, row in enumerate(counts)
        for j, count in enumerate(row)
    ]
    base = alt.Chart(alt.Data(values=cells)).encode(
        x=alt.X("given:N", sort=list(labels), title="Classed as", axis=level_axis(labels, _STEP)),
        y=alt.Y("actual:N", sort=list(labels), title="Class", axis=alt.Axis(labelLimit=200)),
        tooltip=[
            alt.Tooltip("actual:N", title="class"),
            alt.Tooltip("given:N", title="classed as"),
            alt.Tooltip("told:N", title="records"),
            alt.Tooltip("share:Q", title="% of class", format=".1f"),
        ],
    )
    heat = (
        base.transform_filter("isValid(datum.share)")
        .mark_rect()
        .encode(
            color=alt.Color(
                "share:Q", title="% of class", scale=alt.Scale(scheme="blues", domain=[0, 100])
            )
        )
    )
    told = (
        base.transform_filter("isValid(datum.share)")
        .mark_text(fontSize=12)
        .encode(
            text="told:N",
            color=alt.condition("datum.share > 60", alt.value(ON_DARK), alt.value(ON_LIGHT)),
        )
    )
    hidden = (
        base.transform_filter("!isValid(datum.share)").mark_text(fontSize=12).encode(text="told:N")
    )
    drawing: Any = (heat + told + hidden).properties(width=alt.Step(_STEP), height=alt.Step(44))
    flat = [count for row in counts for count in row]
    words = f"Confusion matrix of {len(labels)} classes"
    if all(count is not None for count in flat):
        right = sum(row[i] or 0 for i, row in enumerate(counts))
        words += f", {100 * right / max(sum(whole), 1):.1f} % right"
    note = f"Numbers are records. {hidden_note(flat, minimum)}"
    return chart("Confusion matrix", drawing, words, note.strip())
