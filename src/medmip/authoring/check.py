"""What every algorithm must hold, tried on generated cohorts."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import altair as alt
import jsonschema
import numpy as np
from pydantic import ValidationError

from medmip.algorithms.declaration import Algorithm, CannotCompute, Result
from medmip.algorithms.names import Names
from medmip.algorithms.role import Roles
from medmip.algorithms.views import Chart, Table
from medmip.authoring.analysis import OPEN, cohort_of, model_of
from medmip.errors import MipError
from medmip.fold.adjustment import Adjustment
from medmip.fold.block import Block
from medmip.fold.cohort import CohortSize, Transport
from medmip.fold.statistic import Statistic, field_kinds
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy

State = TypeVar("State")
S = TypeVar("S", bound=Statistic)

RECORDS = 600
TOLERANCE = 1e-7
"""How far, relative to a figure, a split cohort's may differ: iterations may end a step apart."""
_NUMERIC = ("v1", "v2", "v3", "v4")
_NOMINAL = {"c1": ("a", "b"), "c2": ("k", "l", "m"), "c3": ("s", "t")}
_FEW = 7


@dataclass(frozen=True)
class Check:
    """One demand: what it is, and what is wrong where it is not met."""

    demand: str
    problem: str | None = None

    @property
    def passed(self) -> bool:
        return self.problem is None


@dataclass
class Trial:
    """An algorithm on generated columns, with roles and parameters that its declaration takes."""

    algorithm: Algorithm[Any, Any]
    data: dict[str, Any] = field(default_factory=dict)
    y: tuple[str, ...] = ()
    x: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, algorithm: Algorithm[Any, Any], records: int = RECORDS) -> "Trial":
        """Columns of a fixed seed; roles take as few variables as they may, or two."""
        trial = cls(algorithm, _columns(records, visits=3 if algorithm.repeated else 1))
        numeric, nominal = list(_NUMERIC), list(_NOMINAL)
        fields = algorithm.parameters.model_json_schema().get("properties", {}).values()
        by_level = {field["level_of"] for field in fields if "level_of" in field}
        trial.y = _chosen(algorithm.y, numeric, nominal, by_level="y" in by_level)
        trial.x = _chosen(algorithm.x, numeric, nominal, by_level="x" in by_level)
        trial.parameters = _required(algorithm, algorithm.places(trial.y, trial.x))
        return trial

    def run(
        self,
        policy: Policy = OPEN,
        released: set[type[Statistic]] | None = None,
        **options: Any,  # noqa: ANN401
    ) -> Result:
        """The result under a policy; options as cohort_of. Raises what the algorithm raises.

        released, where given, collects the kinds of statistics that left the sites.
        """
        data = options.pop("data", self.data)
        levels = {code: values for code, values in _NOMINAL.items() if code in data}
        cohort = cohort_of(
            data,
            y=self.y,
            x=self.x,
            missing=self.algorithm.missing,
            levels=levels,
            policy=policy,
            datasets=["one", "two"],
            **options,
        )
        if released is not None:
            cohort = replace(cohort, transport=_Watched(cohort.transport, released))
        result: Result = self.algorithm.run(cohort, self.algorithm.parameters(**self.parameters))
        return result


def check(algorithm: Algorithm[Any, Any]) -> list[Check]:
    """Every demand, met or not, in the order in which an author would mend them."""
    trial = Trial.of(algorithm)
    demands: list[tuple[str, Callable[[Trial], str | None]]] = [
        ("It runs on a generated cohort", _runs),
        ("Its result is JSON, read back as it was", _is_json),
        ("Its views are tables and described charts", _has_views),
        ("Splitting over 2, 3 and 10 sites, also lop-sided, changes nothing", _split),
        ("Every field that leaves a site is declared and guarded", _guarded),
        ("A cohort below the minimum is refused", _refuses_few),
        ("Missing values neither stop nor poison it", _takes_missing),
        ("A constant variable gets an answer in words or in finite figures", _constant),
        ("A wrong parameter is refused by name", _wrong_parameter),
    ]
    found = []
    for demand, tried in demands:
        try:
            found.append(Check(demand, tried(trial)))
        except MipError as error:
            found.append(Check(demand, f"{type(error).__name__}: {error}"))
        except Exception as error:  # noqa: BLE001 - whatever an author's code raises is the finding
            found.append(Check(demand, f"{type(error).__name__}: {error}"))
        if not found[0].passed:
            break
    return found


