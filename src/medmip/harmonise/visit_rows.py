"""A row for each visit out of a wide table, in SQL that DuckDB and PostgreSQL read alike."""

from collections.abc import Mapping

from medmip.harmonise.relation import Field, Relation
from medmip.store.sql_session import literal


def visit_rows(
    base: Relation, name: str, visits: Mapping[str, Mapping[str, str]], where: str
) -> tuple[str, tuple[Field, ...]]:
    """The query of a relation's visits and its columns; those that no visit names stay as they are.

    visits tells for each visit which column fills each alias, none where it is empty; name is the
    table that they are of where the relation has no column. Raises MappingError.
    """
    aliases = list(next(iter(visits.values())))
    selects = []
    for visit, names in visits.items():
        cells = [
            base.find(names[alias], "", f"{where}.{visit}.{alias}").sql
            if names[alias]
            else "NULL::text"
            for alias in aliases
        ]
        given = ", ".join(f"{cell} AS w{index}" for index, cell in enumerate(cells))
        some = " OR ".join(f"{cell} IS NOT NULL" for cell in cells)
        selects.append(
            f"SELECT *, {literal(visit)}::text AS visit_, {given} FROM {base.name} WHERE {some}"
        )
    table = base.fields[0].table if base.fields else name
    comma = any(field.comma for field in base.fields)
    more = [Field("visit", table, "visit_")]
    more += [Field(alias, table, f"w{i}", comma) for i, alias in enumerate(aliases)]
    hidden = {alias.casefold() for alias in ["visit", *aliases]}
    kept = [field for field in base.fields if field.name.casefold() not in hidden]
    return " UNION ALL ".join(selects), (*more, *kept)
