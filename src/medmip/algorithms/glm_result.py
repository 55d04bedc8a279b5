"""What a regression of counts or amounts tells: ratios of means, the fit, and their pictures."""

from pydantic import BaseModel, ConfigDict

from medmip.algorithms.calibration import MeanCalibration
from medmip.algorithms.coefficients import (
    Coefficient,
    coefficient_table,
    forest_plot,
    reference_note,
)
from medmip.algorithms.curves import Curve, curve_views
from medmip.algorithms.declaration import TrainedResult
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.views import Format, View, facts, table
from medmip.algorithms.weights import Weighing
from medmip.fold.glm import Family
from medmip.fold.model import LinearModel


class MeanRatio(BaseModel):
    """The factor by which one unit of a covariate multiplies the expected outcome."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    term: str
    ratio: float
    lower: float
    upper: float


class GlmResult(TrainedResult):
    """A fitted model of log mean = b0 + x'b; dispersion is Pearson's χ² by degrees of freedom.

    theta is the negative binomial's size, whose variance is mu + mu² / theta.
    """

    outcome: str
    family: Family
    n: int
    excluded: int
    coefficients: tuple[Coefficient, ...]
    ratios: tuple[MeanRatio, ...]
    references: dict[str, str]
    dropped: tuple[str, ...]
    df_model: int
    df_residual: int
    null_deviance: float
    residual_deviance: float
    pearson: float
    dispersion: float
    log_likelihood: float
    aic: float
    bic: float
    theta: float | None
    theta_std_error: float | None
    iterations: int
    confidence: float
    calibration: MeanCalibration | None = None
    curves: tuple[Curve, ...] = ()
    weighing: Weighing | None = None
    offset: str | None = None
    exposure: str | None = None
    model: LinearModel

    @property
    def ratio(self) -> str | None:
        return "Ratio of means"

    def views(self, names: Names = CODES) -> list[View]:
        statistic = "t" if self.family is Family.GAMMA else "z"
        fit: list[tuple[str, object, Format]] = [
            ("Distribution", str(self.family), "text"),
            ("Observations", self.n, "integer"),
            ("Dropped for missing values", self.excluded, "integer"),
            *(self.weighing.facts(names) if self.weighing else []),
            ("Null deviance", self.null_deviance, "number"),
            ("Residual deviance", self.residual_deviance, "number"),
            ("Residual degrees of freedom", self.df_residual, "integer"),
            ("Dispersion (Pearson)", self.dispersion, "number"),
            ("Log-likelihood", self.log_likelihood, "number"),
            ("AIC", self.aic, "number"),
            ("BIC", self.bic, "number"),
            ("Scoring rounds", self.iterations, "integer"),
        ]
        if self.theta is not None:
            fit.insert(7, ("Theta", self.theta, "number"))
            fit.insert(8, ("Theta, std. error", self.theta_std_error, "number"))
        doubtful = self.family is Family.POISSON and self.dispersion > 1.5
        note = (
            "Counts scatter more than Poisson's law allows, so the errors are too small: "
            "choose negative binomial."
            if doubtful
            else ""
        )
        percent = f"{100 * self.confidence:g} %"
        return [
            coefficient_table(
                self.coefficients,
                self.confidence,
                statistic,
                names,
                reference_note(self.references, names),
            ),
            forest_plot(
                self.coefficients,
                self.confidence,
                f"Ratios of means of {names.variable(self.outcome)}",
                "Ratio of means for one unit",
                names,
                ratio=True,
            ),
            table(
                "Ratios of means",
                [
                    ("term", "Term", "text"),
                    ("ratio", "Ratio", "number"),
                    ("lower", f"{percent} lower", "number"),
                    ("upper", f"{percent} upper", "number"),
                ],
                [part.model_dump() | {"term": names.term(part.term)} for part in self.ratios],
            ),
            *curve_views(self.curves, self.confidence, "Ratio of means", names, ratio=True),
            *(self.calibration.views(names.axis(self.outcome)) if self.calibration else []),
            facts("Fit", fit, note),
        ]
