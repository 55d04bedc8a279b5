"""What a dataset's policy says about making it anonymous."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DateRule(_Settings):
    """What becomes of a column of dates, written as format says (strftime).

    Either all dates of a patient are moved by the same secret number of days, at most shift
    either way; or the column is a birth date and gives way to the variable age, the patient's
    age in years on the date in the column at.
    """

    format: str = "%Y-%m-%d"
    shift: int | None = Field(None, ge=1, le=36_500)
    age: str | None = None
    at: str | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.shift is None) == (self.age is None):
            raise ValueError("a column of dates is either shifted (shift) or turned to ages (age)")
        if (self.age is None) != (self.at is None):
            raise ValueError("an age needs the column of the date that it is reached on (at)")
        return self


class QuasiIdentifier(_Settings):
    """How a variable may be made coarser, step by step; the last step, added always, empties it.

    intervals are widths for a number, each a multiple of the one before, counted from origin.
    parents tell for a nominal variable which level each level becomes, one mapping a step; a
    level that a mapping leaves out stays as it is. What a variable of weight 2 loses counts twice.
    """

    intervals: tuple[float, ...] = ()
    origin: float = 0.0
    parents: tuple[Mapping[str, str], ...] = ()
    weight: float = Field(1.0, gt=0, le=1000)

    @model_validator(mode="after")
    def _nested(self) -> Self:
        if self.intervals and self.parents:
            raise ValueError("a quasi-identifier has intervals or parents, not both")
        widths = self.intervals
        if any(width <= 0 for width in widths):
            raise ValueError("an interval's width is above zero")
        for narrow, wide in pairwise(widths):
            if wide <= narrow or (wide / narrow) % 1:
                raise ValueError("each interval's width is a multiple of the one before it")
        return self


class Sensitive(_Settings):
    """What must hold of a sensitive variable in every class of patients who look alike.

    distinct is the l of l-diversity: so many different values at least. closeness is the t of
    t-closeness: so far may their distribution be from the whole dataset's, 0 to 1.
    """

    distinct: int | None = Field(None, ge=2)
    closeness: float | None = Field(None, gt=0, le=1)


class KAnonymity(_Settings):
    """Every patient looks like at least k - 1 others in the quasi-identifiers.

    suppression is the largest share of records that may be left out to get there. population is
    the number of people whom the dataset's patients were drawn from, where it is known.
    """

    k: int = Field(5, ge=2)
    suppression: float = Field(0.05, ge=0, le=0.5)
    population: int | None = Field(None, ge=1)
    quasi_identifiers: Mapping[str, QuasiIdentifier] = Field(min_length=1, max_length=20)
    sensitive: Mapping[str, Sensitive] = {}


class Anonymisation(_Settings):
    """What is done to a dataset before it is published; what is not allowed here is refused."""

    patient_codes: Literal["pseudonymise", "keep"] = Field(
        "pseudonymise",
        description="Replace the patients' codes by keyed pseudonyms, or keep them as they are.",
    )
    codes: tuple[str, ...] = Field(
        ("subjectvisitid",),
        description="Further columns of codes, replaced by keyed pseudonyms likewise.",
    )
    linkable: bool = Field(
        False,
        description="Whether a patient has the same pseudonym in all datasets of this hospital.",
    )
    reidentification: bool = Field(
        False,
        description="Whether the key's holder can find the patient behind a pseudonym.",
    )
    identifiers: Literal["refuse", "ignore"] = Field(
        "refuse",
        description="What direct identifiers do; `ignore` is for invented patients alone.",
    )
    drop: tuple[str, ...] = Field(
        (), description="Columns of the file that are left out, known to the model or not."
    )
    harmless: tuple[str, ...] = Field(
        (),
        description="Columns of text that somebody has read and found to name nobody.",
    )
    dates: Mapping[str, DateRule] = Field(
        {}, description="What becomes of each column of dates: shifted, or turned to an age."
    )
    oldest_age: int = Field(
        89,
        ge=50,
        description="The highest age told; older patients get the next one, for all of them.",
    )
    ages: tuple[str, ...] | None = Field(
        None, description="The variables that are ages, perhaps none; by default those named so."
    )
    k_anonymity: KAnonymity | None = Field(
        None, description="Quasi-identifiers are made coarser until patients look alike."
    )
