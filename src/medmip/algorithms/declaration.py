"""An algorithm's declaration: from it come form, check, help, schema and documentation."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import Role, Roles, roles_of
from medmip.algorithms.views import View
from medmip.errors import MipError
from medmip.fold.cohort import Cohort
from medmip.fold.model import Model


class Parameters(BaseModel):
    """Base of an algorithm's parameters; a field's title, description and bounds make its form."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Result(BaseModel, ABC):
    """Base of an algorithm's result: typed data with stable names, and its views."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    @property
    def ratio(self) -> str | None:
        """What e to a coefficient is called, such as an odds ratio; None where it means nothing."""
        return None

    @abstractmethod
    def views(self, names: Names = CODES) -> list[View]:
        """The tables and charts that show this result, in the words of names."""


class TrainedResult(Result, ABC):
    """Base of the result of an algorithm that predicts: it holds the model that it fitted."""

    model: Model


class CannotCompute(MipError):
    """The data do not determine an answer: constant columns, separation, no convergence."""

    title = "The analysis has no answer on these data"
    status = 422


P = TypeVar("P", bound=Parameters)
R = TypeVar("R", bound=Result)
V = TypeVar("V")

Question = Literal[
    "Describe", "Compare groups", "Relate variables", "Predict an outcome", "Find structure"
]


@dataclass(frozen=True)
class Algorithm(Generic[P, R]):
    """A declared algorithm.

    question groups it in the gallery; discloses is the sentence that a privacy officer reads;
    missing says whether records with a missing value are dropped or kept; repeated, that patients
    need several records each, as only longitudinal data models have them; method is what a paper
    calls it in a sentence, and citations are the references that it gives for it.
    """

    name: str
    label: str
    question: Question
    description: str
    discloses: str
    version: str
    y: Roles
    x: Roles
    missing: Literal["drop", "keep"]
    repeated: bool
    parameters: type[P]
    run: Callable[[Cohort, P], R]
    method: str
    citations: tuple[str, ...] = ()

    @property
    def result(self) -> type[R]:
        """The class of its results."""
        declared: type[R] = get_type_hints(self.run)["return"]
        return declared

    @property
    def predicts(self) -> bool:
        """Whether its result holds a model, which can be validated and applied."""
        return issubclass(self.result, TrainedResult)

    def places(self, y: Sequence[V], x: Sequence[V]) -> dict[str, tuple[V, ...]]:
        """The variables that parameters may name, by the list or role that they name them by."""
        found = {"y": tuple(y), "x": tuple(x)}
        for roles, values in ((self.y, y), (self.x, x)):
            for role, part in zip(roles, roles.split(values), strict=True):
                found[role.name] = part
        return found

    def __call__(self, cohort: Cohort, parameters: P) -> R:
        return self.run(cohort, parameters)


def algorithm(
    name: str,
    *,
    label: str,
    question: Question,
    description: str,
    discloses: str,
    parameters: type[P],
    y: Role | Iterable[Role] | None,
    x: Role | Iterable[Role] | None = None,
    missing: Literal["drop", "keep"] = "drop",
    repeated: bool = False,
    version: str = "1.0",
    method: str = "",
    citations: Sequence[str] = (),
) -> Callable[[Callable[[Cohort, P], R]], Algorithm[P, R]]:
    """Declares the function that drives an algorithm; the registry finds the declaration.

    Several roles in y or x share that list of a request, each in its turn. A method that is not
    given is the label in small letters. Raises ValueError where a parameter names variables of a
    role that there is not.
    """

    def declare(run: Callable[[Cohort, P], R]) -> Algorithm[P, R]:
        declared = Algorithm(
            name,
            label,
            question,
            description,
            discloses,
            version,
            roles_of(y),
            roles_of(x),
            missing,
            repeated,
            parameters,
            run,
            method or label[:1].lower() + label[1:],
            tuple(citations),
        )
        _check_places(declared)
        return declared

    return declare


def _check_places(declared: Algorithm[Any, Any]) -> None:
    known = {"y", "x", *(role.name for role in (*declared.y, *declared.x))}
    for name, field in declared.parameters.model_fields.items():
        extra = field.json_schema_extra
        if not isinstance(extra, dict):
            continue
        for key in PLACED:
            place = extra.get(key)
            if place is not None and place not in known:
                raise ValueError(
                    f"{declared.name}: the parameter {name} is of {place}, which is no role; "
                    f"known are {', '.join(sorted(known))}"
                )


PLACED = ("level_of", "variable_of", "variables_of")
"""What a parameter's field says of the list or role that its choices come from."""


def level_of(place: str, title: str, description: str, *, optional: bool = False) -> Any:  # noqa: ANN401
    """The field of a parameter whose choices are the levels of the first variable of a place.

    A place is `y`, `x` or a role's name. One that is optional is None by default.
    """
    extra: dict[str, Any] = {"level_of": place}
    if optional:
        return Field(None, title=title, description=description, json_schema_extra=extra)
    return Field(title=title, description=description, json_schema_extra=extra)


def variables_field(place: str, title: str, description: str) -> Any:  # noqa: ANN401
    """The field of a parameter that names variables of a place; none by default."""
    return Field(
        (), title=title, description=description, json_schema_extra={"variables_of": place}
    )


def variable_field(place: str, title: str, description: str) -> Any:  # noqa: ANN401
    """The field of a parameter that names one variable of a place; none by default."""
    return Field(
        None, title=title, description=description, json_schema_extra={"variable_of": place}
    )
