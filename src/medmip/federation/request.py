"""A cohort as the hub asks for it and a site reads it: names only, in the site's own data model."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET, Variable
from medmip.errors import MipError, RequestError
from medmip.federation.specification import CohortSpec
from medmip.store.engine import Partition
from medmip.store.filters import MAX_DEPTH, MAX_RULES, Filter, Rule
from medmip.store.visits import Visits

_MOST_GROUPS = 1000


class Unfit(RequestError):
    """A cohort that a site cannot make of its own data model."""

    title = "The site cannot make this cohort"


@dataclass(frozen=True)
class Named:
    """A variable by its code, and the digest of what values it may have."""

    code: str
    meaning: bytes


@dataclass(frozen=True)
class CohortRequest:
    """Whose records and which variables; see CohortSpec. used are all variables, defined once."""

    model: str
    longitudinal: bool
    datasets: tuple[str, ...]
    y: tuple[str, ...]
    x: tuple[str, ...]
    besides: tuple[str, ...]
    used: tuple[Named, ...]
    filter: Filter | None
    missing: Literal["drop", "keep"]
    partition: Partition | None
    visits: Visits | None
    adjustable: bool
    gaps: tuple[str, ...]
    keyed: bool

    @classmethod
    def of(cls, spec: CohortSpec) -> "CohortRequest":
        """What is told of a cohort; the model's own words stay at home."""
        codes = {variable.code: variable for variable in spec.variables}
        if spec.filter is not None:
            codes |= {code: spec.model.variable(code) for code in spec.filter.fields}
        if spec.visits is not None and spec.visits.time is not None:
            codes[spec.visits.time] = spec.model.variable(spec.visits.time)
        return cls(
            model=spec.model.key,
            longitudinal=spec.model.longitudinal,
            datasets=spec.datasets,
            y=tuple(variable.code for variable in spec.y),
            x=tuple(variable.code for variable in spec.x),
            besides=tuple(variable.code for variable in spec.besides),
            used=tuple(Named(code, meaning(codes[code])) for code in sorted(codes)),
            filter=spec.filter,
            missing=spec.missing,
            partition=spec.partition,
            visits=spec.visits,
            adjustable=spec.adjustable,
            gaps=spec.gaps,
            keyed=spec.keyed,
        )

    def spec(self, model: DataModel) -> CohortSpec:
        """The cohort in a site's own model; raises Unfit naming what differs."""
        if model.longitudinal != self.longitudinal:
            raise Unfit(f"{model.key} has another number of records a patient here than at the hub")
        if not self.datasets or len(set(self.datasets)) < len(self.datasets):
            raise Unfit("a cohort needs datasets, each of them once")
        known = {named.code: self._checked(model, named) for named in self.used}
        try:
            roles = [
                tuple(known[code] for code in codes) for codes in (self.y, self.x, self.besides)
            ]
        except KeyError as error:
            raise Unfit(f"{error.args[0]} is used without a definition") from None
        if self.filter is not None:
            _check_filter(self.filter, known)
        if not set(self.gaps) <= known.keys():
            raise Unfit("gaps names a variable that the cohort lacks")
        y, x, besides = roles
        spec = CohortSpec(
            model=model,
            datasets=self.datasets,
            y=y,
            x=x,
            filter=self.filter,
            missing=self.missing,
            partition=self._divided(model),
            visits=self._joined(model),
            adjustable=self.adjustable,
            besides=besides,
            gaps=self.gaps,
            keyed=self.keyed,
        )
        if spec.groups > _MOST_GROUPS:
            raise Unfit(f"a cohort is divided into {_MOST_GROUPS} groups at the most")
        return spec

    def _checked(self, model: DataModel, named: Named) -> Variable:
        try:
            variable = model.variable(named.code)
        except MipError as error:
            raise Unfit(error.what) from None
        if meaning(variable) != named.meaning:
            raise Unfit(
                f"{variable.label} ({named.code}) is defined otherwise here than at the hub, in "
                f"{model.key}",
                remedy="Bring both to the same version of the data model; other variables work.",
            )
        return variable

    def _divided(self, model: DataModel) -> Partition | None:
        part = self.partition
        if part is None:
            return None
        fits = part.patient == model.patient_column and part.folds >= 0
        if not fits or (part.stratum is not None and part.stratum not in (*self.y, *self.x)):
            raise Unfit("the cohort is divided by something that it lacks")
        return part

    def _joined(self, model: DataModel) -> Visits | None:
        if self.visits is None:
            return None
        joined = Visits.of(model, dict(self.visits.taken), self.visits.time)
        if joined != self.visits:
            raise Unfit(f"visits are told apart otherwise in {model.key} here than at the hub")
        return joined


def meaning(variable: Variable) -> bytes:
    """A digest of what makes two variables of one code the same: type, levels in order, unit."""
    levels = () if variable.code == DATASET else variable.levels
    told = (str(variable.type), levels, variable.units)
    return hashlib.sha256(repr(told).encode()).digest()


def _check_filter(filter_: Filter, known: dict[str, Variable]) -> None:
    rules = 0
    for rule, depth in _rules(filter_, 1):
        rules += 1
        if depth > MAX_DEPTH or rules > MAX_RULES:
            raise Unfit("the filter is larger than any that a person makes")
        if isinstance(rule, Filter):
            continue
        if rule.field not in known:
            raise Unfit(f"the filter uses {rule.field} without a definition")
        numeric = known[rule.field].is_numeric
        if any(isinstance(value, str) == numeric for value in rule.values):
            raise Unfit(f"the filter compares {rule.field} with what it cannot be")


def _rules(filter_: Filter, depth: int) -> Iterator[tuple[Rule | Filter, int]]:
    for rule in filter_.rules:
        yield rule, depth
        if isinstance(rule, Filter) and depth <= MAX_DEPTH:
            yield from _rules(rule, depth + 1)
