"""The tables that describe the synthetic cohorts, read from `spec/`."""

import csv
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Region(_Row):
    """A brain region: mean in cm3 of the left or midline one; the rest in percent.

    asymmetry is right against left (None on the midline), spread what age, sex, head and disease
    leave open, head the exponent of the head's size, decade the change in ten years, alzheimer
    and parkinson the change in the typical patient of the disease.
    """

    region: str
    mean: float
    asymmetry: float | None
    spread: float
    head: float
    decade: float
    alzheimer: float
    parkinson: float

    @property
    def columns(self) -> dict[str, float]:
        """The mean volume of each variable that the region has, in cm3."""
        if self.asymmetry is None:
            return {self.region: self.mean}
        right = self.mean * (1 + self.asymmetry / 100)
        return {f"left{self.region}": self.mean, f"right{self.region}": right}


class Measure(_Row):
    """A score or biomarker: intercept + sum of coefficient × factor + spread × noise.

    reserve widens the spread with the disease: patients bear the same atrophy differently.
    """

    intercept: float
    spread: float
    factors: dict[str, float]
    reserve: float = 0.0
    scale: Literal["linear", "log"] = "linear"
    decimals: int = 0


class Severity(_Row):
    """How far a disease has come among the patients of a diagnosis; 1 is the typical patient."""

    mean: float = 0.0
    spread: float = 0.0


class Diagnosis(_Row):
    """The patients of one diagnosis; stages are the shares of Hoehn and Yahr stages 1, 2, …"""

    alzheimer: Severity = Severity()
    parkinson: Severity = Severity()
    amyloid: float
    apoe4: tuple[float, float, float]
    stages: tuple[float, ...] = ()


class Ages(_Row):
    """Ages in years."""

    mean: float
    spread: float
    low: float
    high: float


class PatientGroup(_Row):
    """The patients of one diagnosis in a cohort, with the levels that they all have."""

    diagnosis: str
    patients: int
    male: float
    age: Ages
    levels: dict[str, str]


class CohortSpec(_Row):
    """One cohort; measured is the share of patients that have a panel or measure."""

    dataset: str
    label: str
    seed: int
    site: float
    measured: dict[str, float]
    groups: tuple[PatientGroup, ...]


class Head(_Row):
    """Total intracranial volume in cm3; spread in percent."""

    female: float
    male: float
    spread: float


class Specification(_Row):
    """Everything that the generator knows."""

    regions: tuple[Region, ...]
    measures: dict[str, Measure]
    panels: dict[str, tuple[str, ...]]
    head: Head
    alleles: dict[str, float]
    handedness: dict[str, float]
    diagnoses: dict[str, Diagnosis]
    cohorts: tuple[CohortSpec, ...]


class Worse(_Row):
    """The diagnosis that follows, of those whose severity comes to lie above a threshold."""

    diagnosis: str
    above: float


class Score(_Row):
    """What a score changes with severity in a patient's course, and its noise between visits."""

    severity: float
    noise: float


class FollowUp(_Row):
    """A cohort's later visits, by diagnosis at the first one.

    interval and jitter in months; missed is the share of visits between the first and the last
    that are left out; rescan in percent; courses are severity by year; followed are the shares of
    patients with 2, 3, … visits.
    """

    interval: float
    jitter: float
    missed: float
    rescan: float
    courses: dict[str, Severity]
    followed: dict[str, tuple[float, ...]]
    worse: dict[str, Worse]
    score: Score
    cohort: CohortSpec


class Hazard(_Row):
    """An event's hazard in a year by diagnosis, constant in time, and log hazard ratios."""

    yearly: dict[str, float]
    factors: dict[str, float]


class Planned(_Row):
    """How long patients are followed, in months; leaving is the share who drop out in a year."""

    shortest: float
    longest: float
    leaving: float


class Counts(_Row):
    """A negative binomial count: the logarithm of its mean, and the gamma's shape."""

    intercept: float
    shape: float
    factors: dict[str, float]


class Rating(_Row):
    """Severities above which the next grade begins, and the raters' noise."""

    cuts: tuple[float, ...]
    noise: float


class Scanners(_Row):
    """Each cohort's scanners with their share of patients; spread of their shifts in percent."""

    spread: float
    shares: dict[str, dict[str, float]]


class Outcomes(_Row):
    """What becomes of the patients of one record, and what they were scanned on."""

    dementia: Hazard
    death: Hazard
    follow_up: Planned
    falls: Counts
    rating: Rating
    scanners: Scanners

    @property
    def events(self) -> tuple[Hazard, Hazard]:
        """The events that end a follow-up, in the order of their statuses."""
        return self.dementia, self.death


@lru_cache(maxsize=1)
def specification() -> Specification:
    """The shipped tables."""
    folder = files("medmip.demo.spec")
    rows = csv.DictReader(folder.joinpath("regions.csv").read_text("utf-8").splitlines())
    tables = tomllib.loads(folder.joinpath("cohorts.toml").read_text("utf-8"))
    regions = [{name: cell or None for name, cell in row.items()} for row in rows]
    return Specification.model_validate({"regions": regions, **tables})
