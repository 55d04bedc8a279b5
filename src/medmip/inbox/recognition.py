"""Which data model and mapping a file is for, told by its name and its columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET
from medmip.harmonise.mapping_file import SHIPPED, MappingFile, shipped_mapping
from medmip.harmonise.matching import matches
from medmip.harmonise.profile import Profile
from medmip.inbox.item import Choice, ModelFit, TableSketch

HARMONISED = ("harmonized_clinical_data.csv", "harmonised_clinical_data.csv")
"""The name that hospitals give a file whose columns are the model's already."""

_LEAST_NAMES = 3
"""Columns of a file that a shipped mapping must name: a file's name alone may be a coincidence."""


@dataclass(frozen=True)
class Recognised:
    """The models that fit, best first, and the choice that needs no person, if there is one."""

    fits: tuple[ModelFit, ...]
    choice: Choice | None


def recognised(
    columns: Sequence[Sequence[Profile]],
    tables: Sequence[TableSketch],
    models: Sequence[DataModel],
) -> Recognised:
    """What a file is for.

    A single table of which at least half the columns, and those that say whose record a row is,
    are a model's is read as it is; files that a shipped mapping's sources name, through it.
    """
    fits = _fits(columns, models)
    if len(tables) == 1:
        names = [column.name for column in tables[0].columns]
        whole = _whole(names, fits, {model.key: model for model in models})
        if whole is not None:
            return Recognised(fits, Choice(model=whole))
    for name in SHIPPED:
        mapping = shipped_mapping(name)
        model = _model_for(mapping, models)
        if model is not None and _is_for(mapping, tables):
            return Recognised(fits, Choice(model=model, mapping=name))
    return Recognised(fits, None)


def is_harmonised(name: str) -> bool:
    """Whether a file has the name by which hospitals say that nothing is left to be mapped."""
    return name.casefold() in HARMONISED


def _fits(
    columns: Sequence[Sequence[Profile]], models: Sequence[DataModel]
) -> tuple[ModelFit, ...]:
    """The table with most columns alike speaks for a model."""
    found = []
    for model in models:
        variables = model.all_variables
        keys = {key for key in (model.patient_column, model.visit_column) if key}
        best = (0, 0, 0)
        for table in columns:
            alike = {match.variable.code for match in matches(table, model)}
            exact = sum(column.name in variables for column in table)
            best = max(best, (len(alike), exact, len(keys & alike) - len(keys)))
        if any(best[:2]):
            fit = ModelFit(model=model.key, columns=best[0], exact=best[1])
            # Of models that fit alike: the one whose records can be told apart, then the one
            # with fewest variables, which says most.
            order = (-best[1], -best[0], -best[2], len(variables), model.key)
            found.append((order, fit))
    return tuple(fit for _, fit in sorted(found, key=lambda pair: pair[0]))


def _whole(
    names: Sequence[str], fits: Sequence[ModelFit], models: dict[str, DataModel]
) -> str | None:
    for fit in fits:
        model = models[fit.model]
        keys = [key for key in (model.patient_column, model.visit_column) if key]
        if all(key in names for key in keys) and 2 * fit.exact >= len(set(names) - {DATASET}):
            return fit.model
    return None


def _model_for(mapping: MappingFile, models: Sequence[DataModel]) -> str | None:
    """The smallest model that has every variable of a mapping."""
    filled = {code for code in mapping.mapping.columns if code != DATASET}
    able = [model for model in models if filled <= set(model.all_variables)]
    able.sort(key=lambda model: (len(model.all_variables), model.key))
    return able[0].key if able else None


def _is_for(mapping: MappingFile, tables: Sequence[TableSketch]) -> bool:
    """Whether each source that must be there is, by its file's name and some of its columns."""
    text = mapping.content.decode().casefold()
    named = [
        table.file.casefold()
        for table in tables
        if sum(column.name.casefold() in text for column in table.columns)
        >= min(_LEAST_NAMES, len(table.columns))
    ]
    return all(
        source.optional or any(fnmatchcase(file, source.file.casefold()) for file in named)
        for source in mapping.mapping.sources.values()
    )
