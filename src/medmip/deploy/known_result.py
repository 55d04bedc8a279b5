"""A real analysis whose result is known in closed form, on a home that is thrown away.

`python -m medmip.deploy.known_result` prints how far the installed program is from it.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from medmip.catalogue.home import Home
from medmip.catalogue.model_store import shipped_models
from medmip.demo.cohorts import MODEL, SyntheticCohort, synthetic_cohorts
from medmip.deploy.errors import DeployError
from medmip.experiments.experiment import State
from medmip.experiments.request import Request
from medmip.experiments.service import ExperimentService
from medmip.ingest.publish import bring_in

OUTCOME, COVARIATE = "lefthippocampus", "righthippocampus"


def difference() -> float:
    """The largest relative difference of two coefficients from those of the normal equations.

    A synthetic file is imported, checked and published, and a linear regression run on it through
    the guard, as for a user. Raises MipError where a step is refused.
    """
    cohort = synthetic_cohorts()[0]
    model = next(model for model in shipped_models() if model.key == MODEL)
    with TemporaryDirectory(prefix="mip-known-") as folder:
        home = Home(Path(folder) / "home").prepare()
        bring_in(home, cohort.write(Path(folder)), model, synthetic=True)
        service = ExperimentService(home)
        try:
            experiment = service.run(_request(cohort))
        finally:
            service.close()
    if experiment.state is not State.DONE or experiment.result is None:
        raise DeployError("A linear regression was not done", remedy="`mip doctor` says more.")
    found = [float(one["estimate"]) for one in experiment.result.data["coefficients"]]
    known = _closed_form(cohort)
    return float(np.max(np.abs(np.asarray(found) - known) / np.abs(known)))


def _request(cohort: SyntheticCohort) -> Request:
    return Request.model_validate(
        {
            "algorithm": "linear_regression",
            "inputdata": {
                "data_model": cohort.model,
                "datasets": [cohort.dataset],
                "y": [OUTCOME],
                "x": [COVARIATE],
            },
        }
    )


def _closed_form(cohort: SyntheticCohort) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    pairs = zip(cohort.columns[OUTCOME], cohort.columns[COVARIATE], strict=True)
    y, x = np.array([(float(a), float(b)) for a, b in pairs if a and b]).T
    slope = np.sum((x - x.mean()) * (y - y.mean())) / np.sum((x - x.mean()) ** 2)
    return np.array([y.mean() - slope * x.mean(), slope])


if __name__ == "__main__":
    sys.stdout.write(f"{difference()}\n")
