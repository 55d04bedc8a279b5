"""What generalised estimating equations found, and how a paper prints it."""

from pydantic import BaseModel, ConfigDict

from medmip.algorithms.coefficients import (
    Coefficient,
    coefficient_table,
    forest_plot,
    reference_note,
)
from medmip.algorithms.declaration import TrainedResult
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.views import Format, Table, View, facts, table
from medmip.fold.gee import Family, Structure
from medmip.fold.model import LinearModel

_UNITS = {
    Family.GAUSSIAN: "Change in {outcome} for one unit",
    Family.BINOMIAL: "Change in log odds for one unit",
    Family.POISSON: "Change in the log of the mean for one unit",
}
_RATIOS = {Family.BINOMIAL: "Odds ratio", Family.POISSON: "Ratio of means"}


class Effect(BaseModel):
    """The factor by which one unit of a covariate multiplies the odds, or the mean."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    term: str
    ratio: float
    lower: float
    upper: float


class GeeResult(TrainedResult):
    """Fitted estimating equations; coefficients have robust errors.

    model_std_errors, one for each coefficient, hold where the working correlation is true.
    correlation is that of two records of a patient (of two that follow each other where
    autoregressive), None under independence. scale is Pearson's χ² by degrees of freedom. wald is
    the robust test that no covariate counts. qic and qicu are Pan's criteria, cic the trace in
    qic; they compare models of the same records.
    """

    outcome: str
    positive_class: str | None
    family: Family
    structure: Structure
    n: int
    patients: int
    excluded: int
    coefficients: tuple[Coefficient, ...]
    model_std_errors: tuple[float, ...]
    effects: tuple[Effect, ...]
    references: dict[str, str]
    dropped: tuple[str, ...]
    correlation: float | None
    scale: float
    wald: float
    wald_df: int
    wald_p_value: float
    quasi_likelihood: float
    cic: float
    qic: float
    qicu: float
    iterations: int
    confidence: float
    model: LinearModel

    @property
    def ratio(self) -> str | None:
        return _RATIOS.get(self.family)

    def views(self, names: Names = CODES) -> list[View]:
        outcome = names.variable(self.outcome)
        if self.positive_class is not None:
            outcome += f": {names.level(self.outcome, self.positive_class)}"
        note = "Errors are robust: they add up each patient's records before squaring."
        references = reference_note(self.references, names)
        views: list[View] = [
            coefficient_table(
                self.coefficients,
                self.confidence,
                "z",
                names,
                f"{note} {references}".strip(),
            ),
            forest_plot(
                self.coefficients,
                self.confidence,
                f"Coefficients for {outcome}",
                _UNITS[self.family].format(outcome=names.axis(self.outcome)),
                names,
            ),
        ]
        if self.effects:
            views.append(self._effects(names))
        fit: list[tuple[str, object, Format]] = [
            ("Records", self.n, "integer"),
            ("Patients", self.patients, "integer"),
            ("Dropped for missing values", self.excluded, "integer"),
            ("Working correlation", self.structure.value, "text"),
            ("Its estimate", self.correlation, "number"),
            ("Scale", self.scale, "number"),
            ("Wald χ² of all covariates", self.wald, "number"),
            ("Degrees of freedom", self.wald_df, "integer"),
            ("p-value", self.wald_p_value, "pvalue"),
            ("QIC", self.qic, "number"),
            ("QICu", self.qicu, "number"),
            ("CIC", self.cic, "number"),
            ("Rounds", self.iterations, "integer"),
        ]
        if self.correlation is None:
            fit = [row for row in fit if row[0] != "Its estimate"]
        return [*views, self._errors(names), facts("Fit", fit)]

    def _effects(self, names: Names) -> Table:
        title = "Odds ratios" if self.family is Family.BINOMIAL else "Ratios of means"
        percent = f"{100 * self.confidence:g} %"
        return table(
            title,
            [
                ("term", "Term", "text"),
                ("ratio", "Ratio", "number"),
                ("lower", f"{percent} lower", "number"),
                ("upper", f"{percent} upper", "number"),
            ],
            [part.model_dump() | {"term": names.term(part.term)} for part in self.effects],
        )

    def _errors(self, names: Names) -> Table:
        rows = [
            {"term": names.term(row.term), "robust": row.std_error, "model": error}
            for row, error in zip(self.coefficients, self.model_std_errors, strict=True)
        ]
        return table(
            "Standard errors",
            [
                ("term", "Term", "text"),
                ("robust", "Robust", "number"),
                ("model", "If the working correlation holds", "number"),
            ],
            rows,
        )
