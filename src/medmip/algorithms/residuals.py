"""Whether a linear model's residuals are as they should be, in pictures that disclose nobody."""

import altair as alt
import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from medmip.algorithms.palette import BLUE, QUIET, RED
from medmip.algorithms.views import Format, View, chart, hidden_note, shown, table, unmasked
from medmip.fold.cohort import Cohort
from medmip.fold.quantiles import quantiles
from medmip.fold.residuals import ResidualBins, Standardised, residual_sums

EDGES = tuple(edge / 2 for edge in range(-6, 7))
"""Between bins of standardised residuals."""
_QUANTILES = 99
_GROUPS = (20, 10, 5)
"""Bins of fitted values: the first of these of which no site masks any, or the last."""
_EXACT = 1e-12
"""Residuals that are smaller than this share of the outcome's spread are rounding."""
_DIGITS = 3
"""Digits after the point of a residual's quantile: none is a patient's residual in full."""


class QuantilePoint(BaseModel):
    """A quantile of the standardised residuals beside that of a normal distribution."""

    model_config = ConfigDict(frozen=True)

    share: float
    normal: float
    residual: float


class SpreadPoint(BaseModel):
    """Records of similar fitted values: means of these, of residuals r, and of root |r|."""

    model_config = ConfigDict(frozen=True)

    records: int
    fitted: float
    residual: float
    root: float


class Diagnostics(BaseModel):
    """How residuals, each in units of its own standard error, are distributed.

    counts (edges + 1) are records by bin of residual, None where suppressed; the outer bins are
    open. quantiles are as many as leave the minimum of patients between two, rounded. spread leaves
    out bins that a site masks.
    """

    model_config = ConfigDict(frozen=True)

    records: int
    edges: tuple[float, ...]
    counts: tuple[int | None, ...]
    quantiles: tuple[QuantilePoint, ...]
    spread: tuple[SpreadPoint, ...]
    minimum: int

    def views(self, outcome: str) -> list[View]:
        """Histogram, quantiles and spread; outcome is the outcome's label with its unit."""
        shape = [self._quantiles(), self._bins()]
        if any(count is not None for count in self.counts):
            shape.insert(0, self._histogram())
        if not self.spread:
            return shape
        return [
            *shape,
            self._trend(outcome),
            table(
                "Residuals by bin of fitted values",
                [
                    ("records", "Records", "integer"),
                    ("fitted", "Fitted, mean", "number"),
                    ("residual", "Residual, mean", "number"),
                    ("root", "√|residual|, mean", "number"),
                ],
                [part.model_dump() for part in self.spread],
                "Residuals are standardised; bins of similar fitted values.",
            ),
        ]

    def _expected(self) -> list[float]:
        below = stats.norm.cdf([-np.inf, *self.edges, np.inf])
        expected: list[float] = (self.records * np.diff(below)).tolist()
        return expected

    def _names(self) -> list[str]:
        inner = [f"{low:g} to {low + 0.5:g}" for low in self.edges[:-1]]
        return [f"below {self.edges[0]:g}", *inner, f"above {self.edges[-1]:g}"]

    def _bins(self) -> View:
        columns: list[tuple[str, str, Format]] = [
            ("bin", "Residual", "text"),
            ("records", "Records", "integer"),
            ("expected", "Normal", "number"),
        ]
        rows = [
            {"bin": name, "records": shown(count), "expected": expected}
            for name, count, expected in zip(
                self._names(), self.counts, self._expected(), strict=True
            )
        ]
        note = hidden_note(self.counts, self.minimum)
        return table("Standardised residuals by bin", columns, rows, note)

    def _histogram(self) -> View:
        middles = [self.edges[0] - 0.25, *(edge + 0.25 for edge in self.edges)]
        values = [
            {
                "middle": middle,
                "low": middle - 0.25,
                "high": middle + 0.25,
                "bin": name,
                "count": count,
                "expected": expected,
            }
            for middle, name, count, expected in zip(
                middles, self._names(), self.counts, self._expected(), strict=True
            )
        ]
        axis = "Standardised residual"
        scale = alt.Scale(domain=[-3.6, 3.6])
        base = alt.Chart(alt.Data(values=values))
        bars = base.mark_bar(color=BLUE, opacity=0.8).encode(
            x=alt.X("low:Q", title=axis, scale=scale, bin="binned"),
            x2="high:Q",
            y=alt.Y("count:Q", title="Records"),
            tooltip=[
                alt.Tooltip("bin:N", title=axis),
                alt.Tooltip("count:Q", title="records"),
                alt.Tooltip("expected:Q", title="normal", format=".1f"),
            ],
        )
        line = base.mark_line(color=RED, interpolate="monotone").encode(
            x=alt.X("middle:Q", scale=scale), y="expected:Q"
        )
        far = [self.counts[0], self.counts[-1]]
        told = " and ".join(str(shown(count)) for count in far)
        note = "Line: as many as a normal distribution has; the outer bins are open."
        return chart(
            "Standardised residuals",
            (bars + line).properties(width="container", height=240),
            f"Histogram of standardised residuals; {told} lie beyond 3 on either side",
            f"{note} {hidden_note(self.counts, self.minimum)}".strip(),
        )

    def _quantiles(self) -> View:
        values = [point.model_dump() for point in self.quantiles]
        ends = [min(p.normal for p in self.quantiles), max(p.normal for p in self.quantiles)]
        line = (
            alt.Chart(alt.Data(values=[{"a": end} for end in ends]))
            .mark_line(strokeDash=[4, 4], color=QUIET)
            .encode(x="a:Q", y="a:Q")
        )
        points = (
            alt.Chart(alt.Data(values=values))
            .mark_point(filled=True, color=BLUE, opacity=1)
            .encode(
                x=alt.X("normal:Q", title="Quantile of the normal distribution"),
                y=alt.Y("residual:Q", title="Quantile of standardised residuals"),
                tooltip=[alt.Tooltip("share:Q", format=".1%"), "normal:Q", "residual:Q"],
            )
        )
        first, last = self.quantiles[0], self.quantiles[-1]
        return chart(
            "Residuals against normal quantiles",
            (line + points).properties(width="container", height=280),
            f"Quantiles from {first.residual:.3g} at {first.share:.1%} to {last.residual:.3g} at "
            f"{last.share:.1%}; a normal distribution has {first.normal:.3g} and {last.normal:.3g}",
            "Points on the line: residuals are normal.",
        )

    def _trend(self, outcome: str) -> View:
        values = [
            {"fitted": part.fitted, "value": value, "what": what}
            for part in self.spread
            for what, value in (
                ("mean residual", part.residual),
                ("mean √|residual|: spread", part.root),
            )
        ]
        base = alt.Chart(alt.Data(values=values)).encode(
            x=alt.X("fitted:Q", title=f"Fitted {outcome}", scale=alt.Scale(zero=False)),
            y=alt.Y("value:Q", title="Of standardised residuals"),
            color=alt.Color("what:N", title=None, scale=alt.Scale(range=[BLUE, RED]), sort=None),
        )
        drawing = base.mark_line() + base.mark_point(filled=True, opacity=1)
        roots = [part.root for part in self.spread]
        return chart(
            "Residuals by fitted value",
            drawing.properties(width="container", height=260),
            f"Mean residual and spread over {len(self.spread)} bins of fitted values; mean root "
            f"residual from {min(roots):.3g} to {max(roots):.3g}",
            "A mean residual away from 0: a curve is missed. A spread that rises or falls: "
            "variances differ.",
        )


