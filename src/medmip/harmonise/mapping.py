"""A mapping: how files of any shape become the rows of a data model."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from medmip.ingest.dialect import MISSING, Options

Name = Annotated[str, Field(min_length=1, max_length=200)]
TableName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,60}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Source(_Part):
    """A file, or several of one shape, by the pattern of their names such as `Patient*.ndjson`.

    decimal says which mark `number` reads; the rest overrides what is detected. An optional
    source that is not there is an empty table of the named columns.
    """

    file: Name
    sheet: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    quote: Literal["double", "single", "none"] | None = None
    decimal: Literal["point", "comma"] = "point"
    missing: tuple[str, ...] = MISSING
    optional: bool = False
    columns: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _columns_of_optional(self) -> Self:
        if self.optional and not self.columns:
            raise ValueError("an optional source names its columns")
        return self

    def options(self) -> Options:
        """How the file is read; raises ValueError."""
        quotes: dict[str, Literal['"', "'", ""]] = {"double": '"', "single": "'", "none": ""}
        return Options(
            sheet=self.sheet,
            delimiter=self.delimiter,
            encoding=self.encoding,
            quote=quotes[self.quote] if self.quote else None,
            missing=self.missing,
        )


class Join(_Part):
    """Another table's columns beside each row, where the columns in `on` are equal.

    on is {column here: column there}; there must be at most one row there.
    """

    table: TableName
    on: Annotated[dict[Name, Name], Field(min_length=1)]


class Take(StrEnum):
    """Which of several values of a fact counts."""

    ONLY = "only"
    FIRST = "first"
    LAST = "last"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"


class Fact(_Part):
    """A value from the rows of another table that belong to a row: a long table's made wide.

    where chooses rows by their texts; order is what first and last mean; only refuses rows that
    differ.
    """

    table: TableName
    on: Annotated[dict[Name, Name], Field(min_length=1)]
    where: str = ""
    value: Name
    take: Take = Take.ONLY
    order: str = ""

    @model_validator(mode="after")
    def _order_given(self) -> Self:
        if self.take in (Take.FIRST, Take.LAST) and not self.order:
            raise ValueError(f"take: {self.take} needs an order")
        return self


class OnePer(_Part):
    """One row of those that are equal in these columns: the first or last by order."""

    columns: Annotated[tuple[Name, ...], Field(min_length=1)]
    take: Literal["first", "last"] = "first"
    order: Name


class Table(_Part):
    """Rows made of a source or another table, in this order: visits, join, where, one_per, facts.

    visits makes a row for each visit out of one row's columns: {visit: {name: column}}. The
    column `visit` then holds the visit; a visit none of whose cells holds anything is no row.
    """

    table: TableName = Field(alias="from")
    visits: dict[Name, dict[Name, str]] = {}
    join: tuple[Join, ...] = ()
    where: str = ""
    one_per: OnePer | None = None
    facts: dict[TableName, Fact] = {}

    @model_validator(mode="after")
    def _visits_alike(self) -> Self:
        if len({frozenset(names) for names in self.visits.values()}) > 1:
            raise ValueError("every visit names the same columns; give what it lacks as ''")
        return self


class Unit(_Part):
    """The unit of a source's numbers: `from`, or the one that a column names for each row.

    to is the unit of the result, by default the data model's; molar_mass in g/mol turns amounts
    of substance into masses; known are the units that the column may name.
    """

    source: str = Field("", alias="from")
    column: str = ""
    known: tuple[str, ...] = ()
    to: str = ""
    molar_mass: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if bool(self.source) == bool(self.column):
            raise ValueError("a unit is either `from` or a `column` that names it")
        if self.column and not self.known:
            raise ValueError("a column of units says which are known")
        return self


def _named(value: object) -> object:
    return {"from": value} if isinstance(value, str) else value


def _column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class Target(_Part):
    """What fills a variable: a column, an expression or a constant.

    codes turns the source's codes into the model's; others is for codes that are not listed, ''
    for missing; default is for what is missing.
    """

    column: str = ""
    expression: str = ""
    constant: str = ""
    unit: Annotated[Unit | None, BeforeValidator(_named)] = None
    codes: dict[str, str] = {}
    others: str | None = None
    default: str | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if [bool(self.column), bool(self.expression), bool(self.constant)].count(True) != 1:
            raise ValueError("exactly one of column, expression and constant is given")
        if self.others is not None and not self.codes:
            raise ValueError("others needs codes")
        if self.unit and self.codes:
            raise ValueError("a variable has either a unit or codes")
        return self


class Mapping(_Part):
    """The whole: sources, tables made of them, the rows that are published, and their columns.

    ignored are columns that are left out on purpose, so that the coverage report is silent.
    """

    mapping: Literal["1"]
    name: Name
    description: str = ""
    sources: Annotated[dict[TableName, Source], Field(min_length=1)]
    tables: dict[TableName, Table] = {}
    rows: Table
    columns: Annotated[dict[Name, Annotated[Target, BeforeValidator(_column)]], Field(min_length=1)]
    ignored: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        twice = set(self.sources) & set(self.tables)
        if twice:
            raise ValueError(f"both a source and a table are named {', '.join(sorted(twice))}")
        return self
