"""A mapping proposed from files: what a person begins with, every guess with its score."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.variable import DATASET
from medmip.harmonise.errors import MappingError
from medmip.harmonise.gathering import candidates
from medmip.harmonise.matching import Match, matches
from medmip.harmonise.profile import Profile, profile, profiles
from medmip.harmonise.relation import quoted
from medmip.harmonise.star import STARS, Star
from medmip.ingest.dialect import Options
from medmip.ingest.session import Session, literal
from medmip.ingest.source_table import SourceTable, read_source
from medmip.ingest.work import work_folder


class SuggestedMatch(BaseModel):
    """A column or concept, the variable proposed for it or None, the score, and why."""

    model_config = ConfigDict(frozen=True)

    column: str
    variable: str | None
    score: float
    why: str


class Suggestion(BaseModel):
    """The proposed mapping as YAML, and every column with what was thought of it."""

    model_config = ConfigDict(frozen=True)

    yaml: str
    matches: tuple[SuggestedMatch, ...]


def suggest(paths: Sequence[Path], model: DataModel, *, home: Home | None = None) -> Suggestion:
    """A mapping for a flat file, or for the tables of i2b2, OMOP or FHIR.

    Of several flat files the one with most matches is taken. The proposal is for a person to
    read: scores and doubts stand in comments. Raises IngestError; MappingError where no column
    is like any variable.
    """
    with work_folder(home) as work:
        files = candidates(paths, work)
        sources = []
        for index, file in enumerate(files):
            folder = work / f"f{index}"
            folder.mkdir()
            sources.append(read_source(file, folder, Options()))
        session = Session(work, "512MB")
        try:
            for star in STARS:
                tables = star.tables(sources)
                if tables is not None:
                    return _of_star(session, star, tables, model)
            return _of_flat(session, sources, model)
        finally:
            session.close()


def _of_flat(session: Session, sources: Sequence[SourceTable], model: DataModel) -> Suggestion:
    best: tuple[SourceTable, list[Profile], list[Match]] | None = None
    for source in sources:
        columns = profiles(session, source)
        found = matches(columns, model)
        if best is None or len(found) > len(best[2]):
            best = (source, columns, found)
    if best is None or not best[2]:
        raise MappingError(
            f"No column is like any variable of {model.key}.",
            remedy="Begin from a shipped mapping: mip harmonise list",
        )
    source, columns, found = best
    lines = _head(f"Suggested for {source.file}", model)
    comma = ", decimal: comma" if any(column.comma for column in columns) else ""
    sheet = f", sheet: {_yaml(source.table.sheet)}" if source.table.sheet else ""
    lines += ["sources:", f"  export: {{file: {_yaml(source.file)}{sheet}{comma}}}"]
    lines += ["rows: {from: export}", "columns:"]
    for match in found:
        lines += _target(match, _yaml(match.profile.name))
    lines += _ages(columns, found, model)
    lines += _keys(found, model)
    taken = {match.profile.name for match in found}
    left = [column.name for column in columns if column.name not in taken]
    if left:
        names = ", ".join(_yaml(name) for name in left)
        lines += ["# Nothing was found for these; say so where they are left out on purpose:"]
        lines += [f"# ignored: [{names}]"]
    return Suggestion(yaml="\n".join(lines) + "\n", matches=_told(columns, found))


def _of_star(
    session: Session, star: Star, tables: dict[str, list[SourceTable]], model: DataModel
) -> Suggestion:
    """A fact for each concept that is like a variable."""
    concepts = []
    keys: dict[str, tuple[str, str]] = {}
    for concept in star.concepts(session, tables):
        name = f"{concept.code} {concept.label}".strip()
        concepts.append(profile(name, concept.cells, concept.label or concept.code, concept.unit))
        keys[name] = (concept.code, concept.unit)
    found = [m for m in matches(concepts, model) if m.variable.code not in star.own_columns]
    lines = _head(star.name, model) + star.yaml_head()
    for match in found:
        code, unit = keys[match.profile.name]
        lines.append(star.yaml_fact(f"f_{match.variable.code}", code, match.variable.is_numeric))
        if unit and match.variable.is_numeric:
            lines.append(star.yaml_unit(f"u_{match.variable.code}", code))
    lines += star.yaml_columns(model)
    for match in found:
        _, unit = keys[match.profile.name]
        lines += _target(match, f"f_{match.variable.code}", f"u_{match.variable.code}" * bool(unit))
    return Suggestion(yaml="\n".join(lines) + "\n", matches=_told(concepts, found))


def _head(name: str, model: DataModel) -> list[str]:
    return [
        f"# Suggested for {model.key}: read every line before it is used. Scores are from 0 to 1.",
        'mapping: "1"',
        f"name: {_yaml(name)}",
    ]


def _target(match: Match, column: str, unit_column: str = "") -> list[str]:
    """A variable's lines: where it comes from, its unit or its codes, and the doubts."""
    variable = match.variable
    comment = f"  # {match.score:.2f}: {match.why}"
    if match.codes or (variable.is_nominal and variable.levels and match.profile.codes):
        same = all(code == level for code, level in match.codes)
        if same and len(match.codes) == len(match.profile.codes):
            return [f"  {variable.code}: {column}{comment}"]
        codes = ", ".join(f"{_yaml(code)}: {_yaml(level)}" for code, level in match.codes)
        known = {code for code, _ in match.codes}
        open_ = [code for code in match.profile.codes if code not in known]
        lines = [f"  {variable.code}: {{column: {column}, codes: {{{codes}}}}}{comment}"]
        if not codes:
            lines = [f"  # {variable.code}: {{column: {column}, codes: {{}}}}{comment}"]
        if open_:
            levels = ", ".join(variable.levels)
            number = f"{len(open_)} code{'s' if len(open_) > 1 else ''}"
            lines.append(f"    # {number} without a level; levels are {levels}")
        return lines
    if unit_column and match.unit:
        unit = f"{{column: {unit_column}, known: [{_yaml(match.unit)}]}}"
        return [f"  {variable.code}: {{column: {column}, unit: {unit}}}{comment}"]
    if match.unit and match.unit != variable.units:
        unit = _yaml(match.unit)
        return [f"  {variable.code}: {{column: {column}, unit: {unit}}}{comment}"]
    return [f"  {variable.code}: {column}{comment}"]


