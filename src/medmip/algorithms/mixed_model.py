"""Linear mixed models: an outcome measured again and again, with effects of each patient's own."""

from dataclasses import replace
from enum import StrEnum

import numpy as np
from pydantic import Field
from scipy import optimize, stats

from medmip.algorithms.coefficients import (
    INTERCEPT,
    Coefficient,
    coefficient_table,
    coefficients,
    forest_plot,
    reference_note,
)
from medmip.algorithms.covariates import covariates_of
from medmip.algorithms.curves import (
    Curve,
    Degree,
    Knots,
    Polynomials,
    Splines,
    curve_views,
    curves_of,
)
from medmip.algorithms.declaration import (
    CannotCompute,
    Parameters,
    TrainedResult,
    algorithm,
    variable_field,
)
from medmip.algorithms.linear_regression import Interaction
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import ANY, NUMERIC, many, one
from medmip.algorithms.views import Format, View, facts, table
from medmip.errors import RequestError
from medmip.fold.cohort import Cohort
from medmip.fold.design import Design
from medmip.fold.mixed import MixedState, MixedSums, mixed_sums
from medmip.fold.model import LinearModel
from medmip.fold.moments import MomentsState, moments
from medmip.fold.statistic import FloatArray

_ROUNDS = 200
_EXACT = 1e-12
"""A residual sum of squares below this share of the outcome's is none."""
_RESTING = 1e-7
"""The criterion's slope, for a record, at which its search rests."""


class Method(StrEnum):
    """What is made greatest."""

    REML = "reml"
    ML = "ml"

    @property
    def label(self) -> str:
        """What a form offers."""
        return {
            Method.REML: "Restricted likelihood: variances without bias",
            Method.ML: "Likelihood: to compare models of different covariates",
        }[self]


class MixedModelParameters(Parameters):
    """Parameters of a linear mixed model."""

    slope: str | None = variable_field(
        "covariates",
        "Random slope of",
        "A numeric covariate whose effect differs between patients, such as time.",
    )
    method: Method = Field(
        Method.REML,
        title="Method",
        description="Which likelihood is made greatest.",
        json_schema_extra={"labels": {method.value: method.label for method in Method}},
    )
    interactions: tuple[Interaction, ...] = Field(
        (),
        title="Interactions",
        description="Pairs or triples of covariates whose products enter the model.",
        json_schema_extra={"variables_of": "covariates"},
    )
    polynomials: Polynomials = ()
    degree: Degree = 2
    splines: Splines = ()
    knots: Knots = 4
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the coefficients' intervals."
    )


