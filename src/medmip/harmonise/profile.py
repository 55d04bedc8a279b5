"""What a column's name, label and values tell of it, for suggestions; no value is kept beyond
the codes of a short list.
"""

import re
from dataclasses import dataclass, field
from statistics import median

from medmip.ingest.session import Session, literal
from medmip.ingest.source_table import SourceTable

MOST_CODES = 30
_SAMPLE = 20_000
_NUMBER = re.compile(r"[+-]?\d*[.,]?\d+(?:[eE][+-]?\d+)?")
FORMATS = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y%m%d", "%d-%m-%Y")


@dataclass(frozen=True)
class Profile:
    """One column: how many of its first cells hold something, and of which kind.

    numbers is whether all are numbers, comma whether with a decimal comma; codes are its values
    where they are few; date is the format of all, empty where they are no dates.
    """

    name: str
    label: str = ""
    unit: str = ""
    filled: int = 0
    numbers: bool = False
    comma: bool = False
    least: float = 0.0
    middle: float = 0.0
    most: float = 0.0
    date: str = ""
    codes: tuple[str, ...] = ()
    code_labels: dict[str, str] = field(default_factory=dict)


def profiles(session: Session, source: SourceTable) -> list[Profile]:
    """Each column of a file, by its first rows."""
    file = literal(str(source.table.file))
    found = []
    for index, name in enumerate(source.table.names):
        cells = [
            str(row[0])
            for row in session.rows(
                f"SELECT c{index} FROM read_parquet({file}) "
                f"WHERE c{index} IS NOT NULL LIMIT {_SAMPLE}"
            )
        ]
        found.append(
            profile(
                name,
                cells,
                source.table.labels.get(name, ""),
                code_labels=dict(source.table.levels.get(name, {})),
            )
        )
    return found


def profile(
    name: str,
    cells: list[str],
    label: str = "",
    unit: str = "",
    code_labels: dict[str, str] | None = None,
) -> Profile:
    """What a column's cells tell of it."""
    numbers = bool(cells) and all(_NUMBER.fullmatch(cell) for cell in cells)
    comma = numbers and any("," in cell for cell in cells)
    values = [float(cell.replace(",", ".")) for cell in cells] if numbers else []
    different = set(cells)
    return Profile(
        name=name,
        label=label,
        unit=unit,
        filled=len(cells),
        numbers=numbers,
        comma=comma,
        least=min(values, default=0.0),
        middle=median(values) if values else 0.0,
        most=max(values, default=0.0),
        date=_date_format(cells),
        codes=tuple(sorted(different)) if len(different) <= MOST_CODES else (),
        code_labels=code_labels or {},
    )


_SHAPES = {
    "%Y-%m-%d": re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ].*)?"),
    "%d.%m.%Y": re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})"),
    "/": re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})"),
    "%d-%m-%Y": re.compile(r"(\d{1,2})-(\d{1,2})-(\d{4})"),
}


def _date_format(cells: list[str]) -> str:
    """The one format that all cells have; days and months of 01/02/2020 by which exceeds 12."""
    for form, shape in _SHAPES.items():
        matches = [shape.fullmatch(cell) for cell in cells]
        if not cells or not all(matches):
            continue
        if form != "/":
            return form
        first = max(int(match[1]) for match in matches if match)
        return "%m/%d/%Y" if first <= 12 else "%d/%m/%Y"
    return ""
