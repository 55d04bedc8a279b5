"""How a result is shown: tables and Vega-Lite charts, the same in portal, client and report."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, JsonValue

Format = Literal["number", "integer", "pvalue", "text"]
HIDDEN = "hidden"
"""What stands for a suppressed count: one kept back beside a small one may be large."""


class TableColumn(BaseModel):
    """One column of a table; format tells how its numbers are written."""

    model_config = ConfigDict(frozen=True)

    key: str
    label: str
    format: Format = "number"


class Table(BaseModel):
    """A table of a result; a suppressed count is the text `hidden`.

    A row's own key `format`, where it has one, goes before the format of a number's column.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["table"] = "table"
    title: str
    note: str = ""
    columns: tuple[TableColumn, ...]
    rows: tuple[dict[str, JsonValue], ...]


class Chart(BaseModel):
    """A chart of a result: a Vega-Lite specification with its data inside.

    alt says in words what the picture shows, for those who cannot see it.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["chart"] = "chart"
    title: str
    note: str = ""
    alt: str
    spec: dict[str, JsonValue]


View = Table | Chart


def table(
    title: str,
    columns: Sequence[tuple[str, str, Format]],
    rows: Sequence[Mapping[str, object]],
    note: str = "",
) -> Table:
    """A table from (key, label, format) columns and rows by key, of plain or NumPy scalars."""
    return Table(
        title=title,
        note=note,
        columns=tuple(
            TableColumn(key=key, label=label, format=form) for key, label, form in columns
        ),
        rows=tuple({key: plain(row.get(key)) for key, _, _ in columns} for row in rows),
    )


def facts(title: str, rows: Sequence[tuple[str, object, Format]], note: str = "") -> Table:
    """A table of measures, each row (label, value, format) with a format of its own."""
    return Table(
        title=title,
        note=note,
        columns=(
            TableColumn(key="measure", label="Measure", format="text"),
            TableColumn(key="value", label="Value"),
        ),
        rows=tuple(
            {"measure": label, "value": plain(value), "format": form} for label, value, form in rows
        ),
    )


def chart(title: str, drawing: Any, alt: str, note: str = "") -> Chart:  # noqa: ANN401
    """A chart from an Altair drawing.

    `mip algorithm check` holds each to Vega-Lite's schema; to do so at every run would double what
    a picture costs.
    """
    return Chart(title=title, note=note, alt=alt, spec=drawing.to_dict(validate=False))


def plain(value: object) -> JsonValue:
    """A value as JSON can hold it; not-a-number becomes null, infinities their names."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if np.isnan(value):
            return None
        if np.isinf(value):
            return "∞" if value > 0 else "−∞"
        return value
    raise TypeError(f"A table cell cannot hold {type(value).__name__}")


def shown(count: int | None) -> int | str:
    """A count as a person sees it: `hidden` where it was suppressed, small or not."""
    return HIDDEN if count is None else count


def hidden_note(counts: Iterable[int | None], minimum: int) -> str:
    """What `hidden` says, where a count is suppressed."""
    if all(count is not None for count in counts):
        return ""
    return f"{HIDDEN}: fewer than {minimum} patients, or what would tell of so few."


def unmasked(counts: np.ndarray[Any, Any]) -> list[int | None]:
    """A vector of counts with None where the guard masked a cell."""
    return [None if value is np.ma.masked else int(value) for value in np.ma.asarray(counts)]
