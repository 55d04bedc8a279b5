"""How the several records of a patient become one, before an analysis."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET, Variable, VariableType
from medmip.errors import FieldProblem, MipError, RequestError


class How(StrEnum):
    """What is taken of a variable's values over a patient's visits."""

    FIRST = "first"
    LAST = "last"
    MEAN = "mean"
    CHANGE = "change"
    SLOPE = "slope"
    VISIT = "visit"

    @property
    def numeric(self) -> bool:
        """Whether it needs numbers."""
        return self in (How.MEAN, How.CHANGE, How.SLOPE)


@dataclass(frozen=True, slots=True)
class Taken:
    """What is taken of one variable; visits are codes of visits.

    first and last: the first and the last value there is. mean: of all there are. change: the
    last less the first, of two visits at least; with two visits named, the value at the second
    less that at the first. slope: of the least-squares line of the values over time, missing
    with fewer than two times. visit: the value at the one visit named.
    """

    how: How = How.FIRST
    visits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Visits:
    """One record a patient: what is taken of each variable, of the visits that a filter keeps.

    taken is by variable code; of a variable that is not among them the first value is taken.
    time is the numeric variable that visits are put in order by, and slopes are taken over; a
    visit at which it is missing counts only towards means and for the visit named. Where it is
    None, visits are in the order of `levels`, the codes of `column` (slopes are then over their
    places among the levels), or without levels in the natural order of those codes (slopes are
    over the patient's first, second, … visit). per is the unit of time in words.
    """

    taken: tuple[tuple[str, Taken], ...] = ()
    time: str | None = None
    column: str | None = None
    levels: tuple[str, ...] = ()
    per: str = "visit"

    @classmethod
    def of(
        cls,
        model: DataModel,
        taken: Mapping[str, Taken],
        time: str | None = None,
        *,
        path: str = "visits",
    ) -> "Visits":
        """The step for a longitudinal model; raises RequestError naming what does not fit it."""
        if not model.longitudinal:
            problem = FieldProblem(path, f"{model.key} has one record of each patient")
            raise RequestError("The visits cannot be joined", fields=(problem,))
        problems: list[FieldProblem] = []
        column = model.visit_column
        known = model.all_variables.get(str(column))
        levels = known.levels if known is not None else ()
        for code, choice in taken.items():
            place = f"{path}.taken.{code}"
            problems += _misfits(model, code, choice, levels, place)
        per = "visit"
        if time is not None:
            try:
                clock = model.variable(time)
            except MipError as error:
                problems.append(FieldProblem(f"{path}.time", error.what))
            else:
                per = clock.units.removesuffix("s") or clock.label
                if not clock.is_numeric:
                    problems.append(FieldProblem(f"{path}.time", f"{clock.label} is not numeric"))
        if problems:
            raise RequestError("The visits cannot be joined", fields=tuple(problems))
        return cls(tuple(sorted(taken.items())), time, column, levels, per)

    def of_variable(self, code: str) -> Taken:
        """What is taken of a variable."""
        return dict(self.taken).get(code, Taken())

    def variable(self, variable: Variable) -> Variable:
        """The variable as the analysis meets it: named by what is taken, without former bounds."""
        how = self.of_variable(variable.code).how
        if not how.numeric:
            return variable
        changed: dict[str, object] = {"type": VariableType.REAL, "sql_type": "real"}
        changed["label"] = f"{variable.label}, {how}"
        if how is not How.MEAN:
            changed |= {"minimum": None, "maximum": None}
        if how is How.SLOPE:
            changed["units"] = f"{variable.units or '1'}/{self.per}"
        return variable.model_copy(update=changed)


def _misfits(
    model: DataModel, code: str, choice: Taken, levels: tuple[str, ...], place: str
) -> list[FieldProblem]:
    try:
        variable = model.variable(code)
    except MipError as error:
        return [FieldProblem(place, error.what)]
    if code == DATASET:
        return [FieldProblem(place, "a patient is of one dataset")]
    if choice.how.numeric and not variable.is_numeric:
        return [FieldProblem(place, f"{variable.label} has no {choice.how}, as it is not numeric")]
    allowed = {How.VISIT: (1,), How.CHANGE: (0, 2)}.get(choice.how, (0,))
    if len(choice.visits) not in allowed or len(set(choice.visits)) < len(choice.visits):
        number = {How.VISIT: "one visit", How.CHANGE: "two visits, or none"}.get(
            choice.how, "no visit"
        )
        return [FieldProblem(place, f"{choice.how} takes the code of {number}")]
    return [
        FieldProblem(place, f"there is no visit {visit}; visits are {', '.join(levels)}")
        for visit in choice.visits
        if levels and visit not in levels
    ]
