"""What a mapping fills: how often each variable, which codes it does not know, rows before and
after.

It may show codes and a few rows: it is for the person at the site who has the file before them,
and nothing of it is kept or leaves. Free text is never shown, nor a list of codes so long that it
is free text by its nature.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.harmonise.mapped import Mapped, mapped
from medmip.harmonise.mapping_file import MappingFile
from medmip.ingest.dialect import Options
from medmip.ingest.header import key_names
from medmip.ingest.identity import guarded, policy_in_force
from medmip.ingest.reading import Progress
from medmip.ingest.report import Report

MOST_CODES = 50
LONGEST_CODE = 40
"""What is longer, or more varied, is no code but text that somebody typed."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class UnmappedCode(_Part):
    """A code that no rule turns into a level, and in how many rows it stands."""

    code: str
    rows: int


class VariableCoverage(_Part):
    """How far one variable is filled.

    rejected counts its cells that break a rule; unmapped lists codes without a level, or is empty
    where hidden says how many different texts there are instead.
    """

    code: str
    label: str
    filled: int
    missing: int
    rejected: int
    unmapped: tuple[UnmappedCode, ...] = ()
    hidden: int = 0


class SampleRow(_Part):
    """One row: where it comes from, codes before the mapping, and the values that it makes."""

    file: str
    row: int
    before: dict[str, str | None]
    after: dict[str, str | None]


class Coverage(_Part):
    """The whole: the audit's report, each variable that is filled, and what stays empty or unused.

    empty are variables of the model that the mapping does not fill; unread are columns of the
    files that it neither reads nor ignores; unused files that no source names.
    """

    report: Report
    mapping: str
    variables: tuple[VariableCoverage, ...]
    empty: tuple[str, ...]
    unread: tuple[str, ...]
    unused: tuple[str, ...]
    sample: tuple[SampleRow, ...] = ()


def coverage(
    paths: Sequence[Path],
    mapping: MappingFile,
    model: DataModel,
    dataset: str | None = None,
    options: Options | None = None,
    *,
    sample: int = 0,
    home: Home | None = None,
    report: Path | None = None,
    progress: Progress | None = None,
) -> Coverage:
    """What a mapping makes of files, without publishing; sample is how many rows are shown.

    Raises MappingError, IngestError.
    """
    with mapped(paths, mapping, model, dataset, options, home=home, progress=progress) as made:
        filled = {column.code for column in made.filled}
        codes = made.reading.report.datasets
        policies = [policy_in_force(home, model.key, code) for code in codes]
        return Coverage(
            report=guarded(made.reading, policies).listed(home, report),
            mapping=mapping.mapping.name,
            variables=_variables(made),
            empty=tuple(code for code in model.all_variables if code not in filled),
            unread=_unread(made, mapping),
            unused=made.gathered.unused,
            sample=_sample(made, sample, model) if sample else (),
        )


def _variables(made: Mapped) -> tuple[VariableCoverage, ...]:
    session = made.reading.session
    assert session is not None
    counts = session.rows(
        "SELECT "
        + ", ".join(f"count(c{index})" for index in range(len(made.filled)))
        + " FROM staged"
    )[0]
    rejected: dict[int, int] = {
        int(str(place)): int(str(rows))
        for place, rows in session.rows(
            "SELECT place, count(DISTINCT k) FROM problem "
            "WHERE place IS NOT NULL AND k IS NOT NULL GROUP BY place"
        )
    }
    found = []
    records = made.reading.report.records
    for index, column in enumerate(made.filled):
        unmapped, hidden = _unmapped(made, index)
        filled = int(str(counts[index]))
        found.append(
            VariableCoverage(
                code=column.code,
                label=column.variable.label if column.variable else column.code,
                filled=filled,
                missing=records - filled,
                rejected=rejected.get(index, 0),
                unmapped=unmapped,
                hidden=hidden,
            )
        )
    return tuple(found)


def _unmapped(made: Mapped, index: int) -> tuple[tuple[UnmappedCode, ...], int]:
    """Codes of cells without a level: those before a list of codes, else the cells themselves."""
    column, session = made.filled[index], made.reading.session
    assert session is not None
    variable = column.variable
    if not column.raw and not (variable and variable.is_nominal and variable.levels):
        return (), 0
    text = f"r{index}" if column.raw else f"c{index}"
    among = (
        f"FROM staged SEMI JOIN (SELECT k FROM problem WHERE place = {index} "
        f"AND kind IN ('unmapped value', 'unknown level')) AS bad USING (k) "
        f"WHERE {text} IS NOT NULL"
    )
    different, longest = session.rows(
        f"SELECT count(DISTINCT {text}), coalesce(max(len({text})), 0) {among}"
    )[0]
    number = int(str(different))
    if number > MOST_CODES or int(str(longest)) > LONGEST_CODE:
        return (), number
    rows = session.rows(f"SELECT {text}, count(*) {among} GROUP BY 1 ORDER BY 2 DESC, 1")
    return tuple(UnmappedCode(code=str(code), rows=int(str(count))) for code, count in rows), 0


def _unread(made: Mapped, mapping: MappingFile) -> tuple[str, ...]:
    """Columns that the mapping's text does not name, so that they were not kept."""
    ignored = {name.casefold() for name in mapping.mapping.ignored}
    return tuple(
        f"{table.file}: {name}"
        for tables in made.gathered.tables.values()
        for table in tables
        for name in table.left_out
        if name.casefold() not in ignored
    )


def _sample(made: Mapped, number: int, model: DataModel) -> tuple[SampleRow, ...]:
    """Rows spread over the whole; free texts and keys are not shown."""
    session = made.reading.session
    assert session is not None
    shown = [
        index
        for index, column in enumerate(made.filled)
        if column.code not in key_names(model)
        and column.variable is not None
        and (column.variable.is_numeric or column.variable.is_nominal)
    ]
    cells = "".join(
        f", c{index}" + (f", r{index}" if made.filled[index].raw else ", NULL") for index in shown
    )
    step = max(1, made.reading.report.records // number)
    rows = session.rows(
        f"SELECT o{cells} FROM staged WHERE (k - 1) % {step} = 0 ORDER BY k LIMIT {int(number)}"
    )
    found = []
    for origin, *values in rows:
        place = int(str(origin))
        after = values[0::2]
        before = values[1::2]
        codes = [made.filled[index].code for index in shown]
        found.append(
            SampleRow(
                file=made.gathered.files[place >> 40],
                row=place & ((1 << 40) - 1),
                before={
                    code: _text(value)
                    for code, value, index in zip(codes, before, shown, strict=True)
                    if made.filled[index].raw
                },
                after={code: _text(value) for code, value in zip(codes, after, strict=True)},
            )
        )
    return tuple(found)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
