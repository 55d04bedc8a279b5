"""The report's pictures, as SVG: the variables that deserve a look."""

from collections.abc import Sequence

import altair as alt
import vl_convert

from medmip.quality.report import QualityReport, VariableQuality

MOST = 30
"""Bars of a picture; the table below it has all."""
_WIDTH = 560


def pictures(report: QualityReport) -> list[tuple[str, str]]:
    """A title and an SVG for each picture that has something to show."""
    found = [
        ("Least complete variables", _completeness(report.variables)),
        ("Values far from the others, share of values", _outliers(report.variables)),
        ("Drift against the former version, PSI", _drift(report.variables)),
        ("Volumes against their norm, mean z and its spread", _norms(report)),
    ]
    return [(title, svg) for title, svg in found if svg is not None]


def _completeness(variables: Sequence[VariableQuality]) -> str | None:
    least = sorted(variables, key=lambda one: one.present)[:MOST]
    rows = [(one.code, one.present) for one in least]
    return _bars(rows, "share of records", axis_format="%", domain=(0.0, 1.0))


def _outliers(variables: Sequence[VariableQuality]) -> str | None:
    rows = [(one.code, one.outlier_share) for one in variables if one.outlier_share]
    rows.sort(key=lambda row: -row[1])
    return _bars(rows[:MOST], "share of values", axis_format="%")


def _drift(variables: Sequence[VariableQuality]) -> str | None:
    rows = [(one.code, one.psi) for one in variables if one.psi is not None]
    rows.sort(key=lambda row: -row[1])
    return _bars(rows[:MOST], "PSI", axis_format=".2f")


def _norms(report: QualityReport) -> str | None:
    furthest = sorted(report.norms, key=lambda norm: -abs(norm.mean))[:MOST]
    if not furthest:
        return None
    rows = [
        {
            "code": norm.code,
            "mean": norm.mean,
            "low": norm.mean - norm.spread,
            "high": norm.mean + norm.spread,
        }
        for norm in furthest
    ]
    order = [norm.code for norm in furthest]
    base = alt.Chart(alt.Data(values=rows)).encode(y=alt.Y("code:N", sort=order, title=None))
    spread = base.mark_rule(color="#7a8ca3").encode(
        x=alt.X("low:Q", title="standard deviations from the norm"), x2="high:Q"
    )
    mean = base.mark_point(filled=True, size=50, color="#1c5d99").encode(x="mean:Q")
    return _svg(spread + mean)


def _bars(
    rows: Sequence[tuple[str, float]],
    title: str,
    *,
    axis_format: str,
    domain: tuple[float, float] | None = None,
) -> str | None:
    if not rows:
        return None
    values = [{"code": code, "value": value} for code, value in rows]
    scale = alt.Scale(domain=list(domain)) if domain else alt.Scale()
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_bar(color="#1c5d99")
        .encode(
            x=alt.X("value:Q", title=title, axis=alt.Axis(format=axis_format), scale=scale),
            y=alt.Y("code:N", sort=[code for code, _ in rows], title=None),
        )
    )
    return _svg(chart)


def _svg(chart: alt.Chart | alt.LayerChart) -> str:
    # The renderer measures another font than the page shows, so long names need more room.
    made = chart.properties(width=_WIDTH, padding={"left": 70, "right": 20, "top": 5, "bottom": 5})
    made = made.configure_axis(labelLimit=320)
    return str(vl_convert.vegalite_to_svg(made.to_dict()))
