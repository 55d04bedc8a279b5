"""An experiment as one HTML page that needs nothing else: to be read, printed, and kept."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from medmip.algorithms.views import Chart, Table, View
from medmip.catalogue.data_model import DataModel
from medmip.experiments.experiment import Answer, Experiment, Provenance
from medmip.experiments.methods import dataset_label, result_of
from medmip.experiments.report_charts import Drawing
from medmip.experiments.report_numbers import cells
from medmip.experiments.write_up import WriteUp

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #1a2430; background: #fff; }
h1 { font-size: 1.6rem; overflow-wrap: anywhere; } h2 { font-size: 1.25rem; margin-top: 2.4rem; }
h3 { font-size: 1.1rem; margin-top: 2rem; }
h4, figcaption, caption { font-size: 1rem; font-weight: 600; text-align: left; }
.wide { overflow-x: auto; margin: 1.4rem 0 .3rem; }
table { border-collapse: collapse; font-size: 13px; }
caption { padding-bottom: .3rem; white-space: nowrap; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #d8dfe7;
  vertical-align: top; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th.n { white-space: normal; }
.note { color: #54616e; font-size: 13px; margin-top: .2rem; }
td.hash { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
.synthetic { border-left: .3rem solid #b08d1e; padding-left: .8rem; }
figure { margin: 1.8rem 0; } figcaption h3, figcaption h4 { font-size: 1rem; margin: 0 0 .3rem; }
svg { max-width: 100%; height: auto; }
pre { font: 12.5px/1.5 ui-monospace, monospace; background: #f3f6f8; padding: .8rem 1rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
@page { margin: 16mm 14mm; }
@media print { body { margin: 0; padding: 0; max-width: none; font-size: 11pt; }
  thead { display: table-header-group; } pre { background: none; border: 1px solid #d8dfe7; }
  h2, h3, h4 { break-after: avoid; } figure, tr { break-inside: avoid; }
  .wide { overflow: visible; } }
"""
_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'"
"""Whoever opens the page: nothing is run, nothing is fetched, only its own style is taken."""


def page(experiment: Experiment, written: WriteUp, model: DataModel | None) -> str:
    """The page of an experiment that is done; raises Conflict where it has no result.

    model is its data model, None where that is not there any more.
    """
    title = f"Report: {experiment.name}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(_body(experiment, written, model))}</main></body></html>\n"
    )


def _body(experiment: Experiment, written: WriteUp, model: DataModel | None) -> Iterator[str]:
    outcome, provenance = result_of(experiment)
    yield f"<h1>{escape(experiment.name)}</h1>"
    ended = experiment.finished or experiment.created
    yield (
        f"<p>Experiment {escape(experiment.id)}, ended {ended:%Y-%m-%d %H:%M} UTC; "
        f"{escape(provenance.software)}.</p>"
    )
    if any(part.synthetic for part in provenance.snapshots):
        yield '<p class="synthetic">It rests on synthetic data: no record belongs to a person.</p>'
    yield "<h2>Methods</h2>"
    yield f"<p>{escape(written.methods.paragraph)}</p>"
    if written.methods.references:
        listed = "".join(f"<li>{escape(part)}</li>" for part in written.methods.references)
        yield f"<h3>References</h3><ol>{listed}</ol>"
    yield "<h2>Results</h2>"
    drawing = Drawing()
    yield from _views(outcome.comparison, drawing, "h3")
    for answer in outcome.answers:
        yield from _answer(answer, drawing, several=len(outcome.answers) > 1)
    yield "<h2>What it rests on</h2>"
    yield from _rests_on(provenance, model)
    yield "<h2>Code that asks for it again</h2>"
    code = written.code
    languages = {
        "HTTP": code.curl,
        "Shell": code.shell,
        "Python": code.client,
        "Python on the server": code.python,
    }
    for name, text in languages.items():
        yield f"<h3>{name}</h3><pre>{escape(text)}</pre>"


def _answer(answer: Answer, drawing: Drawing, *, several: bool) -> Iterator[str]:
    if several:
        yield f"<h3>{escape(answer.label)}</h3>"
    yield from _views(answer.views, drawing, "h4" if several else "h3")


def _views(views: Iterable[View], drawing: Drawing, heading: str) -> Iterator[str]:
    for view in views:
        if isinstance(view, Table):
            yield _table_view(view)
        else:
            yield _chart_view(view, drawing, heading)


def _table_view(view: Table) -> str:
    numeric = [column.format != "text" for column in view.columns]
    head = [column.label for column in view.columns]
    return _table(view.title, head, cells(view), numeric) + _note(view.note)


def _chart_view(view: Chart, drawing: Drawing, heading: str) -> str:
    try:
        picture = f'<div role="img" aria-label="{escape(view.alt)}">{drawing.svg(view)}</div>'
    except ValueError:
        picture = f"<p>{escape(view.alt)}</p>"
    title = f"<figcaption><{heading}>{escape(view.title)}</{heading}></figcaption>"
    return f"<figure>{title}{picture}{_note(view.note)}</figure>"


def _rests_on(provenance: Provenance, model: DataModel | None) -> Iterator[str]:
    rows = [
        (
            dataset_label(part.dataset, model),
            part.dataset,
            str(part.version),
            part.site or "here",
            "synthetic" if part.synthetic else "patients",
            part.hash,
        )
        for part in provenance.snapshots
    ]
    head = ("Dataset", "Code", "Version", "Hospital", "Data", "SHA-256 of its content")
    yield _table("Datasets", head, rows, hashes={5})
    numbers = [
        ("Patients", f"{provenance.patients:,}"),
        ("Records", f"{provenance.records:,}"),
        ("Records left out for missing values", f"{provenance.excluded:,}"),
    ]
    yield _table("Cohort", ("", "Number"), numbers, (False, True))
    if provenance.sites:
        sites = [(site.name, site.software) for site in provenance.sites]
        yield _table("Hospitals", ("Hospital", "Software"), sites)
    if provenance.aggregation:
        yield f"<p>{escape(provenance.aggregation)}</p>"


def _table(
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    numeric: Sequence[bool] = (),
    hashes: frozenset[int] | set[int] = frozenset(),
) -> str:
    def kind(place: int) -> str:
        if place in hashes:
            return ' class="hash"'
        return ' class="n"' if place < len(numeric) and numeric[place] else ""

    headings = "".join(
        f'<th scope="col"{kind(place)}>{escape(name)}</th>' for place, name in enumerate(head)
    )
    lines = "".join(
        "<tr>"
        + "".join(f"<td{kind(place)}>{escape(cell)}</td>" for place, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">'
        f"<table><caption>{escape(title)}</caption><thead><tr>{headings}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>"
    )


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>' if text else ""
