"""How a CSV file is written: what is detected, and what a person may say instead."""

import csv
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from medmip.ingest.formats import Format

Decimal = Literal[".", ","]

DELIMITERS = (",", ";", "\t", "|")
NO_QUOTE = ""
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null")
_NAMES = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "\\t": "\t"}
_FORMATS = {
    Format.EXCEL: "Excel",
    Format.PARQUET: "Parquet",
    Format.STATA: "Stata",
    Format.FHIR: "FHIR bulk export",
    Format.MAPPING: "through a mapping",
}
_QUOTED = r"(?:^|{delimiter}){quote}[^{quote}\n]*{quote}(?={delimiter}|$)"


class Options(BaseModel):
    """What a person says about a file; None is detected.

    missing are the cells that mean a missing value, unless a variable has such a level;
    quote is empty where the file has no quotes; sheet is a workbook's; memory bounds the reading
    engine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    delimiter: str | None = None
    encoding: str | None = None
    decimal: Decimal | None = None
    quote: Literal['"', "'", ""] | None = None
    missing: tuple[str, ...] = MISSING
    sheet: str | None = None
    memory: str = Field("1GB", pattern=r"^[1-9][0-9]*(MB|GB)$")

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str | None) -> str | None:
        if delimiter is None:
            return None
        delimiter = _NAMES.get(delimiter, delimiter)
        if len(delimiter) != 1 or delimiter.isalnum() or delimiter in "\"'\r\n\0.-_+ ":
            raise ValueError("a delimiter is one character, as `,` `;` tab or `|`")
        return delimiter


class Dialect(BaseModel):
    """How a file is written, detected or told; decimal is known once all cells are read.

    Only a CSV file has an encoding, marks and line ends; sheet is a workbook's.
    """

    model_config = ConfigDict(frozen=True)

    format: Format = Format.CSV
    sheet: str | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    decimal: Decimal = "."
    newline: str = "LF"

    @classmethod
    def of_table(cls, kind: Format, sheet: str | None) -> "Dialect":
        """That of a format which keeps cells apart by itself."""
        return cls(format=kind, sheet=sheet, delimiter="\t", quote="")

    def __str__(self) -> str:
        if self.format is not Format.CSV:
            name = _FORMATS.get(self.format, self.format.upper())
            return f"{name}, sheet {self.sheet}" if self.sheet else name
        named = {mark: name for name, mark in _NAMES.items() if len(name) > 2}
        quote = {'"': "double quotes", "'": "single quotes"}.get(self.quote, "no quotes")
        return (
            f"{self.encoding}, {named.get(self.delimiter, repr(self.delimiter))} between cells, "
            f"{quote}, decimal {'comma' if self.decimal == ',' else 'point'}, {self.newline}"
        )


@dataclass(frozen=True, slots=True)
class Head:
    """The first record of a file, and how many lines it takes."""

    delimiter: str
    quote: str
    names: tuple[str, ...]
    lines: int


def read_head(text: str, known: Collection[str], options: Options) -> Head | None:
    """The header of a file's beginning, lines ended by line feeds.

    The delimiter and quote are those that find most of the known names in it, then most names;
    None where the first record cannot be read.
    """
    delimiters = (options.delimiter,) if options.delimiter else DELIMITERS
    quotes: tuple[str, ...] = ('"',) if '"' in text.partition("\n")[0] else ('"', "'")
    if options.quote is not None:
        quotes = (options.quote,)
    heads = [
        head
        for quote in quotes
        for delimiter in delimiters
        if (head := _first_record(text, delimiter, quote)) is not None
    ]
    if not heads:
        return None
    best = max(heads, key=lambda head: (len({*head.names} & {*known}), len(head.names)))
    if options.quote is None and best.quote == '"' and _single_quoted(text, best.delimiter):
        return _first_record(text, best.delimiter, "'")
    return best


def _first_record(text: str, delimiter: str, quote: str) -> Head | None:
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        strict=True,
    )
    try:
        names: Sequence[str] = next(reader)
    except (csv.Error, StopIteration):
        return None
    return Head(delimiter, quote, tuple(name.strip() for name in names), reader.line_num)


def _single_quoted(text: str, delimiter: str) -> bool:
    """Whether cells are put in single quotes and none in double ones."""
    body = text.partition("\n")[2]
    found = {
        quote: re.findall(
            _QUOTED.format(delimiter=re.escape(delimiter), quote=quote), body, re.MULTILINE
        )
        for quote in ('"', "'")
    }
    return len(found["'"]) > body.count("\n") / 2 and not found['"']