def _columns(records: int, visits: int = 1) -> dict[str, Any]:
    """Columns of made-up patients with so many visits each."""
    rng = np.random.default_rng(20)
    common = rng.normal(size=records)
    data: dict[str, Any] = {
        code: np.round(np.exp(0.3 * (rng.normal(size=records) + 0.5 * common)) * 10, 2)
        for code in _NUMERIC
    }
    for code, levels in _NOMINAL.items():
        lean = np.clip(np.floor((common + rng.normal(size=records) * 1.5) * 0.6 + 1), 0, None)
        data[code] = np.array(levels)[np.minimum(lean.astype(int), len(levels) - 1)]
    patient = np.arange(records) // visits
    data["dataset"] = np.where(patient % 3 == 0, "one", "two")
    if visits > 1:
        data["subjectid"] = np.array([f"P{index:05d}" for index in patient])
        data["visitid"] = np.array([f"V{index % visits}" for index in range(records)])
        own = rng.normal(size=records)[patient]
        data |= {code: np.round(data[code] * np.exp(0.2 * own), 2) for code in _NUMERIC}
    return data


def _chosen(
    roles: Roles, numeric: list[str], nominal: list[str], *, by_level: bool
) -> tuple[str, ...]:
    """Variables for roles: a numeric one and a nominal one in turn, where a role takes both.

    by_level: a nominal one comes first, for a parameter names a level of it.
    """
    pools: list[list[str]] = []
    for role in roles:
        both = ((numeric, "numeric"), (nominal, "nominal"))
        takes = [pool for pool, kind in both if kind in role.kinds.names]
        if by_level and not pools:
            takes = [nominal, *(pool for pool in takes if pool is not nominal)]
        number = max(role.minimum, min(role.maximum or 2, 2))
        pools += [takes[index % len(takes)] for index in range(number)]
    return tuple(pool.pop(0) for pool in pools)


def _required(algorithm: Algorithm[Any, Any], places: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    schema = algorithm.parameters.model_json_schema()
    chosen: dict[str, Any] = {}
    for name in schema.get("required", []):
        declared = schema["properties"][name]
        if "level_of" in declared:
            levels = _NOMINAL[places[declared["level_of"]][0]]
            chosen[name] = next(level for level in levels if level not in chosen.values())
        elif "enum" in declared:
            chosen[name] = declared["enum"][0]
        else:
            least = declared.get("minimum", declared.get("exclusiveMinimum", 1))
            chosen[name] = max(least + 1, 2)
    return chosen


def _runs(trial: Trial) -> str | None:
    trial.run()
    return None


def _is_json(trial: Trial) -> str | None:
    result = trial.run()
    text = result.model_dump_json()
    json.loads(text, parse_constant=_no_constant)
    again = type(result).model_validate_json(text)
    return None if again.model_dump_json() == text else "it reads back differently"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _has_views(trial: Trial) -> str | None:
    views = trial.run().views(Names.of(model_of(trial.data, _NOMINAL)))
    if not any(isinstance(view, Table) for view in views):
        return "no table shows the figures"
    for view in views:
        if isinstance(view, Chart) and not view.alt:
            return f"the chart {view.title!r} has no words for those who cannot see it"
        if isinstance(view, Chart) and not _is_drawable(view):
            return f"the chart {view.title!r} is no Vega-Lite specification"
        if isinstance(view, Table) and not view.rows:
            return f"the table {view.title!r} is empty"
    return None


def _is_drawable(view: Chart) -> bool:
    try:
        alt.Chart.from_dict(view.spec)
    except jsonschema.ValidationError:
        return False
    return True


def _split(trial: Trial) -> str | None:
    pooled = trial.run().model_dump()
    rows = np.arange(len(trial.data["dataset"]))
    patients = trial.data.get("subjectid", rows)
    each = np.unique(patients)
    ways = {f"over {sites} sites": np.array_split(each, sites) for sites in (2, 3, 10)}
    ways["over lop-sided sites"] = [each[:25], each[25:], each[:0]]
    for way, parts in ways.items():
        held = [np.flatnonzero(np.isin(patients, part)) for part in parts]
        split = trial.run(parts=held).model_dump()
        difference = _difference(pooled, split, "result")
        if difference is not None:
            return f"{way} {difference}"
    return None


def _difference(one: Any, other: Any, place: str) -> str | None:  # noqa: ANN401
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        parts = [_difference(one[key], other[key], f"{place}.{key}") for key in one]
    elif (
        isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other)
    ):
        pairs = enumerate(zip(one, other, strict=True))
        scale = max((abs(part) for part in one if isinstance(part, float)), default=0.0)
        parts = [
            None if _near(a, b, scale) else _difference(a, b, f"{place}[{index}]")
            for index, (a, b) in pairs
        ]
    else:
        return None if one == other or _near(one, other, 0.0) else f"{place} differs"
    return next((part for part in parts if part is not None), None)


