"""Files that are no CSV, as tables of text: each format by its own reader."""

import os
from collections.abc import Callable
from pathlib import Path

from medmip.ingest.columnar import read_parquet
from medmip.ingest.errors import IngestError
from medmip.ingest.fhir import read_fhir
from medmip.ingest.formats import SUFFIXES, Format
from medmip.ingest.spreadsheet import read_sheet
from medmip.ingest.statistics_file import read_statistics_file
from medmip.ingest.text_table import TextTable

_MAGIC = {
    b"PAR1": Format.PARQUET,
    b"$FL2": Format.SPSS,
    b"$FL3": Format.SPSS,
    b"PK\x03\x04": Format.ZIP,
}
_TEXT = (Format.CSV, Format.FHIR)
_READERS: dict[Format, Callable[[Path, Path], TextTable]] = {
    Format.PARQUET: read_parquet,
    Format.SPSS: read_statistics_file,
    Format.SAS: read_statistics_file,
    Format.STATA: read_statistics_file,
    Format.FHIR: read_fhir,
}


def format_of(path: Path) -> Format:
    """The format that a file's name tells; CSV where the ending is none of ours.

    Raises IngestError where the first bytes are those of another format: a workbook named .csv
    would otherwise be read as damaged text.
    """
    suffix = path.suffix.lower()
    if suffix == ".xls":
        raise IngestError(
            "The old Excel format .xls is not read.",
            where=path.name,
            remedy="Save it as .xlsx or CSV.",
        )
    told = SUFFIXES.get(suffix, Format.CSV)
    with path.open("rb") as file:
        found = _MAGIC.get(file.read(4))
        file.seek(-min(4, path.stat().st_size), os.SEEK_END)
        # A column may be named PAR1; a Parquet file also ends so.
        if found is Format.PARQUET and file.read() != b"PAR1":
            found = None
    if found is not None and told in _TEXT:
        name = "an Excel workbook or a zip" if found is Format.ZIP else f"a {found} file"
        raise IngestError(
            f"It is {name}, but its name ends in “{suffix or 'nothing'}”.",
            where=path.name,
            remedy="Give it the ending of what it is.",
        )
    return told


def read_table(path: Path, kind: Format, target: Path, sheet: str | None) -> TextTable:
    """The rows of a file that is neither CSV nor zip, as text in the Parquet file target.

    Raises IngestError where the file is damaged, or a sheet is named and there is none.
    """
    if kind is Format.EXCEL:
        return read_sheet(path, target, sheet)
    if sheet is not None:
        raise IngestError("Only an Excel workbook has sheets.", where=path.name)
    return _READERS[kind](path, target)
