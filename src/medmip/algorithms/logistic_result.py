"""What a logistic regression tells: odds ratios, the quality of the fit, and their pictures."""

from pydantic import BaseModel, ConfigDict

from medmip.algorithms.coefficients import (
    Coefficient,
    ResidualQuantiles,
    coefficient_table,
    forest_plot,
    reference_note,
)
from medmip.algorithms.curves import Curve, curve_views
from medmip.algorithms.declaration import TrainedResult
from medmip.algorithms.goodness import Calibration
from medmip.algorithms.logit_fit import Penalty
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.views import Format, View, facts, table
from medmip.algorithms.weights import Weighing
from medmip.fold.model import LinearModel


class OddsRatio(BaseModel):
    """The factor by which one unit of a covariate multiplies the odds."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    term: str
    ratio: float
    lower: float
    upper: float


class LogisticRegressionResult(TrainedResult):
    """A fitted logistic model; deviances as in R, null model: intercept alone.

    Under Firth's penalty the coefficients' tests and the likelihood ratio's p-value are of the
    penalised likelihood, the coefficients' intervals of its profile; the other figures are of the
    plain likelihood at the estimate.
    """

    outcome: str
    positive_class: str
    n: int
    positive: int
    excluded: int
    penalty: Penalty = Penalty.NONE
    coefficients: tuple[Coefficient, ...]
    odds_ratios: tuple[OddsRatio, ...]
    references: dict[str, str]
    dropped: tuple[str, ...]
    df_model: int
    df_residual: int
    null_deviance: float
    residual_deviance: float
    log_likelihood: float
    null_log_likelihood: float
    aic: float
    bic: float
    r_squared_mcfadden: float
    r_squared_cox_snell: float
    likelihood_ratio_p_value: float
    deviance_residuals: ResidualQuantiles | None
    iterations: int
    confidence: float
    calibration: Calibration | None = None
    curves: tuple[Curve, ...] = ()
    weighing: Weighing | None = None
    offset: str | None = None
    model: LinearModel

    @property
    def ratio(self) -> str | None:
        return "Odds ratio"

    def views(self, names: Names = CODES) -> list[View]:
        positive = names.level(self.outcome, self.positive_class)
        fit: list[tuple[str, object, Format]] = [
            ("Observations", self.n, "integer"),
            (f"of them {positive}", self.positive, "integer"),
            ("Dropped for missing values", self.excluded, "integer"),
            *(self.weighing.facts(names) if self.weighing else []),
            ("Null deviance", self.null_deviance, "number"),
            ("Residual deviance", self.residual_deviance, "number"),
            ("Residual degrees of freedom", self.df_residual, "integer"),
            ("Likelihood-ratio p-value", self.likelihood_ratio_p_value, "pvalue"),
            ("AIC", self.aic, "number"),
            ("BIC", self.bic, "number"),
            ("McFadden's R²", self.r_squared_mcfadden, "number"),
            ("Cox & Snell's R²", self.r_squared_cox_snell, "number"),
            ("Newton iterations", self.iterations, "integer"),
        ]
        percent = f"{100 * self.confidence:g} %"
        note = reference_note(self.references, names)
        if self.penalty is Penalty.FIRTH:
            firth = "Firth's penalty: tests and intervals by its likelihood's profile"
            note = "; ".join(filter(None, (firth, note)))
        views: list[View] = [
            coefficient_table(self.coefficients, self.confidence, "z", names, note),
            forest_plot(
                self.coefficients,
                self.confidence,
                f"Odds ratios of {names.variable(self.outcome)}: {positive}",
                "Odds ratio for one unit",
                names,
                ratio=True,
            ),
            table(
                "Odds ratios",
                [
                    ("term", "Term", "text"),
                    ("ratio", "Odds ratio", "number"),
                    ("lower", f"{percent} lower", "number"),
                    ("upper", f"{percent} upper", "number"),
                ],
                [part.model_dump() | {"term": names.term(part.term)} for part in self.odds_ratios],
            ),
            *curve_views(self.curves, self.confidence, "Odds ratio", names, ratio=True),
            facts("Fit", fit),
        ]
        if self.deviance_residuals is not None:
            views.append(self.deviance_residuals.table("Deviance residuals"))
        if self.calibration is not None:
            views += self.calibration.views(positive)
        return views
