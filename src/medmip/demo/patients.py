"""Who the synthetic patients are: age, sex, disease, genes; before anything is measured."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medmip.demo.specification import Ages, CohortSpec, Diagnosis, PatientGroup, Specification

AMYLOID_PER_ALLELE = 1.0
"""Log odds of amyloid for each APOE ε4 allele more than is usual for the diagnosis."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Patients:
    """The patients of a cohort in random order; every array is (count,).

    age in years; alzheimer and parkinson as in Severity; amyloid is 0 or 1; levels and stages
    are text, empty where there is none.
    """

    age: FloatArray
    male: FloatArray
    alzheimer: FloatArray
    parkinson: FloatArray
    amyloid: FloatArray
    apoe4: FloatArray
    tau: FloatArray
    stages: list[str]
    levels: dict[str, list[str]]

    @property
    def count(self) -> int:
        return len(self.age)

    @property
    def factors(self) -> dict[str, FloatArray]:
        """What measures may depend on, by the name that the tables use."""
        return {
            "alzheimer": self.alzheimer,
            "parkinson": self.parkinson,
            "amyloid": self.amyloid,
            "tau": self.tau,
            "decade": self.decade,
            "male": self.male,
            "apoe4": self.apoe4,
        }

    @property
    def decade(self) -> FloatArray:
        """Decades of age above 70."""
        return (self.age - 70) / 10

    @classmethod
    def draw(cls, cohort: CohortSpec, spec: Specification, rng: np.random.Generator) -> "Patients":
        """The cohort's groups, drawn one after another and shuffled."""
        groups = [_group(group, spec.diagnoses[group.diagnosis], rng) for group in cohort.groups]
        joined = {name: np.concatenate([group[name] for group in groups]) for name in groups[0]}
        order = rng.permutation(len(joined["age"]))
        owner = np.repeat(
            np.arange(len(cohort.groups)), [group.patients for group in cohort.groups]
        )[order]
        numbers = {name: values[order] for name, values in joined.items()}
        stages = [str(stage) if stage else "" for stage in numbers.pop("stage").astype(int)]
        levels = {
            code: [cohort.groups[group].levels[code] for group in owner]
            for code in cohort.groups[0].levels
        }
        return cls(**numbers, stages=stages, levels=levels)


def _group(
    group: PatientGroup, diagnosis: Diagnosis, rng: np.random.Generator
) -> dict[str, FloatArray]:
    count = group.patients
    alzheimer = diagnosis.alzheimer.mean + diagnosis.alzheimer.spread * rng.standard_normal(count)
    parkinson = diagnosis.parkinson.mean + diagnosis.parkinson.spread * rng.standard_normal(count)
    apoe4 = rng.choice(3, size=count, p=diagnosis.apoe4).astype(np.float64)
    odds = np.log(diagnosis.amyloid / (1 - diagnosis.amyloid))
    usual = diagnosis.apoe4[1] + 2 * diagnosis.apoe4[2]
    likely = 1 / (1 + np.exp(-odds - AMYLOID_PER_ALLELE * (apoe4 - usual)))
    return {
        "age": _ages(group.age, count, rng),
        "male": (rng.random(count) < group.male).astype(np.float64),
        "alzheimer": alzheimer,
        "parkinson": parkinson,
        "amyloid": (rng.random(count) < likely).astype(np.float64),
        "apoe4": apoe4,
        "tau": rng.standard_normal(count),
        "stage": _stages(diagnosis, parkinson, rng),
    }


def _ages(ages: Ages, count: int, rng: np.random.Generator) -> FloatArray:
    """Ages from the beta distribution between low and high with the mean and spread asked for."""
    width = ages.high - ages.low
    mean = (ages.mean - ages.low) / width
    weight = mean * (1 - mean) * (width / ages.spread) ** 2 - 1
    # cut to the hundredths of the file, so that the whole years and the band agree with it
    years = ages.low + width * rng.beta(mean * weight, (1 - mean) * weight, count)
    return np.asarray(np.floor(years * 100) / 100)


def _stages(diagnosis: Diagnosis, parkinson: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Hoehn and Yahr stages, later ones for those whom the disease has taken further; else 0."""
    if not diagnosis.stages:
        return np.zeros(len(parkinson))
    blurred = parkinson + diagnosis.parkinson.spread * rng.standard_normal(len(parkinson))
    rank = np.argsort(np.argsort(blurred)) / len(parkinson)
    steps = np.searchsorted(np.cumsum(diagnosis.stages)[:-1], rank, side="right")
    return np.asarray(1 + steps, dtype=np.float64)
