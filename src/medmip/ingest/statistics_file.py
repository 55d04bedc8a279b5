"""Files of SPSS, SAS and Stata: values as text, and what the program calls columns and codes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol, cast

import pyreadstat

from medmip.ingest.errors import IngestError
from medmip.ingest.text_table import TableWriter, TextTable, as_text

_ROWS_AT_ONCE = 20_000


class _Told(Protocol):
    """What a file tells of its columns."""

    column_names: list[str]
    column_labels: list[str | None]
    variable_value_labels: dict[str, dict[str | float, str]]


class _Reader(Protocol):
    def __call__(
        self,
        path: Path,
        /,
        *,
        metadataonly: bool = ...,
        row_offset: int = ...,
        row_limit: int = ...,
        output_format: Literal["dict"],
    ) -> tuple[dict[str, Iterable[object]], _Told]:
        """The columns' values, and what is told of them."""


_READERS = cast(
    "dict[str, _Reader]",
    {
        ".sav": pyreadstat.read_sav,
        ".zsav": pyreadstat.read_sav,
        ".por": pyreadstat.read_por,
        ".sas7bdat": pyreadstat.read_sas7bdat,
        ".xpt": pyreadstat.read_xport,
        ".dta": pyreadstat.read_dta,
    },
)


def read_statistics_file(path: Path, target: Path) -> TextTable:
    """The rows of a statistics program's file, the first case numbered 1.

    Codes stay codes (`1`, never its label); values that the program declares missing are missing;
    dates are ISO dates. Raises IngestError where the file is damaged.
    """
    reader = _READERS[path.suffix.lower()]
    try:
        _, told = reader(path, metadataonly=True, output_format="dict")
        names = tuple(told.column_names)
        with TableWriter(target, len(names)) as writer:
            line = 0
            while True:
                data, _ = reader(
                    path, row_offset=line, row_limit=_ROWS_AT_ONCE, output_format="dict"
                )
                columns = [list(data[name]) for name in names]
                count = len(columns[0]) if columns else 0
                for index in range(count):
                    line += 1
                    writer.row(line, [as_text(column[index]) or None for column in columns])
                if count < _ROWS_AT_ONCE:
                    break
    except (
        pyreadstat.ReadstatError,
        pyreadstat.PyreadstatError,
        UnicodeDecodeError,
        OverflowError,
    ):
        raise IngestError("The file is damaged, or not of its ending.", where=path.name) from None
    labels = {
        name: label for name, label in zip(names, told.column_labels or (), strict=False) if label
    }
    levels = {
        name: {str(as_text(code)): str(label) for code, label in codes.items()}
        for name, codes in told.variable_value_labels.items()
    }
    return TextTable(names, target, labels=labels, levels=levels)
