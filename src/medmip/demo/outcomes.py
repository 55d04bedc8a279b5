"""What becomes of synthetic patients: dementia or death with its time, falls, a clinical rating."""

import tomllib
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from medmip.demo.patients import Patients
from medmip.demo.specification import Counts, Hazard, Outcomes, Rating, Scanners

GROUP = "neurodegenerativescategories"
"""The level of patients that hazards are told by."""
STATUSES = ("censored", "dementia", "death")
GRADES = ("0", "0.5", "1", "2")

FloatArray = NDArray[np.float64]
Factors = dict[str, FloatArray]


@lru_cache(maxsize=1)
def outcomes() -> Outcomes:
    """The shipped table of outcomes and scanners."""
    text = files("medmip.demo.spec").joinpath("outcomes.toml").read_text("utf-8")
    return Outcomes.model_validate(tomllib.loads(text))


def followed(
    table: Outcomes, patients: Patients, factors: Factors, rng: np.random.Generator
) -> tuple[FloatArray, list[str]]:
    """Months until dementia, death or the last visit, and which of these came first.

    NaN and empty for patients who have dementia at the assessment.
    """
    groups = patients.levels[GROUP]
    plan = table.follow_up
    last = rng.uniform(plan.shortest, plan.longest, patients.count)
    last = np.minimum(last, 12 * rng.exponential(1 / plan.leaving, patients.count))
    times = np.stack([last, *(_time(hazard, groups, factors, rng) for hazard in table.events)])
    first = np.argmin(times, axis=0)
    # Visits are told in tenths of a month; nobody leaves before the first of them.
    months = np.maximum(np.round(times[first, np.arange(patients.count)], 1), 0.1)
    known = np.isin(groups, [*table.dementia.yearly])
    status = [STATUSES[which] if told else "" for which, told in zip(first, known, strict=True)]
    return np.where(known, months, np.nan), status


def _time(
    hazard: Hazard, groups: list[str], factors: Factors, rng: np.random.Generator
) -> FloatArray:
    """Months to an event of constant hazard, (patients,)."""
    yearly = np.array([hazard.yearly.get(group, 1.0) for group in groups])
    return np.asarray(
        12 * rng.exponential(1, len(groups)) / (yearly * np.exp(_sum(hazard, factors)))
    )


def falls(table: Counts, factors: Factors, rng: np.random.Generator) -> FloatArray:
    """Numbers of falls: negative binomial, (patients,)."""
    mean = np.exp(table.intercept + _sum(table, factors))
    frailty = rng.gamma(table.shape, 1 / table.shape, len(mean))
    return rng.poisson(mean * frailty).astype(np.float64)


def ratings(table: Rating, severity: FloatArray, rng: np.random.Generator) -> list[str]:
    """The Clinical Dementia Rating of each severity, as raters see it."""
    seen = severity + table.noise * rng.standard_normal(len(severity))
    return [GRADES[grade] for grade in np.searchsorted(table.cuts, seen)]


def scanners_of(table: Scanners, dataset: str, count: int, rng: np.random.Generator) -> list[str]:
    """The scanner of each patient of a cohort."""
    shares = table.shares[dataset]
    return [str(code) for code in rng.choice([*shares], size=count, p=[*shares.values()])]


def shifted(
    cm3: dict[str, FloatArray], scanners: list[str], spread: float
) -> dict[str, FloatArray]:
    """Volumes as their scanners see them: each shifts each region, both sides alike.

    A scanner's shifts are the same in every cohort; spread is in percent. The head's size, which
    is measured from its outline, is left as it is.
    """
    told = sorted(set(scanners))
    patient = np.searchsorted(told, scanners)
    regions = list(dict.fromkeys(map(_region, cm3)))
    shifts = np.stack([_stream(name).standard_normal(len(regions)) for name in told])
    factors = np.exp(spread / 100 * shifts[patient])
    return {
        code: volume if code == "tiv" else volume * factors[:, regions.index(_region(code))]
        for code, volume in cm3.items()
    }


def _region(code: str) -> str:
    return code.removeprefix("left").removeprefix("right")


def _stream(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(list(name.encode())))


def _sum(table: Hazard | Counts, factors: Factors) -> FloatArray:
    total = sum(value * factors[factor] for factor, value in table.factors.items())
    return np.asarray(total, dtype=np.float64)
