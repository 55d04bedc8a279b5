"""Estimates of several imputations pooled into one, with what the missing values cost."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from medmip.algorithms.coefficients import INTERCEPT, Coefficient, forest_plot, reference_note
from medmip.algorithms.declaration import Algorithm, CannotCompute, Result
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.views import Format, View, facts, table


class PooledCoefficient(Coefficient):
    """A coefficient pooled over imputations; its statistic is a t value with df degrees of freedom.

    within and between are the mean variance of an imputation and the variance between them;
    missing_information is the share of the information that the missing values took away.
    """

    df: float
    within: float
    between: float
    missing_information: float


class PooledRatio(BaseModel):
    """e to a pooled coefficient and to the limits of its interval."""

    model_config = ConfigDict(frozen=True, ser_json_inf_nan="strings")

    term: str
    ratio: float
    lower: float
    upper: float


class PooledResult(Result):
    """Coefficients of one algorithm, pooled over imputations by Rubin's rules.

    ratios are of a model whose coefficients are logarithms, and ratio_of says of what.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    algorithm: str
    outcome: str | None
    n: int
    imputations: int
    coefficients: tuple[PooledCoefficient, ...]
    ratio_of: str | None = None
    ratios: tuple[PooledRatio, ...] = ()
    references: dict[str, str]
    confidence: float

    def views(self, names: Names = CODES) -> list[View]:
        percent = f"{100 * self.confidence:g} %"
        fit: list[tuple[str, object, Format]] = [
            ("Method", self.algorithm, "text"),
            ("Observations", self.n, "integer"),
            ("Imputations", self.imputations, "integer"),
            (
                "Largest fraction of missing information",
                max(row.missing_information for row in self.coefficients),
                "number",
            ),
        ]
        of = f" for {names.variable(self.outcome)}" if self.outcome else ""
        return [
            table(
                "Pooled coefficients",
                [
                    ("term", "Term", "text"),
                    ("estimate", "Estimate", "number"),
                    ("std_error", "Std. error", "number"),
                    ("statistic", "t", "number"),
                    ("df", "df", "number"),
                    ("p_value", "p-value", "pvalue"),
                    ("lower", f"{percent} lower", "number"),
                    ("upper", f"{percent} upper", "number"),
                    ("missing_information", "Missing information", "number"),
                ],
                [row.model_dump() | {"term": names.term(row.term)} for row in self.coefficients],
                "; ".join(
                    filter(
                        None,
                        (
                            "Pooled by Rubin's rules; missing information is its fraction",
                            reference_note(self.references, names),
                        ),
                    )
                ),
            ),
            *self._ratios(names),
            forest_plot(
                self.coefficients, self.confidence, f"Pooled coefficients{of}", "Estimate", names
            ),
            facts("Pooling", fit),
        ]

    def _ratios(self, names: Names) -> list[View]:
        if self.ratio_of is None:
            return []
        percent = f"{100 * self.confidence:g} %"
        return [
            table(
                f"Pooled: {self.ratio_of.lower()}",
                [
                    ("term", "Term", "text"),
                    ("ratio", self.ratio_of, "number"),
                    ("lower", f"{percent} lower", "number"),
                    ("upper", f"{percent} upper", "number"),
                ],
                [part.model_dump() | {"term": names.term(part.term)} for part in self.ratios],
                "Pooled as logarithms, then raised",
            )
        ]


class Pool(NamedTuple):
    """One estimate pooled over m imputations."""

    estimate: float
    within: float
    between: float
    std_error: float
    df: float
    missing_information: float


def poolable(algorithm: Algorithm[Any, Any]) -> bool:
    """Whether an algorithm's result is a table of coefficients with their errors."""
    field = algorithm.result.model_fields.get("coefficients")
    return field is not None and field.annotation == tuple[Coefficient, ...]


