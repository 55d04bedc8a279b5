"""The synthetic cohort whose patients come back every year."""

import tomllib
from functools import lru_cache
from importlib.resources import files

import numpy as np

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.model_store import shipped_models
from medmip.demo.brain import HIPPOCAMPUS, volumes
from medmip.demo.cohorts import MODEL as CODES
from medmip.demo.cohorts import VOLUME_DECIMALS, Columns, FloatArray, SyntheticCohort, written
from medmip.demo.patients import Patients
from medmip.demo.specification import FollowUp, Specification, specification

MODEL = "dementia_longitudinal:1.0"
SCORE = "minimentalstate"
DIAGNOSIS = "alzheimerbroadcategory"


@lru_cache(maxsize=1)
def follow_up() -> FollowUp:
    """The shipped table of the patients' course."""
    text = files("medmip.demo.spec").joinpath("follow_up.toml").read_text("utf-8")
    return FollowUp.model_validate(tomllib.loads(text))


def follow_up_cohort() -> SyntheticCohort:
    """A cohort of two to five yearly visits a patient, the same in every byte each time."""
    course, models = follow_up(), {model.key: model for model in shipped_models()}
    rng = np.random.Generator(np.random.PCG64(course.cohort.seed))
    made = _columns(course, specification(), models[CODES], models[MODEL], rng)
    in_order = {code: made[code] for code in models[MODEL].all_variables if code in made}
    return SyntheticCohort(course.cohort.dataset, course.cohort.label, MODEL, in_order)


def _columns(
    course: FollowUp,
    spec: Specification,
    codes: DataModel,
    model: DataModel,
    rng: np.random.Generator,
) -> Columns:
    cohort = course.cohort
    patients = Patients.draw(cohort, spec, rng)
    brain = volumes(cohort, spec, codes, patients, rng)
    first = patients.levels[DIAGNOSIS]
    visits = model.variable("visitid").levels
    patient, visit = _visits(course, first, len(visits), rng)
    records = len(patient)
    months = course.interval * visit + course.jitter * rng.standard_normal(records) * (visit > 0)
    months = np.round(months, 1)
    years = months / 12
    pace = np.array([course.courses[code].mean for code in first])
    pace += np.array([course.courses[code].spread for code in first]) * rng.standard_normal(
        patients.count
    )
    worse = pace[patient] * years
    age = np.round(patients.age[patient] + years, 2)

    name = cohort.dataset.removesuffix("-synthetic")
    made: Columns = {
        "dataset": [cohort.dataset] * records,
        "subjectid": [f"synthetic-{name}-{number + 1:05}" for number in patient],
        "visitid": [visits[index] for index in visit],
        "timesincebaseline": written(months, 1),
        "subjectage": written(age, 2),
        "subjectageyears": written(np.floor(age), 0),
        "gender": ["M" if male else "F" for male in patients.male[patient]],
        DIAGNOSIS: _diagnoses(course, first, patient, patients.alzheimer[patient], worse),
    }
    scanned = rng.random(records) < cohort.measured["mri"]
    for code in brain.cm3:
        if code in model.all_variables:
            change = _change(spec, code, worse, years)
            noise = course.rescan / 100 * rng.standard_normal(records)
            cm3 = brain.cm3[code][patient] * np.exp(change + noise * (code != "tiv"))
            made[code] = _held(scanned, written(cm3, VOLUME_DECIMALS))
    factors = patients.factors | {HIPPOCAMPUS: brain.hippocampus}
    measure = spec.measures[SCORE]
    spread = np.hypot(measure.spread, measure.reserve * patients.alzheimer)
    usual = measure.intercept + spread * rng.standard_normal(patients.count)
    for factor, coefficient in measure.factors.items():
        usual = usual + coefficient * factors[factor]
    score = usual[patient] + course.score.severity * worse
    score += course.score.noise * rng.standard_normal(records)
    variable = model.variable(SCORE)
    told = np.clip(np.round(score), variable.minimum, variable.maximum)
    made[SCORE] = _held(rng.random(records) < cohort.measured[SCORE], written(told, 0))
    typed = rng.random(patients.count) < cohort.measured["apoe4"]
    made["apoe4"] = _held(typed[patient], written(patients.apoe4[patient], 0))
    return made


def _visits(
    course: FollowUp, first: list[str], most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Each record's patient and visit, (records,); the first and the last visit are kept."""
    planned = np.array(
        [rng.choice(np.arange(2, most + 1), p=course.followed[code]) for code in first]
    )
    patient = np.repeat(np.arange(len(first)), planned)
    visit = np.concatenate([np.arange(number) for number in planned])
    between = (visit > 0) & (visit < planned[patient] - 1)
    kept = ~(between & (rng.random(len(visit)) < course.missed))
    return patient[kept], visit[kept]


def _change(spec: Specification, code: str, worse: FloatArray, years: FloatArray) -> FloatArray:
    """How the logarithm of a volume has changed since the first visit, (records,)."""
    for region in spec.regions:
        if code in region.columns:
            ageing = np.log1p(region.decade / 100) * years / 10
            return np.asarray(ageing + np.log1p(region.alzheimer / 100) * worse)
    return np.zeros(len(years))


def _diagnoses(
    course: FollowUp, first: list[str], patient: np.ndarray, severity: FloatArray, worse: FloatArray
) -> list[str]:
    """The diagnosis at each visit: that of the first one until the disease has gone far enough."""
    told = [first[index] for index in patient]
    for index, (start, by) in enumerate(zip(severity, worse, strict=True)):
        step = course.worse.get(told[index])
        if step is not None and by > 0 and start <= step.above < start + by:
            told[index] = step.diagnosis
    return told


def _held(there: np.ndarray, values: list[str]) -> list[str]:
    return [value if held else "" for value, held in zip(values, there, strict=True)]
