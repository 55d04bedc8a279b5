"""A request for an analysis, in the form that MIP clients send and files hold."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from medmip.experiments.preparation import Preparation
from medmip.experiments.validate import ValidationRequest

OnLoss = Literal["fail", "continue"]
MOST_ANALYSES = 10
"""Analyses that one request may compare."""


class InputData(BaseModel):
    """Whose records and which variables; filters is a QueryBuilder document or null."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_model: str = Field(examples=["dementia:1.0"], max_length=200)
    datasets: tuple[str, ...] = Field(examples=[["edsd-synthetic"]], max_length=1000)
    y: tuple[str, ...] | None = Field(None, examples=[["lefthippocampus"]], max_length=5000)
    x: tuple[str, ...] | None = Field(None, examples=[["subjectageyears"]], max_length=5000)
    filters: dict[str, Any] | None = Field(None, examples=[None])


class Analysis(BaseModel):
    """An algorithm with its parameters.

    grid gives parameters several values each; the validation's inner folds choose among them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    algorithm: str = Field(examples=["linear_regression"], max_length=100)
    parameters: dict[str, Any] = Field(default_factory=dict, examples=[{}])
    grid: dict[str, tuple[Any, ...]] = Field(default_factory=dict, examples=[{}])


class Request(Analysis):
    """An analysis, its input data, and how its predictions are validated.

    preparation says what is done to the records before; compare names further analyses of the
    same cohort, with the same validation.
    """

    inputdata: InputData
    validation: ValidationRequest | None = Field(None, examples=[None])
    preparation: Preparation | None = Field(None, examples=[None])
    compare: tuple[Analysis, ...] = Field((), max_length=MOST_ANALYSES - 1, examples=[[]])
    on_loss: OnLoss = Field(
        "fail",
        description="What to do when a hospital is lost in mid-run: `fail`, or `continue` from the "
        "beginning without it.",
    )

    @property
    def analyses(self) -> tuple[Analysis, ...]:
        """Every analysis that is asked for, the first one first."""
        first = Analysis(algorithm=self.algorithm, parameters=self.parameters, grid=self.grid)
        return (first, *self.compare)
