"""A result's values as a page shows them: the same as in the portal."""

from typing import get_args

from pydantic import JsonValue

from medmip.algorithms.views import Format, Table, TableColumn

_FORMATS: dict[str, Format] = {name: name for name in get_args(Format)}


def shown_value(value: JsonValue, form: Format) -> str:
    """A table's cell: rounded to read, with true minus signs; empty where there is no value."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return _rounded(value, form).replace("-", "−")


def format_of(row: dict[str, JsonValue], column: TableColumn) -> Format:
    """The format of a row's cell: the row's own one goes before that of a column of numbers."""
    own = _FORMATS.get(str(row.get("format")))
    return own if column.format == "number" and own else column.format


def cells(table: Table) -> list[list[str]]:
    """Every row of a table as text."""
    return [
        [shown_value(row.get(column.key), format_of(row, column)) for column in table.columns]
        for row in table.rows
    ]


def _rounded(value: float, form: Format) -> str:
    if form == "integer":
        return f"{value:,.0f}"
    if form == "pvalue":
        return "< 0.0001" if value < 1e-4 else f"{value:.4f}"
    size = abs(value)
    if value == 0:
        return "0"
    if size >= 1e7 or size < 1e-4:
        return f"{value:.3e}"
    if float(value).is_integer():
        return f"{value:,.0f}"
    if size >= 1000:
        return f"{value:,.1f}"
    short = f"{value:#.4g}"
    # Zeros at the end tell of digits that were measured; a plain 0.95 has none.
    return f"{value:g}" if float(short) == value else short
