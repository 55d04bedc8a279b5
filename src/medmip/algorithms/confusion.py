"""A confusion matrix as a picture."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from medmip.algorithms.views import View, chart


def confusion_chart(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> View:
    """Shares of each class (rows) by given class (columns); counts is (k, k)."""
    cells = [
        {"actual": labels[i], "given": labels[j], "share": 100 * count / max(sum(row), 1)}
        for i, row in enumerate(counts)
        for j, count in enumerate(row)
    ]
    axis = alt.Axis(labelLimit=200)
    base = alt.Chart(alt.Data(values=cells)).encode(
        x=alt.X("given:N", sort=list(labels), title="Classed as", axis=axis),
        y=alt.Y("actual:N", sort=list(labels), title="Class", axis=axis),
    )
    heat = base.mark_rect().encode(
        color=alt.Color(
            "share:Q", title="% of class", scale=alt.Scale(scheme="blues", domain=[0, 100])
        )
    )
    numbers = base.mark_text(fontSize=12).encode(
        text=alt.Text("share:Q", format=".0f"),
        color=alt.condition("datum.share > 60", alt.value("white"), alt.value("#222")),
    )
    drawing: Any = (heat + numbers).properties(width=alt.Step(90), height=alt.Step(44))
    right = sum(row[i] for i, row in enumerate(counts))
    share = 100 * right / max(sum(map(sum, counts)), 1)
    return chart(
        "Confusion matrix",
        drawing,
        f"Confusion matrix of {len(labels)} classes, {share:.1f} % right",
        "Numbers are per cent of each class.",
    )
