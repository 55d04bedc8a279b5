"""What the three t-tests share: alternatives, the test itself, its result and views."""

from enum import StrEnum

import altair as alt
import numpy as np
from pydantic import Field
from scipy import stats

from medmip.algorithms.declaration import CannotCompute, Parameters, Result
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.views import Format, View, chart, facts, table


class Alternative(StrEnum):
    """What is claimed of the difference."""

    TWO_SIDED = "two-sided"
    LESS = "less"
    GREATER = "greater"

    @property
    def label(self) -> str:
        """What a form offers."""
        return {
            Alternative.TWO_SIDED: "The difference is not 0 (two-sided)",
            Alternative.LESS: "The difference is below 0 (one-sided)",
            Alternative.GREATER: "The difference is above 0 (one-sided)",
        }[self]


class TTestParameters(Parameters):
    """Parameters that every t-test has."""

    alternative: Alternative = Field(
        Alternative.TWO_SIDED,
        title="Alternative",
        description="What the test claims.",
        json_schema_extra={"labels": {one.value: one.label for one in Alternative}},
    )
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the difference's interval."
    )


class TTestResult(Result):
    """A t-test of a mean difference; lower and upper are its confidence limits.

    groups are (name, n, mean, standard deviation): levels of factor, or the variables themselves;
    mu is the value that one variable is tested against.
    """

    variables: tuple[str, ...]
    factor: str | None
    mu: float | None
    n: int
    excluded: int
    groups: tuple[tuple[str, int, float, float], ...]
    difference: float
    std_error: float
    t: float
    df: float
    p_value: float
    lower: float
    upper: float
    cohens_d: float
    alternative: Alternative
    confidence: float

    def views(self, names: Names = CODES) -> list[View]:
        percent = f"{100 * self.confidence:g} %"
        rows = [
            {"group": self._name(code, names), "n": n, "mean": mean, "sd": sd}
            for code, n, mean, sd in self.groups
        ]
        test: list[tuple[str, float, Format]] = [
            ("Mean difference", self.difference, "number"),
            ("Standard error", self.std_error, "number"),
            ("t", self.t, "number"),
            ("Degrees of freedom", self.df, "number"),
            (f"p-value ({self.alternative})", self.p_value, "pvalue"),
            (f"{percent} lower", self.lower, "number"),
            (f"{percent} upper", self.upper, "number"),
            ("Cohen's d", self.cohens_d, "number"),
        ]
        views: list[View] = [
            facts(
                self._title(names),
                test,
                f"{self.n} records; {self.excluded} dropped for missing values.",
            ),
            table(
                "Groups",
                [
                    ("group", "Group", "text"),
                    ("n", "n", "integer"),
                    ("mean", "Mean", "number"),
                    ("sd", "SD", "number"),
                ],
                rows,
            ),
        ]
        drawn = []
        for code, n, mean, sd in self.groups:
            reach = float(stats.t.ppf(0.5 + self.confidence / 2, n - 1) * sd / np.sqrt(n))
            ends = {"mean": mean, "low": mean - reach, "high": mean + reach}
            drawn.append({"group": self._name(code, names)} | ends)
        base = alt.Chart(alt.Data(values=drawn)).encode(
            y=alt.Y(
                "group:N",
                title=None,
                sort=[str(row["group"]) for row in drawn],
                axis=alt.Axis(labelLimit=320),
            )
        )
        scale = alt.Scale(zero=False)
        axis = names.axis(self.variables[0]) if len(self.variables) == 1 else "Mean"
        bars = base.mark_rule(strokeWidth=2).encode(
            x=alt.X("low:Q", title=axis, scale=scale), x2="high:Q"
        )
        points = base.mark_point(filled=True, size=80, opacity=1).encode(
            x="mean:Q", tooltip=["group:N", "mean:Q"]
        )
        words = "; ".join(f"{row['group']} {row['mean']:.4g}" for row in rows)
        views.append(
            chart(
                "Means",
                (bars + points).properties(width="container", height=alt.Step(34)),
                f"Means with {percent} intervals: {words}",
                f"Lines are {percent} confidence intervals of each mean.",
            )
        )
        return views

    def _name(self, code: str, names: Names) -> str:
        return names.variable(code) if self.factor is None else names.level(self.factor, code)

    def _title(self, names: Names) -> str:
        compared = " against ".join(self._name(code, names) for code, *_ in self.groups)
        if self.mu is not None:
            return f"{compared} against {self.mu:g}"
        return (
            compared if self.factor is None else f"{names.variable(self.variables[0])}: {compared}"
        )


def t_test(
    *variables: str,
    factor: str | None = None,
    mu: float | None = None,
    excluded: int,
    groups: tuple[tuple[str, int, float, float], ...],
    n: int,
    difference: float,
    std_error: float,
    df: float,
    cohens_d: float,
    parameters: TTestParameters,
) -> TTestResult:
    """The test of a difference against zero by Student's t with df degrees of freedom.

    variables, factor, mu and groups are as in TTestResult. Raises CannotCompute where nothing
    varies.
    Source: Altman, Practical Statistics for Medical Research, chapter 9.
    """
    if not std_error > 0:
        raise CannotCompute("The values do not vary, so a t-test has no answer")
    t = difference / std_error
    reference = stats.t(df)
    level = parameters.confidence
    match parameters.alternative:
        case Alternative.TWO_SIDED:
            p, reach = 2 * reference.sf(abs(t)), reference.ppf(0.5 + level / 2) * std_error
            lower, upper = difference - reach, difference + reach
        case Alternative.LESS:
            p, lower, upper = (
                reference.cdf(t),
                -np.inf,
                difference + reference.ppf(level) * std_error,
            )
        case Alternative.GREATER:
            p, lower, upper = reference.sf(t), difference - reference.ppf(level) * std_error, np.inf
    return TTestResult(
        variables=variables,
        factor=factor,
        mu=mu,
        n=n,
        excluded=excluded,
        groups=groups,
        difference=difference,
        std_error=std_error,
        t=t,
        df=df,
        p_value=float(p),
        lower=float(lower),
        upper=float(upper),
        cohens_d=cohens_d,
        alternative=parameters.alternative,
        confidence=level,
    )
