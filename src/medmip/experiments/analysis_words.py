"""An analysis in words: its variables by role, its settings, what is done before and after it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from medmip.algorithms.declaration import Algorithm
from medmip.algorithms.imputation import Imputation, ImputationMethod
from medmip.algorithms.names import Names, written_unit
from medmip.algorithms.role import Role
from medmip.catalogue.variable import Variable
from medmip.experiments.longitudinal import Longitudinal
from medmip.experiments.preparation import Preparation
from medmip.experiments.request import Analysis, InputData
from medmip.experiments.validate import Folds, HoldOut, ValidationRequest

_MOST_LEVELS = 8
"""Levels of a variable that a sentence lists."""
_NEEDS = {"degree": "polynomials", "knots": "splines"}
"""Settings that say something only where another one is given."""


class Words:
    """The labels of a data model's variables, as sentences name them."""

    def __init__(self, variables: Iterable[Variable] = ()) -> None:
        self.known: Mapping[str, Variable] = {variable.code: variable for variable in variables}
        self.names = Names(self.known.values())

    def all(self, codes: Iterable[str]) -> str:
        """Variables by label, joined."""
        return listed([self.names.variable(code) for code in codes])

    def described(self, code: str) -> str:
        """A variable with its unit or its levels."""
        variable = self.known.get(code)
        name = self.names.variable(code)
        if variable is None:
            return name
        if variable.is_numeric:
            return f"{name} ({written_unit(variable.units)})" if variable.units else name
        levels = [level.label or level.code for level in variable.enumerations]
        return f"{name} ({', '.join(levels)})" if 0 < len(levels) <= _MOST_LEVELS else name


