"""What a hospital lets out: one set of thresholds."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Policy(BaseModel):
    """The thresholds that the guard applies to every statistic before it leaves the hospital."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum_patients: int = Field(
        10, ge=1, title="Minimum patients", description="A cohort with fewer patients is refused."
    )
    minimum_cell: int = Field(
        10,
        ge=1,
        title="Minimum per cell",
        description="A count of fewer patients is suppressed, and shown as below the minimum.",
    )
    complementary: bool = Field(
        True,
        title="Complementary suppression",
        description=(
            "Where a single cell is suppressed, the next smallest is suppressed too, "
            "so that no total gives it away."
        ),
    )
    patients_per_parameter: float = Field(
        3.0,
        ge=0,
        title="Patients per parameter",
        description="A model may have at most one parameter for this many patients.",
    )
    overlap: Literal["off", "selection", "records"] = Field(
        "selection",
        title="Overlap with earlier cohorts",
        description=(
            "A cohort that differs from an earlier one by fewer than the minimum of patients is "
            "refused: `selection` compares whom datasets and filter choose, `records` also those "
            "left after dropping missing values."
        ),
    )
    extremes: bool = Field(
        False,
        title="Release extremes",
        description="Whether minima and maxima, which are single patients' values, may leave.",
    )
