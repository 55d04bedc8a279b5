"""An atlas' table: which label is which region, by the code of its common data element."""

import csv
import io
from collections import Counter
from enum import StrEnum
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medmip.imaging.errors import ImagingError

TOTALS = {
    "tiv": "Total intracranial volume",
    "csfglobal": "Cerebrospinal fluid",
    "greymattertotal": "Grey matter",
    "whitemattertotal": "White matter",
}
"""The codes of what is measured without an atlas, and their names."""
_NEUROMORPHOMETRICS = "neuromorphometrics"
_COLUMNS = ("label", "code", "name", "part")
_REMEDY = "The table is CSV with the columns label, code, name and part; see `docs/imaging.md`."


class Part(StrEnum):
    """What of a label counts: all of it, or its grey matter, white matter or fluid.

    A nucleus counts whole, and is grey matter even where it is as bright as white.
    """

    WHOLE = "whole"
    NUCLEUS = "nucleus"
    GREY = "grey"
    WHITE = "white"
    FLUID = "fluid"


class Region(BaseModel):
    """A line of the table; code is that of a common data element, or another of its form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: int = Field(ge=1, le=65_535)
    code: str = Field(pattern="^[a-z_][a-z0-9_]{0,99}$")
    name: str = Field(min_length=1, max_length=200)
    part: Part


def regions_of(path: Path) -> tuple[Region, ...]:
    """The regions of a table in CSV, in its order; raises ImagingError, naming the line."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise ImagingError("The atlas' table cannot be read.", remedy=_REMEDY) from None
    lines = csv.DictReader(io.StringIO(text))
    if set(lines.fieldnames or ()) != set(_COLUMNS):
        raise ImagingError("The atlas' table has other columns.", remedy=_REMEDY)
    found = []
    for number, line in enumerate(lines, 2):
        try:
            found.append(Region.model_validate(line))
        except ValidationError as error:
            wrong = ", ".join(sorted({str(one["loc"][0]) for one in error.errors()}))
            raise ImagingError(
                f"Line {number} of the atlas' table has no valid {wrong}.", remedy=_REMEDY
            ) from None
    if not found:
        raise ImagingError("The atlas' table names no region.", remedy=_REMEDY)
    _check_once([region.code for region in found] + list(TOTALS), "code")
    _check_once([str(region.label) for region in found], "label")
    return tuple(found)


def _check_once(values: list[str], what: str) -> None:
    again = [value for value, count in Counter(values).items() if count > 1]
    if again:
        raise ImagingError(
            f"The {what} {again[0]} stands twice in the atlas' table, or is that of a total.",
            remedy=f"Totals are {', '.join(TOTALS)}; every other {what} stands once.",
        )


def shipped_table(name: str) -> Path | None:
    """A table that comes with MIP, by its name; None where there is none of that name."""
    if name != _NEUROMORPHOMETRICS:
        return None
    return Path(str(files("medmip.imaging.shipped").joinpath(f"{name}.csv")))
