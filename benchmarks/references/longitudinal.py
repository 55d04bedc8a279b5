"""Patients who come several times, beside R and statsmodels."""

from typing import Any

import numpy as np
import statsmodels.api as sm

from benchmarks.references.comparison import ITERATED, Comparison, Pair, coefficients, in_r, run


def _mixed(data: dict[str, Any]) -> Pair:
    patient = np.arange(600) // 4
    rng = np.random.default_rng(9)
    own = rng.normal(0, 0.4, 150)[patient]
    seen = data | {
        "subjectid": np.array([f"P{index:03d}" for index in patient]),
        "visitid": np.array([f"V{index % 4}" for index in range(600)]),
        "cortex": data["cortex"] + own,
    }
    found = run("mixed_model", seen, y=["cortex"], x=["age", "volume"])
    theirs = in_r(
        seen,
        "library(nlme); m <- lme(cortex ~ age + volume, d, random = ~ 1 | subjectid, "
        "control = lmeControl(msTol = 1e-14, tolerance = 1e-12)); "
        "cat(format(c(fixef(m), sqrt(diag(vcov(m))), as.numeric(logLik(m))), digits = 16))",
    )
    return [*coefficients(found.coefficients), found.log_likelihood], theirs


def _gee(data: dict[str, Any]) -> Pair:
    patient = np.arange(600) // 4
    own = np.random.default_rng(9).normal(0, 0.4, 150)[patient]
    seen = data | {
        "subjectid": np.array([f"P{index:03d}" for index in patient]),
        "visitid": np.array([f"V{index % 4}" for index in range(600)]),
        "cortex": data["cortex"] + own,
    }
    found = run("gee", seen, y=["cortex"], x=["age", "volume"])
    design = sm.add_constant(np.column_stack([data["age"], data["volume"]]))
    structure = sm.cov_struct.Exchangeable()
    theirs = sm.GEE(seen["cortex"], design, groups=patient, cov_struct=structure)
    fitted = theirs.fit(ctol=1e-12, maxiter=500)
    ours = [*coefficients(found.coefficients), found.correlation]
    return ours, [*fitted.params, *fitted.bse, float(structure.dep_params)]


COMPARISONS = (
    Comparison("longitudinal", "mixed_model", "b, SE, ℓ", "R nlme", ITERATED, _mixed, r=True),
    Comparison("longitudinal", "gee", "b, robust SE, correlation", "statsmodels", ITERATED, _gee),
)
