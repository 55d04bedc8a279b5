"""What the three t-tests share: alternatives, the test itself, its result and views."""

from enum import StrEnum

import altair as alt
import numpy as np
from pydantic import Field
from scipy import stats

from medmip.algorithms.declaration import CannotCompute, Parameters, Result
from medmip.algorithms.views import View, chart, table


class Alternative(StrEnum):
    """What is claimed of the difference."""

    TWO_SIDED = "two-sided"
    LESS = "less"
    GREATER = "greater"


class TTestParameters(Parameters):
    """Parameters that every t-test has."""

    alternative: Alternative = Field(
        Alternative.TWO_SIDED, title="Alternative", description="What the test claims."
    )
    confidence: float = Field(
        0.95, gt=0, lt=1, title="Confidence level", description="Of the difference's interval."
    )


class TTestResult(Result):
    """A t-test of a mean difference; lower and upper are its confidence limits."""

    title: str
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

    def views(self) -> list[View]:
        percent = f"{100 * self.confidence:g} %"
        rows = [
            {"group": name, "n": n, "mean": mean, "sd": sd, "error": sd / np.sqrt(n)}
            for name, n, mean, sd in self.groups
        ]
        test = [
            ("Mean difference", self.difference),
            ("Standard error", self.std_error),
            ("t", self.t),
            ("Degrees of freedom", self.df),
            (f"{percent} lower", self.lower),
            (f"{percent} upper", self.upper),
            ("Cohen's d", self.cohens_d),
        ]
        measures = [{"measure": name, "value": value} for name, value in test]
        measures.append({"measure": f"p-value ({self.alternative})", "value": self.p_value})
        views: list[View] = [
            table(
                self.title,
                [("measure", "Measure", "text"), ("value", "Value", "number")],
                measures,
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
        for row in rows:
            reach = stats.t.ppf(0.5 + self.confidence / 2, float(str(row["n"])) - 1)
            row["low"] = float(str(row["mean"])) - reach * float(str(row["error"]))
            row["high"] = float(str(row["mean"])) + reach * float(str(row["error"]))
        drawn = [{key: row[key] for key in ("group", "mean", "low", "high")} for row in rows]
        for row in drawn:
            row |= {key: float(str(row[key])) for key in ("mean", "low", "high")}
        base = alt.Chart(alt.Data(values=drawn)).encode(
            y=alt.Y("group:N", title=None, sort=[name for name, *_ in self.groups])
        )
        scale = alt.Scale(zero=False)
        bars = base.mark_rule(strokeWidth=2).encode(
            x=alt.X("low:Q", title="Mean", scale=scale), x2="high:Q"
        )
        points = base.mark_point(filled=True, size=80, opacity=1).encode(
            x="mean:Q", tooltip=["group:N", "mean:Q"]
        )
        words = "; ".join(f"{name} {mean:.4g}" for name, _, mean, _ in self.groups)
        views.append(
            chart(
                "Means",
                (bars + points).properties(width="container", height=alt.Step(34)),
                f"Means with {percent} intervals: {words}",
                f"Lines are {percent} confidence intervals of each mean.",
            )
        )
        return views


def t_test(
    title: str,
    *,
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

    groups are (name, n, mean, standard deviation). Raises CannotCompute where nothing varies.
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
        title=title,
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
