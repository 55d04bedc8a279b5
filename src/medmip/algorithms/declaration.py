"""An algorithm's declaration: from it come form, check, help, schema and documentation."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import Role
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

Question = Literal[
    "Describe", "Compare groups", "Relate variables", "Predict an outcome", "Find structure"
]


@dataclass(frozen=True)
class Algorithm(Generic[P, R]):
    """A declared algorithm.

    question groups it in the gallery; discloses is the sentence that a privacy officer reads;
    missing says whether records with a missing value are dropped or kept; repeated, that patients
    need several records each, as only longitudinal data models have them.
    """

    name: str
    label: str
    question: Question
    description: str
    discloses: str
    version: str
    y: Role | None
    x: Role | None
    missing: Literal["drop", "keep"]
    repeated: bool
    parameters: type[P]
    run: Callable[[Cohort, P], R]

    @property
    def result(self) -> type[R]:
        """The class of its results."""
        declared: type[R] = get_type_hints(self.run)["return"]
        return declared

    @property
    def predicts(self) -> bool:
        """Whether its result holds a model, which can be validated and applied."""
        return issubclass(self.result, TrainedResult)

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
    y: Role | None,
    x: Role | None = None,
    missing: Literal["drop", "keep"] = "drop",
    repeated: bool = False,
    version: str = "1.0",
) -> Callable[[Callable[[Cohort, P], R]], Algorithm[P, R]]:
    """Declares the function that drives an algorithm; the registry finds the declaration."""

    def declare(run: Callable[[Cohort, P], R]) -> Algorithm[P, R]:
        return Algorithm(
            name,
            label,
            question,
            description,
            discloses,
            version,
            y,
            x,
            missing,
            repeated,
            parameters,
            run,
        )

    return declare


def level_of(
    role: Literal["y", "x"], title: str, description: str, *, optional: bool = False
) -> Any:  # noqa: ANN401
    """The field of a parameter whose choices are the levels of the variable in a role.

    One that is optional is None by default.
    """
    extra: dict[str, Any] = {"level_of": role}
    if optional:
        return Field(None, title=title, description=description, json_schema_extra=extra)
    return Field(title=title, description=description, json_schema_extra=extra)


def variables_field(role: Literal["y", "x"], title: str, description: str) -> Any:  # noqa: ANN401
    """The field of a parameter that names variables of a role; none by default."""
    return Field((), title=title, description=description, json_schema_extra={"variables_of": role})


def variable_field(role: Literal["y", "x"], title: str, description: str) -> Any:  # noqa: ANN401
    """The field of a parameter that names one variable of a role; none by default."""
    return Field(
        None, title=title, description=description, json_schema_extra={"variable_of": role}
    )