def diagnostics_of(
    cohort: Cohort,
    values: Standardised,
    records: int,
    patients: int,
    mean: float,
    deviation: float,
) -> Diagnostics | None:
    """The diagnostics of a fit to so many records and patients.

    mean and deviation are the outcome's. None where patients are too few for four groups, or where
    the fit leaves no residuals.
    """
    parts = min(_QUANTILES + 1, patients // cohort.minimum)
    if parts < 4 or not values.spread > _EXACT * deviation:
        return None
    shares = [index / parts for index in range(1, parts)]
    found = quantiles(
        cohort,
        values,
        shares,
        center=np.array([0.0, mean]),
        spread=np.array([1.0, deviation]),
    )[:, 0]
    if not np.isfinite(found).all():
        return None
    for groups in _GROUPS:
        wanted = min(groups, parts)
        chosen = [round(parts * index / wanted) - 1 for index in range(1, wanted)]
        cuts = np.unique(found[1, chosen])
        sums = cohort.fold(residual_sums, ResidualBins(values, EDGES, tuple(cuts.tolist())))
        if not np.ma.getmaskarray(sums.fitted).any():
            break
    spread = []
    for row in np.ma.asarray(sums.sums):
        held, fitted, residual, root = row
        if held is np.ma.masked or not held:
            continue
        spread.append(
            SpreadPoint(
                records=int(held),
                fitted=float(fitted / held),
                residual=float(residual / held),
                root=float(root / held),
            )
        )
    return Diagnostics(
        records=records,
        edges=EDGES,
        counts=tuple(unmasked(np.ma.asarray(sums.records))),
        quantiles=tuple(
            QuantilePoint(share=share, normal=float(stats.norm.ppf(share)), residual=value)
            for share, value in zip(shares, np.round(found[0], _DIGITS).tolist(), strict=True)
        ),
        spread=tuple(spread),
        minimum=cohort.minimum,
    )
