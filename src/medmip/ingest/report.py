"""What is wrong with a file: kinds of problem, where, how often; never a patient's value."""

from collections import Counter
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from medmip.ingest.dialect import Dialect

FIRST = 20
"""Rows shown of each problem; the report file has all of them."""


class Kind(StrEnum):
    """The rule that a file or a row of it breaks."""

    EMPTY_FILE = "empty file"
    BAD_ENCODING = "bad encoding"
    NUL_BYTE = "NUL byte"
    ENDLESS_ROW = "endless row"
    BAD_HEADER = "bad header"
    DUPLICATE_COLUMN = "duplicate column"
    UNKNOWN_COLUMN = "unknown column"
    MISSING_COLUMN = "missing column"
    NO_RECORDS = "no records"
    UNBALANCED_QUOTE = "unbalanced quote"
    AMBIGUOUS_DECIMAL = "ambiguous decimal"
    DIRECT_IDENTIFIER = "direct identifier"
    NOT_A_DATE = "not a date"
    RAGGED_ROW = "ragged row"
    BAD_QUOTE = "bad quote"
    BAD_ROW = "bad row"
    SWALLOWED_ROWS = "swallowed rows"
    EMPTY_PATIENT = "empty patient"
    EMPTY_VISIT = "empty visit"
    EMPTY_DATASET = "empty dataset"
    OTHER_DATASET = "other dataset"
    DATASET_NAME = "dataset name"
    WRONG_TYPE = "wrong type"
    FRACTION = "fraction"
    NOT_FINITE = "not finite"
    BELOW_MINIMUM = "below minimum"
    ABOVE_MAXIMUM = "above maximum"
    UNKNOWN_LEVEL = "unknown level"
    UNMAPPED_VALUE = "unmapped value"
    UNKNOWN_UNIT = "unknown unit"
    SEVERAL_VALUES = "several values"
    DUPLICATE_PATIENT = "duplicate patient"

    @property
    def is_of_file(self) -> bool:
        """Whether it concerns the file as a whole, so that no row can be set aside for it."""
        return self in _OF_FILE


_OF_FILE = frozenset(list(Kind)[: list(Kind).index(Kind.RAGGED_ROW)])


class Problem(BaseModel):
    """One rule that one column, or the file, breaks.

    count is the number of places, rows the first 20 of them as the file numbers rows: a header is
    row 1. Kinds that concern the file may have no rows. file is named where several were read.
    """

    model_config = ConfigDict(frozen=True)

    kind: Kind
    column: str | None = None
    rule: str
    count: int = 1
    rows: tuple[int, ...] = ()
    file: str | None = None

    def __str__(self) -> str:
        places = ", ".join(filter(None, (self.file, self.column)))
        column = f"{places}: " if places else ""
        if not self.rows:
            return f"{column}{self.rule}"
        more = f" and {self.count - len(self.rows):,} more" if self.count > len(self.rows) else ""
        rows = ", ".join(str(row) for row in self.rows)
        return f"{column}{self.rule} (row{'s' if self.count > 1 else ''} {rows}{more})"


class Report(BaseModel):
    """What a check found.

    records counts the file's rows below the header but for blank ones; columns are those of the
    file in its order; patients those of the rows that could be read; written is the file that
    lists every problem.
    """

    model_config = ConfigDict(frozen=True)

    file: str
    model: str
    dialect: Dialect
    columns: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    records: int = 0
    blank: int = 0
    problems: tuple[Problem, ...] = ()
    written: Path | None = None

    @property
    def clean(self) -> bool:
        return not self.problems

    @property
    def blocked(self) -> bool:
        """Whether a problem concerns the file as a whole, so that nothing can be set aside."""
        return any(problem.kind.is_of_file for problem in self.problems)

    def counts(self) -> Counter[Kind]:
        """How often each kind of problem was found."""
        counter: Counter[Kind] = Counter()
        for problem in self.problems:
            counter[problem.kind] += problem.count
        return counter