class MixedModelResult(TrainedResult):
    """A fitted mixed model; variances in the outcome's unit squared.

    slope_variance and correlation (of intercept and slope) are None without a random slope;
    likelihood_ratio compares with the same covariates without random effects.
    """

    outcome: str
    slope: str | None
    method: Method
    n: int
    patients: int
    excluded: int
    coefficients: tuple[Coefficient, ...]
    references: dict[str, str]
    dropped: tuple[str, ...]
    residual_variance: float
    intercept_variance: float
    slope_variance: float | None
    correlation: float | None
    intraclass_correlation: float
    log_likelihood: float
    aic: float
    bic: float
    likelihood_ratio: float
    likelihood_ratio_p_value: float
    confidence: float
    curves: tuple[Curve, ...] = ()
    model: LinearModel

    def views(self, names: Names = CODES) -> list[View]:
        variances: list[tuple[str, object, Format]] = [
            ("Between patients: intercept", self.intercept_variance, "number")
        ]
        if self.slope is not None:
            told = names.variable(self.slope)
            variances += [
                (f"Between patients: slope of {told}", self.slope_variance, "number"),
                ("Correlation of intercept and slope", self.correlation, "number"),
            ]
        variances.append(("Within patients: residual", self.residual_variance, "number"))
        fit: list[tuple[str, object, Format]] = [
            ("Records", self.n, "integer"),
            ("Patients", self.patients, "integer"),
            ("Dropped for missing values", self.excluded, "integer"),
            ("Intraclass correlation", self.intraclass_correlation, "number"),
            (f"Log-likelihood ({self.method.upper()})", self.log_likelihood, "number"),
            ("AIC", self.aic, "number"),
            ("BIC", self.bic, "number"),
            ("Likelihood ratio against no random effects", self.likelihood_ratio, "number"),
            ("p-value", self.likelihood_ratio_p_value, "pvalue"),
        ]
        singular = not self.intercept_variance or self.slope_variance == 0
        return [
            coefficient_table(
                self.coefficients,
                self.confidence,
                "z",
                names,
                reference_note(self.references, names),
            ),
            forest_plot(
                self.coefficients,
                self.confidence,
                f"Fixed effects on {names.variable(self.outcome)}",
                f"Change in {names.axis(self.outcome)} for one unit",
                names,
            ),
            table(
                "Variances",
                [("part", "Part", "text"), ("value", "Variance", "number"), ("sd", "SD", "number")],
                [
                    {
                        "part": part,
                        "value": value,
                        "sd": None if part.startswith("Corr") else np.sqrt(float(str(value))),
                    }
                    for part, value, _ in variances
                ],
                "A variance is estimated as zero: the data show no such difference between "
                "patients."
                if singular
                else "",
            ),
            *curve_views(
                self.curves, self.confidence, f"Difference in {names.axis(self.outcome)}", names
            ),
            facts("Fit", fit),
        ]