def pooled(algorithm: str, results: Sequence[Result]) -> PooledResult:
    """Rubin's rules over the results of one algorithm, by its label, on each imputation.

    Raises CannotCompute where imputations differ in the terms that they estimate.
    """
    found = [_parts(result) for result in results]
    first = found[0]
    rows: list[list[Coefficient]] = [list(part["coefficients"]) for part in found]
    terms = [row.term for row in rows[0]]
    if any([row.term for row in part] != terms for part in rows[1:]):
        raise CannotCompute(
            "The imputations differ in the levels that occur, so their estimates cannot be pooled",
            remedy="Leave out the nominal variable with a rare level, or join its levels.",
        )
    complete = float(first.get("df_residual", np.inf))
    confidence = float(first["confidence"])
    pools = [
        rubin(
            [part[index].estimate for part in rows],
            [part[index].std_error for part in rows],
            complete,
        )
        for index in range(len(terms))
    ]
    pooled_rows = tuple(
        _coefficient(term, pool, confidence) for term, pool in zip(terms, pools, strict=True)
    )
    return PooledResult(
        algorithm=algorithm,
        outcome=first.get("outcome"),
        n=int(first["n"]),
        imputations=len(results),
        coefficients=pooled_rows,
        ratio_of=results[0].ratio,
        ratios=_raised(pooled_rows) if results[0].ratio is not None else (),
        references=dict(first.get("references", {})),
        confidence=confidence,
    )


def _raised(rows: Sequence[PooledCoefficient]) -> tuple[PooledRatio, ...]:
    """Source: van Buuren & Groothuis-Oudshoorn, mice, summary.mipo with exponentiate = TRUE."""
    with np.errstate(over="ignore"):
        return tuple(
            PooledRatio(
                term=row.term,
                ratio=float(np.exp(row.estimate)),
                lower=float(np.exp(row.lower)),
                upper=float(np.exp(row.upper)),
            )
            for row in rows
            if row.term != INTERCEPT
        )


def rubin(estimates: Sequence[float], std_errors: Sequence[float], complete: float) -> Pool:
    """One estimate over m imputations, with degrees of freedom for small samples.

    complete is the degrees of freedom without missing values, infinite for large-sample tests.
    Source: Rubin, Multiple Imputation for Nonresponse in Surveys (1987), 3.1; Barnard & Rubin,
    Biometrika 86 (1999) 948-955.
    """
    m = len(estimates)
    within = float(np.mean(np.square(std_errors)))
    between = float(np.var(estimates, ddof=1))
    extra = (1.0 + 1.0 / m) * between
    total = within + extra
    share = extra / total if total else 0.0
    old = (m - 1) / share**2 if share else np.inf
    observed = (1.0 - share) * complete
    if np.isfinite(complete):
        observed *= (complete + 1.0) / (complete + 3.0)
    if np.isfinite(old) and np.isfinite(observed):
        df = old * observed / (old + observed)
    else:
        df = min(old, observed)
    increase = extra / within if within else np.inf
    missing = (increase + 2.0 / (df + 3.0)) / (increase + 1.0) if np.isfinite(increase) else 1.0
    return Pool(
        float(np.mean(estimates)), within, between, float(np.sqrt(total)), float(df), missing
    )


def _coefficient(term: str, pool: Pool, confidence: float) -> PooledCoefficient:
    reference = stats.t(pool.df) if np.isfinite(pool.df) else stats.norm()
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(np.divide(pool.estimate, pool.std_error))
    margin = float(reference.ppf(0.5 + confidence / 2.0)) * pool.std_error
    return PooledCoefficient(
        term=term,
        estimate=pool.estimate,
        std_error=pool.std_error,
        statistic=value,
        p_value=float(2.0 * reference.sf(abs(value))),
        lower=pool.estimate - margin,
        upper=pool.estimate + margin,
        df=pool.df,
        within=pool.within,
        between=pool.between,
        missing_information=pool.missing_information,
    )


def _parts(result: Result) -> Mapping[str, Any]:
    """A result's fields by name."""
    return {name: getattr(result, name) for name in type(result).model_fields}
