"""The brain volumes of synthetic patients."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medmip.catalogue.data_model import DataModel
from medmip.demo.patients import Patients
from medmip.demo.specification import CohortSpec, Region, Specification

HIPPOCAMPUS = "hippocampus"

# What two regions have in common beyond age, sex, head and disease, as shares of the variance:
# every tissue, the regions of one lobe, the two sides of one region; the rest is each side's own.
BRAIN_SHARE, LOBE_SHARE, REGION_SHARE, SIDE_SHARE = 0.15, 0.20, 0.52, 0.13

USUAL_HEAD = 1470.0  # cm3; the head that the regions' means are for
MOST_SEVERE = 2.5  # keeps the logarithm's factor positive for the rarest patient

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Brains:
    """Volumes by variable, (patients,) in cm3; hippocampus is its residual, in sd."""

    cm3: dict[str, FloatArray]
    hippocampus: FloatArray


def volumes(
    cohort: CohortSpec,
    spec: Specification,
    model: DataModel,
    patients: Patients,
    rng: np.random.Generator,
) -> Brains:
    """The volumes of one cohort's patients.

    log V = log mean + head · log(TIV / usual) + decade · log(1 + change by age)
          + severity · log(1 + change by disease) + the site's offset + spread · residual
    """
    head = spec.head
    usual = np.where(patients.male > 0, head.male, head.female)
    tiv = usual * np.exp(head.spread / 100 * rng.standard_normal(patients.count))
    size = np.log(tiv / USUAL_HEAD)
    whole = rng.standard_normal(patients.count)
    lobes: dict[str, FloatArray] = {}
    cm3: dict[str, FloatArray] = {"tiv": tiv}
    hippocampus = whole
    for region in spec.regions:
        codes = region.columns
        lobe = model.path_of(next(iter(codes)))[-1]
        if lobe not in lobes:
            lobes[lobe] = rng.standard_normal(patients.count)
        # fluid fills the room that shrinking tissue leaves
        direction = -1.0 if region.alzheimer > 0 else 1.0
        shared = (
            direction * np.sqrt(BRAIN_SHARE) * whole
            + np.sqrt(LOBE_SHARE) * lobes[lobe]
            + np.sqrt(REGION_SHARE) * rng.standard_normal(patients.count)
        )
        if region.region == HIPPOCAMPUS:
            hippocampus = shared / np.sqrt(1 - SIDE_SHARE)
        expected = _expected(region, size, patients)
        site = cohort.site / 100 * rng.standard_normal()
        for code, mean in codes.items():
            residual = shared + np.sqrt(SIDE_SHARE) * rng.standard_normal(patients.count)
            cm3[code] = mean * np.exp(expected + site + region.spread / 100 * residual)
    return Brains(cm3, hippocampus)


def _expected(region: Region, size: FloatArray, patients: Patients) -> FloatArray:
    """The logarithm of the volume against the mean, for age, head and disease."""
    alzheimer = np.clip(patients.alzheimer, -MOST_SEVERE, MOST_SEVERE)
    return np.asarray(
        region.head * size
        + patients.decade * np.log1p(region.decade / 100)
        + alzheimer * np.log1p(region.alzheimer / 100)
        + patients.parkinson * np.log1p(region.parkinson / 100)
    )