@algorithm(
    "mixed_model",
    label="Linear mixed model",
    question="Relate variables",
    description=(
        "A numeric outcome measured several times in each patient, who differs from others by an "
        "intercept, and a slope, of their own."
    ),
    discloses=(
        "Coefficients, variances and the quality of the fit over the whole cohort; no patient's "
        "own effect, and no level that fewer patients than the minimum have."
    ),
    y=one(NUMERIC, "Outcome"),
    x=many(ANY, "Covariates"),
    repeated=True,
    method="a linear mixed model",
    citations=(
        "Laird NM, Ware JH. Random-effects models for longitudinal data. Biometrics. "
        "1982;38:963-974.",
        "Bates D, Mächler M, Bolker B, Walker S. Fitting linear mixed-effects models using lme4. "
        "Journal of Statistical Software. 2015;67(1):1-48.",
    ),
    parameters=MixedModelParameters,
)
def mixed_model(cohort: Cohort, parameters: MixedModelParameters) -> MixedModelResult:
    """The fit of y = b0 + x'b + u0 + u1 t + e by (restricted) maximum likelihood.

    u0, u1 are normal, a patient's own; t is the covariate with a random slope. p-values are by
    the normal distribution; that of the likelihood ratio allows for a variance being no less than
    zero, and with a random slope is on the safe side. Raises CannotCompute where no patient has
    two records, covariates or outcome are constant or collinear, or the search does not rest.
    Sources: Bates et al., Journal of Statistical Software 67 (2015) 1-48; Self & Liang, Journal
    of the American Statistical Association 82 (1987) 605-610.
    """
    (outcome,) = cohort.y
    if cohort.size.patients >= cohort.size.records:
        raise CannotCompute(
            "Every patient has a single record, so nothing tells patients from residuals",
            remedy="Use linear regression, or a longitudinal data model.",
        )
    slope = _slope(cohort, parameters.slope)
    q = 1 if slope is None else 2
    curves = curves_of(cohort, cohort.x, parameters)
    covariates = covariates_of(
        cohort,
        parameters.interactions,
        besides=1 + q * (q + 1) // 2,
        curves=curves.columns,
    )
    design = Design(
        (*covariates.design.terms, (outcome.code,)),
        (*covariates.design.columns, *cohort.design((outcome,)).columns),
    )
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    scale = np.sqrt(np.diag(folded.scatter) / float(folded.records))
    if not scale[-1] > 1e-14 * abs(float(folded.mean[-1])):
        raise CannotCompute(f"The outcome {outcome.code} is constant in this cohort")
    place = None if slope is None else covariates.design.labels.index(slope)
    state = MixedState(design, folded.mean, scale, place, np.zeros((q, q)))
    null = cohort.fold(mixed_sums, state)
    if not _Fit.of(null, parameters.method).residual > _EXACT * float(null.products[-1, -1]):
        raise CannotCompute(
            "The covariates determine the outcome without error, so nothing is left to part",
            remedy="Leave out the covariate that the outcome is made of.",
        )
    state, sums = _best(cohort, state, parameters.method)
    without = _criterion(null, parameters.method)
    fitted = _Fit.of(sums, parameters.method)

    p = len(covariates.scale)
    variance = fitted.variance * scale[-1] ** 2
    # From standardised columns back to their own units.
    back = covariates.back * scale[-1]
    estimates = back @ fitted.beta
    estimates[0] += folded.mean[-1]
    covariance = fitted.variance * back @ np.linalg.inv(sums.products[:-1, :-1]) @ back.T
    errors = np.sqrt(np.diag(covariance))
    between = state.covariance * variance
    if place is not None:
        turn = np.array([[1.0, -folded.mean[place] / scale[place]], [0.0, 1.0 / scale[place]]])
        between = turn @ between @ turn.T
    n = float(sums.records)
    units = float(np.log(scale[:-1]).sum())
    criterion = _criterion(sums, parameters.method)
    free = n - p - 1 if parameters.method is Method.REML else n
    deviance = criterion + 2 * free * np.log(scale[-1])
    deviance += 2 * units if parameters.method is Method.REML else 0.0
    number = p + 1 + q * (q + 1) // 2 + 1
    ratio = max(without - criterion, 0.0)
    spread = np.sqrt(np.diag(between))
    return MixedModelResult(
        outcome=outcome.code,
        slope=slope,
        method=parameters.method,
        n=int(n),
        patients=int(sums.patients),
        excluded=cohort.size.excluded,
        coefficients=coefficients(
            (INTERCEPT, *covariates.design.labels),
            estimates,
            errors,
            stats.norm(),
            parameters.confidence,
        ),
        references=covariates.references,
        dropped=covariates.dropped,
        residual_variance=variance,
        intercept_variance=float(between[0, 0]),
        slope_variance=float(between[1, 1]) if q == 2 else None,
        correlation=float(between[0, 1] / spread.prod()) if q == 2 and spread.all() else None,
        intraclass_correlation=float(between[0, 0] / (between[0, 0] + variance)),
        log_likelihood=-deviance / 2,
        aic=deviance + 2 * number,
        bic=deviance + np.log(n) * number,
        likelihood_ratio=ratio,
        likelihood_ratio_p_value=_p_value(ratio, q),
        confidence=parameters.confidence,
        curves=curves.told(
            covariates.design,
            covariates.mean,
            estimates[1:],
            covariance[1:, 1:],
            parameters.confidence,
        ),
        model=LinearModel.of(
            outcome.code,
            "identity",
            covariates.design,
            estimates[:1],
            estimates[1:, None],
            covariates.known,
        ),
    )


def _slope(cohort: Cohort, code: str | None) -> str | None:
    """The covariate with a random slope; raises RequestError where it is nominal."""
    if code is None:
        return None
    numeric = [variable.code for variable in cohort.x if variable.is_numeric]
    if code not in numeric:
        raise RequestError(
            f"parameters.slope: {code} is no numeric covariate",
            remedy=f"Choose one of: {', '.join(numeric)}." if numeric else None,
        )
    return code


