"""The nodes of a tree, and pictures of them."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict

from medmip.algorithms.names import Names
from medmip.algorithms.palette import QUIET
from medmip.algorithms.views import View, chart, table
from medmip.fold.statistic import FloatArray

_LEAVES = 16
"""Ends of the picture's branches at the most: of a larger tree the first part is drawn."""
_MOST_LEVELS = 3
"""Levels that a question names before it only counts them."""
_BOX, _BAR = 0.4, 0.3
"""Half a node's width and height, where depths and leaves are 1 apart."""
_LEVEL, _ROW = 190, 62
"""Pixels between depths, and between leaves."""


class TreeNode(BaseModel):
    """A node, told by the records in its leaves.

    variable, threshold and levels are the question of a node that has children: a record goes to
    `left` where its value is less than the threshold or its level among these, else to left + 1.
    counts are records by class; mean and sd (denominator n) are those of a numeric outcome.
    improvement is how much the question lowers the impurity, as a share of all records.
    """

    model_config = ConfigDict(frozen=True)

    node: int
    depth: int
    n: int
    impurity: float
    variable: str | None = None
    threshold: float | None = None
    levels: tuple[str, ...] = ()
    left: int | None = None
    improvement: float = 0.0
    counts: tuple[int, ...] = ()
    mean: float | None = None
    sd: float | None = None


class Weight(BaseModel):
    """A covariate's share of all that the questions improved."""

    model_config = ConfigDict(frozen=True)

    variable: str
    importance: float


def shares(covariates: Sequence[str], weights: FloatArray) -> tuple[Weight, ...]:
    """The covariates by their share of the weights, the greatest first."""
    whole = float(weights.sum())
    held = weights / whole if whole > 0 else np.zeros(len(weights))
    return tuple(
        Weight(variable=covariates[index], importance=float(held[index]))
        for index in np.argsort(-held, kind="stable").tolist()
    )


def question(node: TreeNode, names: Names) -> tuple[str, str]:
    """What leads from a node to its left child, and what to its right."""
    code = node.variable or ""
    label = names.variable(code)
    if node.threshold is not None:
        return f"{label} < {node.threshold:.10g}", f"{label} ≥ {node.threshold:.10g}"
    told = [names.level(code, level) for level in node.levels]
    if len(told) == 1:
        return f"{label}: {told[0]}", f"{label}: not {told[0]}"
    words = ", ".join(told[:_MOST_LEVELS])
    if len(told) > _MOST_LEVELS:
        words += f" and {len(told) - _MOST_LEVELS} more"
    return f"{label} among {words}", f"{label} not among {words}"


def tree_chart(
    nodes: Sequence[TreeNode], outcome: str, classes: Sequence[str], names: Names
) -> View:
    """The picture of a tree: nodes with their records and outcome, branches with their answers."""
    deepest = _drawn_depth(nodes)
    drawn = [node for node in nodes if node.depth <= deepest]
    place = _places(nodes, deepest)
    boxes, links = [], []
    labels = [names.level(outcome, code) for code in classes]
    means = [node.mean for node in drawn if node.mean is not None]
    for node in drawn:
        x, y = float(node.depth), place[node.node]
        box: dict[str, object] = {"x": x - _BOX, "x2": x + _BOX, "y": y - _BAR, "y2": y + _BAR}
        box |= {"middle": x, "at": y, "told": _told(node, labels), "records": _records(node)}
        if node.left is not None and node.depth < deepest:
            yes, no = question(node, names)
            box["asked"] = f"{yes}?"
            links += [
                {"x": x + _BOX, "y": y, "x2": x + 1 - _BOX, "y2": place[child]}
                | {"middle": x + 0.5, "at": (y + place[child]) / 2, "answer": answer, "rule": rule}
                for child, answer, rule in ((node.left, "yes", yes), (node.left + 1, "no", no))
            ]
        boxes.append(box)
    drawing = _drawing(boxes, links, _shares_of(drawn, place, labels), bool(means))
    cut = deepest < max(node.depth for node in nodes)
    return chart(
        f"Tree for {names.variable(outcome)}",
        drawing,
        f"A tree of {sum(node.left is None for node in nodes)} leaves and depth "
        f"{max(node.depth for node in nodes)}; the first question is "
        f"{question(nodes[0], names)[0] if nodes[0].left is not None else 'none'}",
        "Yes leads to the upper branch."
        + (f" Only the first {deepest} questions of each way are drawn." if cut else ""),
    )


def _drawn_depth(nodes: Sequence[TreeNode]) -> int:
    deepest = max(node.depth for node in nodes)
    for depth in range(deepest, 0, -1):
        ends = sum(
            node.depth == depth or (node.depth < depth and node.left is None) for node in nodes
        )
        if ends <= _LEAVES:
            return depth
    return min(1, deepest)


def _places(nodes: Sequence[TreeNode], deepest: int) -> dict[int, float]:
    """Where each node stands from top to bottom: leaves one apart, a parent between children."""
    place: dict[int, float] = {}

    def stand(index: int, first: float) -> float:
        node = nodes[index]
        if node.left is None or node.depth == deepest:
            place[index] = first
            return first + 1
        following = stand(node.left + 1, stand(node.left, first))
        place[index] = (place[node.left] + place[node.left + 1]) / 2
        return following

    stand(0, 0.0)
    return place