def _ages(columns: Sequence[Profile], found: Sequence[Match], model: DataModel) -> list[str]:
    """Ages from a date of birth and another date, where no column holds them."""
    dates = [column for column in columns if column.date]
    born = [
        c for c in dates if any(w in c.name.casefold() for w in ("birth", "dob", "geb", "naiss"))
    ]
    seen = [column for column in dates if column not in born]
    filled = {match.variable.code for match in found}
    if len(born) != 1 or not seen:
        return []
    first, second = (
        f"date_of({quoted(column.name)}, {literal(column.date)})" for column in (born[0], seen[0])
    )
    lines = []
    for code, function in (("subjectageyears", "full_years"), ("subjectage", "years_between")):
        if code in model.all_variables and code not in filled:
            text = f"{function}({first}, {second})"
            text = f"round({text}, 2)" if function == "years_between" else text
            lines.append(f"  {code}: {{expression: {_yaml(text)}}}  # from {seen[0].name}")
    return lines


def _keys(found: Sequence[Match], model: DataModel) -> list[str]:
    filled = {match.variable.code for match in found}
    keys = [key for key in (model.patient_column, model.visit_column) if key]
    return [
        f"  # {key}: the column that says whose record a row is, a pseudonym"
        for key in keys
        if key not in filled and key != DATASET
    ]


def _told(columns: Sequence[Profile], found: Sequence[Match]) -> tuple[SuggestedMatch, ...]:
    by_column = {match.profile.name: match for match in found}
    told = []
    for column in columns:
        match = by_column.get(column.name)
        told.append(
            SuggestedMatch(
                column=column.name,
                variable=match.variable.code if match else None,
                score=match.score if match else 0.0,
                why=match.why if match else "like nothing in the model",
            )
        )
    return tuple(sorted(told, key=lambda match: (-match.score, match.column)))


def _yaml(text: str) -> str:
    """A text as a scalar of YAML, in double quotes where it needs any."""
    plain = text.replace("_", "").replace("-", "").isalnum() and text[0] not in "-"
    if plain and text.isascii():
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in escaped) + '"'