class _Fit:
    """The profiled fit at one covariance: beta (p + 1,), the residual variance, their parts."""

    def __init__(self, beta: FloatArray, residual: float, free: float) -> None:
        self.beta = beta
        self.residual = residual
        self.free = free

    @property
    def variance(self) -> float:
        return self.residual / self.free

    @classmethod
    def of(cls, sums: MixedSums, method: Method) -> "_Fit":
        inside, towards = sums.products[:-1, :-1], sums.products[:-1, -1]
        beta: FloatArray = np.asarray(np.linalg.solve(inside, towards), dtype=np.float64)
        residual = float(sums.products[-1, -1] - towards @ beta)
        free = float(sums.records) - (len(beta) if method is Method.REML else 0)
        return cls(beta, residual, free)


def _criterion(sums: MixedSums, method: Method) -> float:
    """Minus twice the profiled (restricted) log-likelihood, of standardised columns."""
    fit = _Fit.of(sums, method)
    value = float(sums.log_determinant) + fit.free * (1 + np.log(2 * np.pi * fit.variance))
    if method is Method.REML:
        value += float(np.linalg.slogdet(sums.products[:-1, :-1])[1])
    return float(value)


def _tangent(sums: MixedSums, method: Method) -> FloatArray:
    """The criterion's derivatives by the elements of the covariance, (q, q)."""
    fit = _Fit.of(sums, method)
    along = np.append(-fit.beta, 1.0)
    falls = np.einsum("m,abmn,n->ab", along, sums.tangents, along)
    slope = sums.slopes - falls / fit.variance
    if method is Method.REML:
        inverse = np.linalg.inv(sums.products[:-1, :-1])
        slope = slope - np.einsum("mn,abnm->ab", inverse, sums.tangents[:, :, :-1, :-1])
    tangent: FloatArray = (slope + slope.T) / 2
    return tangent


def _best(cohort: Cohort, state: MixedState, method: Method) -> tuple[MixedState, MixedSums]:
    """The covariance of least criterion, through its Cholesky root; raises CannotCompute."""
    q = len(state.covariance)
    places = np.tril_indices(q)
    known: dict[bytes, MixedSums] = {}

    def at(theta: FloatArray) -> tuple[MixedState, MixedSums]:
        root = np.zeros((q, q))
        root[places] = theta
        here = replace(state, covariance=root @ root.T)
        key = theta.tobytes()
        if key not in known:
            known[key] = cohort.fold(mixed_sums, here)
        return here, known[key]

    def both(theta: FloatArray) -> tuple[float, FloatArray]:
        root = np.zeros((q, q))
        root[places] = theta
        sums = at(theta)[1]
        slope: FloatArray = (2 * _tangent(sums, method) @ root)[places]
        return _criterion(sums, method), slope

    def slope_at(theta: FloatArray) -> FloatArray:
        return both(theta)[1]

    start = np.array([1.0]) if q == 1 else np.array([1.0, 0.0, 0.5])
    records = cohort.size.records
    found = optimize.minimize(
        both,
        start,
        jac=True,
        method="BFGS",
        options={"gtol": _RESTING * records, "maxiter": _ROUNDS},
    )
    if not np.abs(found.jac).max() <= 1e-6 * records:
        raise CannotCompute(
            f"The variances did not come to rest within {_ROUNDS} rounds",
            remedy="Leave out the random slope, or covariates that hardly vary.",
        )
    # Values that no longer tell points apart end that search; slopes still do, to the last digits.
    sharper, _, _, _ = optimize.fsolve(slope_at, found.x, xtol=1e-12, full_output=True)
    better = np.abs(slope_at(sharper)).max() < np.abs(found.jac).max()
    theta = sharper if better and both(sharper)[0] <= found.fun + 1e-6 else found.x
    return at(np.asarray(theta, dtype=np.float64))


def _p_value(ratio: float, q: int) -> float:
    """Of the likelihood ratio against no random effects, of q of them."""
    if ratio == 0.0:
        return 1.0
    # Half the time a variance of zero is estimated as zero; for two effects the plain law is safe.
    return float(0.5 * stats.chi2.sf(ratio, 1) if q == 1 else stats.chi2.sf(ratio, 3))