def listed(parts: Sequence[str]) -> str:
    """Parts as a sentence lists them: one, two and three."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def number(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun: 1 record, 2,000 records."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def roles_told(
    algorithm: Algorithm[Any, Any] | None, data: InputData, words: Words
) -> Iterator[str]:
    """A sentence for each role that has variables."""
    lists = {"y": data.y or (), "x": data.x or ()}
    if algorithm is None:
        for name, codes in lists.items():
            if codes:
                yield f"The variables of {name} were {listed([*map(words.described, codes)])}."
        return
    for roles, codes in ((algorithm.y, lists["y"]), (algorithm.x, lists["x"])):
        for role, part in zip(roles, roles.split(codes), strict=True):
            if part:
                yield _role_told(role, [words.described(code) for code in part])


def _role_told(role: Role, described: Sequence[str]) -> str:
    name = role.label.lower()
    if name == "with":
        return f"They were correlated with {listed(described)}."
    plural = name.endswith("s") and not name.endswith(("ss", "us", "is"))
    if plural and len(described) == 1:
        if role.maximum == 1:
            return f"The {name} were defined by {described[0]}."
        return f"The {name.removesuffix('s')} was {described[0]}."
    return f"The {name} {'were' if plural else 'was'} {listed(described)}."


def settings_told(
    algorithm: Algorithm[Any, Any], analysis: Analysis, data: InputData, words: Words
) -> list[str]:
    """Every setting of an analysis that says something, such as `confidence level: 0.95`."""
    places = algorithm.places(data.y or (), data.x or ())
    fields = algorithm.parameters.model_fields
    values = {
        name: analysis.parameters.get(name, None if field.is_required() else field.default)
        for name, field in fields.items()
        if name not in analysis.grid
    }
    told = []
    for name, value in values.items():
        if _is_nothing(value) or _is_nothing(values.get(_NEEDS.get(name, name))):
            continue
        extra = fields[name].json_schema_extra
        shown = _value(value, extra if isinstance(extra, dict) else {}, places, words)
        told.append(f"{_small(fields[name].title or spoken(name))}: {shown}")
    return told


def grid_told(algorithm: Algorithm[Any, Any] | None, analysis: Analysis) -> str:
    """The settings that were learnt, with the values that were tried; empty without any."""
    fields = {} if algorithm is None else algorithm.parameters.model_fields
    parts = []
    for name, values in analysis.grid.items():
        title = fields[name].title if name in fields else None
        tried = ", ".join(map(_plain, values))
        parts.append(f"{_small(title or spoken(name))} from {tried}")
    return listed(parts)


def spoken(name: str) -> str:
    """A name with underscores in words."""
    return name.replace("_", " ")


def preparation_told(
    preparation: Preparation, words: Words, cite: Mapping[str, str]
) -> Iterator[str]:
    """A sentence for each part; cite gives the marks of references after `combat` and others."""
    if preparation.longitudinal is not None:
        yield _joined_told(preparation.longitudinal, words)
    if preparation.imputation is not None:
        yield _imputation_told(preparation.imputation, words, cite)
    if preparation.combat is not None:
        combat = preparation.combat
        which = words.all(combat.variables) or "Every numeric outcome and covariate"
        bayes = "with" if combat.empirical_bayes else "without"
        kept = f", the effects of {words.all(combat.preserve)} preserved" if combat.preserve else ""
        yield (
            f"{which} {_were(combat.variables)} harmonised between the levels of "
            f"{words.names.variable(combat.batch)} by ComBat{cite.get('combat', '')}, {bayes} "
            f"empirical Bayes{kept}."
        )
    if preparation.standardise is not None:
        chosen = preparation.standardise.variables
        which = words.all(chosen) or "Every numeric covariate"
        yield f"{which} {_were(chosen)} standardised to mean 0 and standard deviation 1."


def _joined_told(part: Longitudinal, words: Words) -> str:
    order = words.names.variable(part.time) if part.time else "the order of visits"
    taken = [
        f"of {words.names.variable(one.variable)} the {one.how}"
        + (f" ({', '.join(one.visits)})" if one.visits else "")
        for one in part.taken
    ]
    others = "of all other variables the first value" if taken else "the first value of each"
    return (
        f"The visits of each patient were joined into one record, by {order}: "
        f"{listed([*taken, others])}."
    )


def _imputation_told(part: Imputation, words: Words, cite: Mapping[str, str]) -> str:
    which = words.all(part.variables) or "the covariates"
    how = {
        ImputationMethod.MEAN: "their mean or most frequent level",
        ImputationMethod.REGRESSION: "regression on the other covariates",
        ImputationMethod.MULTIPLE: (
            f"multiple imputation by chained equations{cite.get('imputation', '')} "
            f"({part.imputations} imputations of {part.iterations} iterations, seed {part.seed}), "
            f"and the results pooled by Rubin’s rules{cite.get('rubin', '')}"
        ),
    }[part.method]
    return f"Missing values of {which} were imputed by {how}."


def validation_told(validation: ValidationRequest, cite: str) -> str:
    """How predictions were judged, as a sentence; cite is the mark of its reference."""
    match validation:
        case Folds():
            return (
                f"Predictions were judged by {validation.folds}-fold cross-validation{cite}; a "
                f"keyed hash of the patient’s code and seed {validation.seed} made the folds."
            )
        case HoldOut():
            return (
                f"Predictions were judged on the dataset {validation.dataset}, which was held out "
                f"while the model was trained on the others{cite}."
            )
    return (
        "Predictions were judged on each dataset in turn, held out while the model was trained on "
        f"the others{cite}."
    )


def _were(codes: Sequence[str]) -> str:
    return "were" if len(codes) > 1 else "was"


def _is_nothing(value: object) -> bool:
    return value is None or value in ((), [], "")


def _small(title: str) -> str:
    """A title inside a sentence; names and symbols such as `C` and `L2` stay as they are."""
    first = title.split(" ", maxsplit=1)[0]
    return title[:1].lower() + title[1:] if first[1:].islower() and "'" not in first else title


def _value(
    value: object,
    extra: Mapping[str, Any],
    places: Mapping[str, Sequence[str]],
    words: Words,
) -> str:
    if isinstance(value, Enum):
        value = value.value
    if isinstance(labels := extra.get("labels"), dict) and str(value) in labels:
        return str(labels[str(value)]).split(": ")[0]
    if named := places.get(str(extra.get("level_of"))):
        return words.names.level(named[0], str(value))
    if isinstance(value, list | tuple):
        parts = [
            " × ".join(words.names.variable(str(code)) for code in part)
            if isinstance(part, list | tuple)
            else words.names.variable(str(part))
            for part in value
        ]
        return listed(parts)
    if "variable_of" in extra:
        return words.names.variable(str(value))
    return _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        value = value.value
    return f"{value:.10g}" if isinstance(value, float) else str(value)
