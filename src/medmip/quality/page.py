"""The quality report as one HTML page that needs nothing else, to be read, printed and signed."""

from collections.abc import Iterator, Sequence
from html import escape

from medmip.quality.charts import pictures
from medmip.quality.report import QualityReport, VariableQuality

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1a2430; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #d8dfe7; }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.fit { color: #17693a; } .unfit, .blocks { color: #a3201d; }
svg { max-width: 100%; height: auto; }
.sign { margin-top: 3rem; display: grid; grid-template-columns: 1fr 1fr; gap: 3rem; }
.sign div { border-top: 1px solid #1a2430; padding-top: .3rem; }
@media print { h2 { break-after: avoid; } figure { break-inside: avoid; } }
"""


def page(reports: Sequence[QualityReport]) -> str:
    """The page of one or several reports."""
    title = "Quality report: " + ", ".join(report.dataset for report in reports)
    body = "".join("".join(_section(report)) for report in reports)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        f"</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _section(report: QualityReport) -> Iterator[str]:
    verdict = "fit for publication" if report.fit else "not fit for publication"
    mark = "fit" if report.fit else "unfit"
    yield f"<h1>{escape(report.dataset)} <small>({escape(report.model)})</small></h1>"
    version = "" if report.version is None else f", version {report.version}"
    yield (
        f"<p>{escape(report.source)}{version}: {report.patients:,} patients, "
        f'{report.records:,} records. <strong class="{mark}">It is {verdict}.</strong></p>'
    )
    yield "<h2>Findings</h2>" + _findings(report)
    if report.problems:
        found = [(kind, f"{count:,}") for kind, count in report.problems.items()]
        yield "<h2>Validity: cells and rows that break the data model</h2>"
        yield _table(("Problem", "Count"), found)
    yield "<h2>Uniqueness and consistency</h2>" + _table(("", "Count"), list(_unique(report)))
    for title, svg in pictures(report):
        yield f"<h2>{escape(title)}</h2><figure>{svg}</figure>"
    if report.norms:
        yield f"<p>The norms were made by {escape(report.norm_reference)}.</p>"
    yield "<h2>Every variable</h2>"
    rows = [_row(variable) for variable in report.variables]
    yield _table(("Variable", "Present", "Quartiles or levels", "Far values", "PSI"), rows)
    yield '<div class="sign"><div>Data manager</div><div>Place and date</div></div>'


def _findings(report: QualityReport) -> str:
    if not report.findings:
        return "<p>Nothing was found.</p>"
    items = (
        f'<li class="blocks">{escape(finding.sentence)} This blocks its publication.</li>'
        if finding.blocks
        else f"<li>{escape(finding.sentence)}</li>"
        for finding in report.findings
    )
    return f"<ul>{''.join(items)}</ul>"


def _unique(report: QualityReport) -> Iterator[tuple[str, str]]:
    if report.duplicates is None:
        yield "Records that repeat another patient's", "not measured: too few numbers"
    else:
        yield "Records that repeat another patient's", str(report.duplicates)
    for code, count in report.across.items():
        yield f"Records that the dataset {code} has too", str(count)
    for code, count in report.inconsistent.items():
        yield f"Patients who contradict themselves in {code}", str(count)


def _row(variable: VariableQuality) -> tuple[str, ...]:
    values = ""
    if variable.quartiles is not None:
        values = " / ".join(f"{value:.6g}" for value in variable.quartiles)
    elif variable.levels:
        values = ", ".join(f"{level}: {count}" for level, count in variable.levels.items())
    return (
        f"{variable.label} ({variable.code})",
        f"{variable.present:.1%}",
        values,
        "" if variable.outliers is None else str(variable.outliers),
        "" if variable.psi is None else f"{variable.psi:.3f}",
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    headings = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = "".join(
        "<tr>"
        + "".join(
            f"<td{'' if place == 0 else ' class=n'}>{escape(cell)}</td>"
            for place, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{headings}</tr></thead><tbody>{lines}</tbody></table>"
