"""The header against the data model: columns are found by name, in any order."""

from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET
from medmip.ingest.report import Kind, Problem
from medmip.ingest.staging import Column

_SHOWN = 60


def columns_of(names: Sequence[str], model: DataModel) -> tuple[Column, ...]:
    """The file's columns in its order."""
    keys = key_names(model)
    variables = model.all_variables
    return tuple(
        Column(index, name, variables.get(name), is_key=name in keys)
        for index, name in enumerate(names)
    )


def key_names(model: DataModel) -> tuple[str, ...]:
    """The columns that tell whose record, which visit and which dataset a row is."""
    return tuple(filter(None, (model.patient_column, model.visit_column, DATASET)))


def header_problems(
    columns: Sequence[Column],
    model: DataModel,
    dataset: str | None,
    let_go: Collection[str] = (),
) -> Iterator[Problem]:
    """What is wrong with the header; columns named in let_go may be unknown to the model.

    Names are quoted only where at least one is a variable: a file without a header begins with
    a patient's values.
    """
    known = {*model.all_variables, *key_names(model)}
    names = [column.name for column in columns]
    if not known & set(names):
        yield Problem(
            kind=Kind.BAD_HEADER,
            rule=f"none of its {len(names)} columns is a variable of {model.key}; "
            "the first row must be the header, and the delimiter the right one",
            rows=(1,),
        )
        return
    yield from duplicates(names)
    for name in dict.fromkeys(names):
        if name not in known and name not in let_go:
            yield Problem(
                kind=Kind.UNKNOWN_COLUMN,
                column=shown(name),
                rule=_unknown(name, known, model),
                rows=(1,),
            )
    required = [name for name in key_names(model) if name != DATASET or dataset is None]
    for name in required:
        if name not in names:
            remedy = ", or name the dataset with --dataset" if name == DATASET else ""
            yield Problem(
                kind=Kind.MISSING_COLUMN, column=name, rule=f"the file needs this column{remedy}"
            )


def shown(name: str) -> str:
    """A column's name as it may be printed."""
    clean = "".join(character if character.isprintable() else "�" for character in name)
    return clean if len(clean) <= _SHOWN else f"{clean[: _SHOWN - 1]}…"


def duplicates(names: Sequence[str]) -> Iterator[Problem]:
    """A problem for each name that is there more than once, in whatever case."""
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(name.casefold(), []).append(name)
    for same in folded.values():
        if len(same) > 1 and same[0]:
            yield Problem(
                kind=Kind.DUPLICATE_COLUMN,
                column=shown(same[0]),
                rule="the header has this column more than once"
                + ("" if len(set(same)) == 1 else ", in upper and lower case"),
                count=len(same),
                rows=(1,),
            )


def _unknown(name: str, known: set[str], model: DataModel) -> str:
    if not name:
        return "a column without a name, as a delimiter at the end of each row makes"
    folded = {code.casefold(): code for code in known}
    near = get_close_matches(name.casefold(), folded, n=1, cutoff=0.7)
    hint = f"; did you mean {folded[near[0]]}?" if near else ""
    return f"no variable of {model.key}{hint}"
