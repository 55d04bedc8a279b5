"""Excel workbooks: one sheet as a table, its rows numbered as Excel numbers them."""

import re
import zipfile
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from medmip.ingest.errors import IngestError
from medmip.ingest.text_table import TableWriter, TextTable, as_text
from medmip.ingest.unpacking import refuse_bomb

MAXIMUM_CELLS = 100_000_000
"""Of the rectangle around a sheet's cells, which the reader holds in memory."""
_MAXIMUM_BYTES = 4 * 2**30
_CHUNK = 1 << 22
_CELL = re.compile(rb'<c [^>]*?r="([A-Z]{1,3})([0-9]{1,7})"')


def read_sheet(path: Path, target: Path, sheet: str | None) -> TextTable:
    """A workbook's sheet as a table at target.

    sheet, a name or a pattern such as `20*`, may be left out where only one sheet holds cells.

    The first row that holds anything is the header. Cells are the values that Excel last showed,
    never formulas. Raises IngestError where the workbook is damaged or too large, or the sheet is
    not there or not named and there are several.
    """
    _refuse_large(path)
    try:
        with CalamineWorkbook.from_path(path) as book:
            found = _sheet(book, path, sheet)
            rows = enumerate(_rows(found), 1)
            names = _header(rows)
            with TableWriter(target, len(names)) as writer:
                for line, row in rows:
                    cells = [as_text(value) or None for value in row]
                    if any(cells[len(names) :]):
                        raise IngestError(
                            f"Row {line} has a cell beyond the last named column.",
                            where=f"{path.name}, sheet {found.name}",
                            remedy="Name the column in the header row, or empty the cell.",
                        )
                    writer.row(line, cells[: len(names)])
    except CalamineError:
        raise IngestError("The workbook is damaged, or no .xlsx file.", where=path.name) from None
    return TextTable(names, target, found.name)


def _header(rows: Iterable[tuple[int, list[object]]]) -> tuple[str, ...]:
    """The first row that holds anything, without empty cells at its end."""
    for _, row in rows:
        names = [(as_text(name) or "").strip() for name in row]
        while names and not names[-1]:
            names.pop()
        if names:
            return tuple(names)
    return ()


def _rows(sheet: CalamineSheet) -> Iterator[list[object]]:
    """Every row from the first of the sheet; calamine leaves out empty columns to the left."""
    for row in sheet.iter_rows():
        yield list(row)


def _sheet(book: CalamineWorkbook, path: Path, name: str | None) -> CalamineSheet:
    names = book.sheet_names
    if name is not None:
        name = next((known for known in names if fnmatchcase(known, name)), name)
        if name not in names:
            raise IngestError(
                f"The workbook has no sheet “{name}”.",
                where=path.name,
                remedy=f"Its sheets are {', '.join(names)}.",
            )
        return book.get_sheet_by_name(name)
    filled = [found for found in map(book.get_sheet_by_name, names) if found.height]
    if len(filled) > 1:
        raise IngestError(
            f"The workbook has {len(filled)} sheets with cells.",
            where=path.name,
            remedy="Say which with --sheet: " + ", ".join(found.name for found in filled) + ".",
        )
    return filled[0] if filled else book.get_sheet_by_index(0)


def _refuse_large(path: Path) -> None:
    """A sheet's rectangle is held whole: two cells far apart would fill the memory."""
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_bomb(archive, path, _MAXIMUM_BYTES)
            for member in archive.namelist():
                if member.startswith("xl/worksheets/") and member.endswith(".xml"):
                    _refuse_wide(archive, member, path)
    except (zipfile.BadZipFile, NotImplementedError, EOFError):
        raise IngestError("The workbook is damaged, or no .xlsx file.", where=path.name) from None


def _refuse_wide(archive: zipfile.ZipFile, member: str, path: Path) -> None:
    width = height = 0
    rest = b""
    with archive.open(member) as file:
        while data := file.read(_CHUNK):
            text = rest + data
            cells = _CELL.findall(text)
            for letters in {letters for letters, _ in cells}:
                number = 0
                for letter in letters:
                    number = number * 26 + letter - 64
                width = max(width, number)
            height = max([height, *(int(row) for row in {row for _, row in cells})])
            rest = text[-64:]
    if width * height > MAXIMUM_CELLS:
        raise IngestError(
            f"A sheet reaches to row {height:,} and column {width:,}: too many cells.",
            where=path.name,
            remedy="Delete what stands far out, or save the sheet as CSV.",
        )
