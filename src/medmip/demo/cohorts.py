"""Synthetic cohorts: invented patients whose groups differ as published studies say."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.model_store import shipped_models
from medmip.catalogue.variable import VariableType
from medmip.demo.brain import HIPPOCAMPUS, volumes
from medmip.demo.outcomes import falls, followed, outcomes, ratings, scanners_of, shifted
from medmip.demo.patients import Patients
from medmip.demo.specification import CohortSpec, Measure, Specification, specification

MODEL = "dementia:1.0"
AGE_BANDS = (50, 60, 70, 80)
VOLUME_DECIMALS = 4

FloatArray: TypeAlias = NDArray[np.float64]
Columns: TypeAlias = dict[str, list[str]]


@dataclass(frozen=True)
class SyntheticCohort:
    """A cohort as its file would hold it: text by variable code, empty where missing."""

    dataset: str
    label: str
    model: str
    columns: Columns

    @property
    def patients(self) -> int:
        """How many patients there are, however often they came."""
        return len(set(self.columns.get("subjectid") or self.columns["subjectcode"]))

    def csv(self) -> str:
        """The file's text: a header, a line for each record; no value needs quotes."""
        lines = [",".join(self.columns)]
        lines += [",".join(row) for row in zip(*self.columns.values(), strict=True)]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> Path:
        """Write `<dataset>.csv`, as a hospital would drop it; raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.dataset}.csv"
        path.write_text(self.csv(), encoding="utf-8", newline="\n")
        return path


def synthetic_cohorts() -> tuple[SyntheticCohort, ...]:
    """The three cohorts of one record a patient, the same in every byte each time."""
    spec = specification()
    model = next(model for model in shipped_models() if model.key == MODEL)
    return tuple(_cohort(cohort, spec, model) for cohort in spec.cohorts)


def write_demo_csvs(folder: Path) -> list[Path]:
    """Write `<dataset>.csv` of each of these cohorts; raises OSError."""
    return [cohort.write(folder) for cohort in synthetic_cohorts()]


def _cohort(cohort: CohortSpec, spec: Specification, model: DataModel) -> SyntheticCohort:
    rng = np.random.Generator(np.random.PCG64(cohort.seed))
    patients = Patients.draw(cohort, spec, rng)
    made = dict(_columns(cohort, spec, model, patients, rng))
    in_order = {code: made[code] for code in model.all_variables if code in made}
    return SyntheticCohort(cohort.dataset, cohort.label, model.key, in_order)


def _columns(
    cohort: CohortSpec,
    spec: Specification,
    model: DataModel,
    patients: Patients,
    rng: np.random.Generator,
) -> Iterator[tuple[str, list[str]]]:
    measured = {
        panel: rng.random(patients.count) < cohort.measured[panel] for panel in cohort.measured
    }

    def present(panel: str, values: list[str]) -> list[str]:
        return [
            value if there else "" for value, there in zip(values, measured[panel], strict=True)
        ]

    name = cohort.dataset.removesuffix("-synthetic")
    yield "dataset", [cohort.dataset] * patients.count
    yield "subjectcode", [f"synthetic-{name}-{n:05}" for n in range(1, patients.count + 1)]
    yield "subjectage", written(patients.age, 2)
    yield "subjectageyears", written(np.floor(patients.age), 0)
    bands = model.variable("agegroup").levels
    yield "agegroup", [bands[band] for band in np.digitize(patients.age, AGE_BANDS)]
    yield "gender", ["M" if male else "F" for male in patients.male]
    yield from patients.levels.items()
    yield "apoe4", present("apoe4", written(patients.apoe4, 0))

    brain = volumes(cohort, spec, model, patients, rng)
    factors = patients.factors | {HIPPOCAMPUS: brain.hippocampus}
    yield from _outcomes(cohort, patients, factors, present)
    table = outcomes().scanners
    scanners = scanners_of(table, cohort.dataset, patients.count, _stream(cohort, 1))
    yield "scanner", present("mri", scanners)
    for code, volume in shifted(brain.cm3, scanners, table.spread).items():
        yield code, present("mri", written(volume, VOLUME_DECIMALS))
    for code, measure in spec.measures.items():
        panel = next((panel for panel, codes in spec.panels.items() if code in codes), code)
        values = _values(measure, model, code, factors, rng)
        if panel in measured:
            yield code, present(panel, written(values, measure.decimals))
    if "updrshy" in measured:
        yield "updrshy", present("updrshy", patients.stages)
    if "handedness" in measured:
        hands = rng.choice([*spec.handedness], size=patients.count, p=[*spec.handedness.values()])
        yield "handedness", present("handedness", hands.tolist())
    if "alleles" in measured:
        for code, frequency in spec.alleles.items():
            copies = rng.binomial(2, frequency, patients.count)
            yield code, present("alleles", [str(number) for number in copies])


def _outcomes(
    cohort: CohortSpec,
    patients: Patients,
    factors: dict[str, FloatArray],
    present: Callable[[str, list[str]], list[str]],
) -> Iterator[tuple[str, list[str]]]:
    table, rng = outcomes(), _stream(cohort, 2)
    months, status = followed(table, patients, factors, rng)
    yield "followupmonths", ["" if np.isnan(time) else f"{time:.1f}" for time in months.tolist()]
    yield "followupstatus", status
    yield "fallspastyear", written(falls(table.falls, factors, rng), 0)
    if "cdrglobal" in cohort.measured:
        yield "cdrglobal", present("cdrglobal", ratings(table.rating, patients.alzheimer, rng))


def _stream(cohort: CohortSpec, number: int) -> np.random.Generator:
    """Random numbers of their own, so that what is drawn beside does not change them."""
    return np.random.Generator(np.random.PCG64([cohort.seed, number]))


def _values(
    measure: Measure,
    model: DataModel,
    code: str,
    factors: dict[str, FloatArray],
    rng: np.random.Generator,
) -> FloatArray:
    count = len(next(iter(factors.values())))
    spread = np.hypot(measure.spread, measure.reserve * factors["alzheimer"])
    values = measure.intercept + spread * rng.standard_normal(count)
    for factor, coefficient in measure.factors.items():
        values = values + coefficient * factors[factor]
    if measure.scale == "log":
        values = np.exp(values)
    variable = model.variable(code)
    if variable.type is VariableType.INTEGER:
        values = np.round(values)
    return np.clip(values, variable.minimum, variable.maximum)


def written(values: FloatArray, decimals: int) -> list[str]:
    """Numbers as a file holds them, with so many decimals."""
    pattern = f"%.{decimals}f"
    return [pattern % value for value in values.tolist()]
