"""Tables as pandas DataFrames, where pandas is there."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from medmip.client.errors import ClientError

if TYPE_CHECKING:
    import pandas as pd


def frame_of(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str] | None = None
) -> "pd.DataFrame":
    """Rows by column as a DataFrame; raises ClientError where pandas is not installed."""
    try:
        import pandas as pd  # noqa: PLC0415 - it is large, and optional
    except ImportError:
        raise ClientError(
            "Tables need pandas, which is not installed here",
            remedy="Install it: pip install 'medmip[notebook]'",
        ) from None
    return pd.DataFrame(list(rows), columns=None if columns is None else list(columns))


def html_of(frame: "pd.DataFrame") -> str:
    """A DataFrame as an HTML table, its text escaped and its numbers rounded to read."""
    return str(_rounded(frame).to_html(index=False, border=0, escape=True))


def text_of(frame: "pd.DataFrame") -> str:
    """A DataFrame as lines of text, its numbers rounded to read."""
    return str(_rounded(frame).to_string(index=False))


def _rounded(frame: "pd.DataFrame") -> "pd.DataFrame":
    return frame.astype(object).where(frame.notna(), None).map(_shown)


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) < 1e7 else f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return str(value)
