"""A request for an analysis, in the form that MIP clients send and files hold."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from medmip.experiments.preparation import Preparation
from medmip.experiments.validate import ValidationRequest


class InputData(BaseModel):
    """Whose records and which variables; filters is a QueryBuilder document or null."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_model: str = Field(examples=["dementia:1.0"], max_length=200)
    datasets: tuple[str, ...] = Field(examples=[["edsd-synthetic"]], max_length=1000)
    y: tuple[str, ...] | None = Field(None, examples=[["lefthippocampus"]], max_length=5000)
    x: tuple[str, ...] | None = Field(None, examples=[["subjectageyears"]], max_length=5000)
    filters: dict[str, Any] | None = Field(None, examples=[None])


class Request(BaseModel):
    """An algorithm, its input data and parameters, how predictions are validated.

    preparation says what is done to the records before the analysis.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    algorithm: str = Field(examples=["linear_regression"], max_length=100)
    inputdata: InputData
    parameters: dict[str, Any] = Field(default_factory=dict, examples=[{}])
    validation: ValidationRequest | None = Field(None, examples=[None])
    preparation: Preparation | None = Field(None, examples=[None])