def _told(node: TreeNode, labels: Sequence[str]) -> str:
    if node.mean is not None:
        return f"{node.mean:.4g}"
    return labels[int(np.argmax(node.counts))]


def _records(node: TreeNode) -> str:
    if node.mean is not None or not node.counts:
        return f"{node.n:,}"
    return f"{100 * max(node.counts) / node.n:.0f} % of {node.n:,}"


def _shares_of(
    drawn: Sequence[TreeNode], place: dict[int, float], labels: Sequence[str]
) -> list[dict[str, object]]:
    """The bar inside each box: shares of classes, side by side."""
    rows: list[dict[str, object]] = []
    for node in drawn:
        left, y = node.depth - _BOX, place[node.node]
        bars = list(zip(labels, node.counts, strict=True)) if node.counts else [("", node.n)]
        for label, count in bars:
            right = left + 2 * _BOX * count / node.n
            row: dict[str, object] = {"x": left, "x2": right, "y": y - _BAR, "y2": y + _BAR}
            rows.append(row | {"class": label, "records": count, "mean": node.mean})
            left = right
    return rows


def _drawing(
    boxes: list[dict[str, Any]],
    links: list[dict[str, Any]],
    bars: list[dict[str, object]],
    numeric: bool,
) -> Any:  # noqa: ANN401
    depths, leaves = (1 + max(float(box[key]) for box in boxes) for key in ("middle", "at"))
    across = alt.Scale(domain=[-0.5, depths - 0.5], nice=False, zero=False)
    down = alt.Scale(domain=[leaves - 0.3, -0.5], nice=False, zero=False)

    def x(name: str) -> Any:  # noqa: ANN401
        return alt.X(f"{name}:Q", axis=None, scale=across)

    def y(name: str) -> Any:  # noqa: ANN401
        return alt.Y(f"{name}:Q", axis=None, scale=down)

    base = alt.Chart(alt.Data(values=boxes))
    middle = {"x": x("middle"), "y": y("at")}
    corners = {"x": x("x"), "x2": "x2:Q", "y": y("y"), "y2": "y2:Q"}
    room = 2 * _BOX * _LEVEL
    colour: Any = (
        alt.Color("mean:Q", title="Mean", scale=alt.Scale(scheme="blues"))
        if numeric
        else alt.Color("class:N", title=None, sort=None, legend=alt.Legend(labelLimit=200))
    )
    layers: list[Any] = [
        alt.Chart(alt.Data(values=bars))
        .mark_rect(opacity=0.45)
        .encode(
            **corners,
            color=colour,
            tooltip=["mean:Q" if numeric else "class:N", "records:Q"],
        ),
        base.mark_rect(fillOpacity=0, stroke=QUIET).encode(**corners),
        base.mark_text(dy=-7, fontSize=11, fontWeight="bold", limit=room - 8).encode(
            **middle, text="told:N"
        ),
        base.mark_text(dy=8, fontSize=11).encode(**middle, text="records:N"),
    ]
    if links:
        lines = alt.Chart(alt.Data(values=links))
        layers = [
            lines.mark_rule(color=QUIET).encode(**corners),
            *layers,
            lines.mark_text(fontSize=10.5, dy=-6).encode(
                **middle, text="answer:N", tooltip=["rule:N"]
            ),
            base.transform_filter("isValid(datum.asked)")
            .mark_text(fontSize=11, fontStyle="italic", dy=_BAR * _ROW + 4, baseline="top")
            .encode(**middle, text="asked:N"),
        ]
    return (
        alt.layer(*layers)
        .properties(width=int(_LEVEL * depths), height=int(_ROW * (leaves + 0.2)))
        .configure_view(stroke=None)
    )


def importance_chart(weights: Sequence[Weight], names: Names) -> View:
    """Bars of the covariates' shares of all improvement."""
    rows = [
        {"variable": names.variable(part.variable), "share": 100 * part.importance}
        for part in weights
    ]
    order = [str(row["variable"]) for row in rows]
    drawing = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="% of all improvement"),
            y=alt.Y("variable:N", sort=order, title=None, axis=alt.Axis(labelLimit=240)),
            tooltip=["variable:N", alt.Tooltip("share:Q", format=".1f")],
        )
        .properties(width="container", height=alt.Step(22))
    )
    return chart(
        "Importance of covariates",
        drawing,
        "; ".join(f"{row['variable']}: {row['share']:.1f} %" for row in rows),
        "How much the questions about a covariate improve the prediction, as a share of all.",
    )


def importance_table(weights: Sequence[Weight], names: Names) -> View:
    """The covariates' shares of all improvement."""
    return table(
        "Importance",
        [("variable", "Covariate", "text"), ("share", "% of all improvement", "number")],
        [
            {"variable": names.variable(part.variable), "share": 100 * part.importance}
            for part in weights
        ],
    )