def _near(one: Any, other: Any, scale: float) -> bool:  # noqa: ANN401
    if not isinstance(one, float) or not isinstance(other, float):
        return False
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE * max(scale, 1e-5))


def _guarded(trial: Trial) -> str | None:
    released: set[type[Statistic]] = set()
    trial.run(Policy(overlap="off"), released=released)
    if not released:
        return "it folds nothing"
    for statistic in released:
        try:
            field_kinds(statistic)
        except TypeError as error:
            return str(error)
    return None


@dataclass(frozen=True)
class _Watched:
    """A transport that remembers what kinds of statistics it carried."""

    transport: Transport
    released: set[type[Statistic]]

    def fold(self, kernel: Callable[[Block, State], S], state: State, cells: Sequence[str]) -> S:
        total = self.transport.fold(kernel, state, cells)
        self.released.add(type(total))
        return total

    def share(self, groups: tuple[int, ...]) -> tuple["_Watched", CohortSize]:
        transport, size = self.transport.share(groups)
        return _Watched(transport, self.released), size

    def adjusted(self, adjustments: tuple[Adjustment, ...]) -> "_Watched":
        return _Watched(self.transport.adjusted(adjustments), self.released)


def _refuses_few(trial: Trial) -> str | None:
    few = {code: values[:_FEW] for code, values in trial.data.items()}
    try:
        trial.run(Policy(overlap="off"), data=few)
    except Refused:
        return None
    return f"{_FEW} patients were analysed"


def _takes_missing(trial: Trial) -> str | None:
    rng = np.random.default_rng(3)
    holed = dict(trial.data)
    for code in (*trial.y, *trial.x):
        values = holed[code].astype(object)
        values[rng.random(len(values)) < 0.1] = None
        holed[code] = values.astype(float) if code in _NUMERIC else values
    result = trial.run(data=holed)
    poisoned = _endless(result.model_dump(), "result", _endless_places(trial))
    return None if poisoned is None else f"{poisoned} is not a number"


def _endless_places(trial: Trial) -> set[str]:
    found: set[str] = set()
    _collect(trial.run().model_dump(), "result", found)
    return found


def _collect(value: Any, place: str, found: set[str]) -> None:  # noqa: ANN401
    if isinstance(value, dict):
        for key, part in value.items():
            _collect(part, f"{place}.{key}", found)
    elif isinstance(value, list | tuple):
        for part in value:
            _collect(part, f"{place}[]", found)
    elif isinstance(value, float) and math.isnan(value):
        found.add(place)


def _endless(value: Any, place: str, allowed: set[str]) -> str | None:  # noqa: ANN401
    found: set[str] = set()
    _collect(value, place, found)
    return min(found - allowed, default=None)


def _constant(trial: Trial) -> str | None:
    for code in (*trial.y, *trial.x):
        values = trial.data[code]
        flat = np.full(len(values), 5.0) if code in _NUMERIC else np.full(len(values), values[0])
        try:
            trial.run(data=trial.data | {code: flat}).model_dump_json()
        except CannotCompute:
            continue
        except MipError as error:
            if error.status >= 500:
                return f"with {code} constant: {error}"
    return None


def _wrong_parameter(trial: Trial) -> str | None:
    try:
        trial.algorithm.parameters(**trial.parameters, no_such_parameter=1)
    except ValidationError:
        return None
    return "an unknown parameter is taken"
