"""The first part of a preparation: of a patient's visits one record, before anything else."""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict, Field

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET, Variable
from medmip.errors import FieldProblem, RequestError
from medmip.store.visits import How, Taken, Visits

PATH = "preparation.longitudinal"
_LABELS = {
    How.FIRST: "First value",
    How.LAST: "Last value",
    How.MEAN: "Mean of all values",
    How.CHANGE: "Change from first to last value",
    How.SLOPE: "Slope over time",
    How.VISIT: "Value at one visit",
}


class TakenValue(BaseModel):
    """What is taken of one variable; visits are codes of visits, one or two, where it needs any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variable: str = Field(max_length=200, title="Variable", examples=["lefthippocampus"])
    how: How = Field(
        How.SLOPE,
        title="Take",
        description="A change or a slope is missing for patients with a single value.",
        json_schema_extra={"labels": {how.value: label for how, label in _LABELS.items()}},
    )
    visits: tuple[str, ...] = Field(
        (),
        max_length=2,
        title="Visits",
        description="One visit to take the value at, or two for the change between them.",
    )


class Longitudinal(BaseModel):
    """One record of a patient's visits; a filter chooses among the visits before."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="One record a patient")

    taken: tuple[TakenValue, ...] = Field(
        (),
        max_length=1000,
        title="Taken",
        description="What is taken of single variables; of all others, the first value.",
    )
    time: str | None = Field(
        None,
        max_length=200,
        title="Time",
        description="The numeric variable that orders visits and that slopes are over, such as "
        "months since the first visit; left empty, the order of visits.",
        json_schema_extra={"variable_of": "model", "kinds": ["numeric"]},
    )

    def visits(self, model: DataModel) -> Visits:
        """The same as the engine takes it; raises RequestError naming what does not fit."""
        taken = {part.variable: Taken(part.how, part.visits) for part in self.taken}
        return Visits.of(model, taken, self.time, path=PATH)

    def problems(
        self, model: DataModel, roles: Sequence[Variable], beside: Iterable[str]
    ) -> list[FieldProblem]:
        """Why it does not fit the data model and the variables that are analysed."""
        try:
            self.visits(model)
        except RequestError as error:
            return [_placed(problem, self) for problem in error.fields]
        known = {variable.code for variable in roles} | set(beside)
        problems = []
        codes = [part.variable for part in self.taken]
        for index, code in enumerate(codes):
            place = f"{PATH}.taken[{index}].variable"
            if code in codes[:index]:
                problems.append(FieldProblem(place, f"{code} is named twice"))
            elif code not in known or code == DATASET:
                problems.append(FieldProblem(place, f"{code} is not part of the analysis"))
        return problems


def _placed(problem: FieldProblem, part: Longitudinal) -> FieldProblem:
    """The problem of a variable at its place in the request's list."""
    code = problem.path.removeprefix(f"{PATH}.taken.")
    for index, taken in enumerate(part.taken):
        if taken.variable == code:
            return FieldProblem(f"{PATH}.taken[{index}]", problem.message)
    return problem
