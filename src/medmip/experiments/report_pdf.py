"""An experiment's report as a PDF: typeset on the server, with the tags that a screen reader needs.

Typst sets it, a wheel that brings its fonts and needs neither network nor system libraries. What is
shown reaches the template as data alone, so that no text of an experiment is ever read as markup.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typst

from medmip.algorithms.views import Chart, Table, View
from medmip.catalogue.data_model import DataModel
from medmip.errors import MipError
from medmip.experiments.experiment import Experiment, Provenance
from medmip.experiments.methods import dataset_label, result_of
from medmip.experiments.report_charts import Drawing
from medmip.experiments.report_numbers import cells
from medmip.experiments.write_up import WriteUp

_TEMPLATE = """
#let report = json("report.json")
#set document(title: report.title, date: auto)
#set text(lang: "en", font: "Libertinus Serif", size: 10pt)
#set page(paper: "a4", margin: (x: 18mm, y: 20mm), footer: context [
  #set text(size: 8pt, fill: luma(90))
  #report.foot #h(1fr) #counter(page).display("1 / 1", both: true)
])
#set par(leading: 0.62em)
#show heading: set block(above: 1.5em, below: 0.7em, sticky: true)
#show raw: set text(font: "DejaVu Sans Mono", size: 7.5pt)
#let small(body) = text(size: 8.5pt, fill: luma(70), body)
#let pieces(part) = {
  if part.kind == "heading" { heading(level: part.level, part.text) }
  if part.kind == "paragraph" { par(part.text) }
  if part.kind == "note" and part.text != "" { small(par(part.text)) }
  if part.kind == "list" { enum(..part.items) }
  if part.kind == "code" {
    block(fill: luma(245), inset: 6pt, width: 100%, raw(part.text, block: true))
  }
  if part.kind == "chart" {
    block(sticky: true, strong(part.title))
    image(part.file, width: 88%, height: auto, fit: "contain", alt: part.alt)
  }
  if part.kind == "table" {
    block(sticky: true, above: 1.3em, strong(part.title))
    set text(size: if part.head.len() > 8 { 6.5pt } else { 8.5pt })
    set par(justify: false)
    table(
      columns: part.head.map(_ => auto),
      align: (column, _) => if part.numeric.at(column) { right } else { left },
      stroke: (_, row) => (bottom: if row == 0 { 0.7pt } else { 0.3pt + luma(200) }),
      inset: (x: 4pt, y: 3pt),
      table.header(..part.head.map(name => strong(name))),
      ..part.rows.flatten(),
    )
  }
}
#title()
#for part in report.parts { pieces(part) }
"""

_BROKEN = "\u200b"
"""A place where a long code may be broken over lines."""
Part = dict[str, Any]


class ReportNotSet(MipError):
    """The report could not be typeset."""

    title = "The report cannot be made"
    status = 500


def pdf(experiment: Experiment, written: WriteUp, model: DataModel | None) -> bytes:
    """The report of an experiment that is done, as the bytes of a tagged PDF.

    model is its data model, None where that is not there any more. The same experiment gives the
    same bytes. Raises Conflict where it has no result, and ReportNotSet where it cannot be typeset.
    """
    _, provenance = result_of(experiment)
    ended = experiment.finished or experiment.created
    with TemporaryDirectory(prefix="mip-report-") as name:
        folder = Path(name)
        parts = list(_parts(experiment, written, model, folder))
        foot = (
            f"Experiment {experiment.id}, ended {ended:%Y-%m-%d %H:%M} UTC; {provenance.software}"
        )
        title = experiment.name or experiment.id
        content = {"title": title, "foot": foot, "parts": parts}
        (folder / "report.json").write_text(json.dumps(content), encoding="utf-8")
        source = folder / "report.typ"
        source.write_text(_TEMPLATE, encoding="utf-8")
        try:
            made = typst.compile(
                source,
                root=folder,
                ignore_system_fonts=True,
                pdf_standards="ua-1",
                timestamp=ended.replace(microsecond=0),
            )
        except typst.TypstError as error:
            raise ReportNotSet(
                f"The report of {experiment.id} cannot be typeset as a PDF: {error.message}",
                remedy="Take the report as HTML, and tell the administrator.",
            ) from error
    return bytes(made)


def _parts(
    experiment: Experiment, written: WriteUp, model: DataModel | None, folder: Path
) -> Iterator[Part]:
    outcome, provenance = result_of(experiment)
    if any(part.synthetic for part in provenance.snapshots):
        yield _paragraph("It rests on synthetic data: no record belongs to a person.")
    yield _heading(1, "What was asked, and of whom")
    yield _asked(experiment, model)
    yield from _rests_on(provenance, model)
    yield _heading(1, "Methods")
    yield _paragraph(written.methods.paragraph)
    if written.methods.references:
        yield _heading(2, "References")
        yield {"kind": "list", "items": list(written.methods.references)}
    yield _heading(1, "Results")
    drawing = Drawing()
    yield from _views(outcome.comparison, drawing, folder)
    for answer in outcome.answers:
        if len(outcome.answers) > 1:
            yield _heading(2, answer.label or experiment.algorithm)
        if answer.problem is not None:
            yield _paragraph(answer.problem.detail)
        yield from _views(answer.views, drawing, folder)
    yield from _disclosure(provenance)
    yield _heading(1, "Code that asks for it again")
    for name, text in (("Python", written.code.client), ("Shell", written.code.shell)):
        yield _heading(2, name)
        yield {"kind": "code", "text": text}


def _asked(experiment: Experiment, model: DataModel | None) -> Part:
    data = experiment.request.inputdata

    def named(codes: Sequence[str] | None) -> str:
        labels = [_label(code, model) for code in codes or ()]
        return ", ".join(labels) or "none"

    rows = [
        ("Algorithm", experiment.request.algorithm),
        ("Outcome (y)", named(data.y)),
        ("Covariates (x)", named(data.x)),
        ("Data model", data.data_model),
        ("Filter", "none" if not data.filters else "see Methods"),
        ("Asked by", experiment.user),
    ]
    compared = ", ".join(analysis.algorithm for analysis in experiment.request.compare)
    if compared:
        rows.insert(1, ("Compared with", compared))
    return _table("Request", ("Part", "What was asked"), rows)


def _label(code: str, model: DataModel | None) -> str:
    variable = None if model is None else model.all_variables.get(code)
    return f"{variable.label} ({code})" if variable is not None and variable.label else code


def _rests_on(provenance: Provenance, model: DataModel | None) -> Iterator[Part]:
    rows = [
        (
            dataset_label(part.dataset, model),
            part.site or "here",
            str(part.version),
            "synthetic" if part.synthetic else "patients",
            _broken(part.hash),
        )
        for part in provenance.snapshots
    ]
    head = ("Dataset", "Hospital", "Version", "Data", "SHA-256 of its content")
    yield _table("Datasets", head, rows)
    numbers = [
        ("Patients", f"{provenance.patients:,}"),
        ("Records", f"{provenance.records:,}"),
        ("Records left out for missing values", f"{provenance.excluded:,}"),
    ]
    yield _table("Cohort", ("Counted", "Number"), numbers, (False, True))
    if provenance.sites:
        sites = [(site.name, site.software) for site in provenance.sites]
        yield _table("Hospitals that took part", ("Hospital", "Software"), sites)
    if provenance.lost:
        yield _paragraph(f"Lost on the way, and not in the result: {', '.join(provenance.lost)}.")


def _disclosure(provenance: Provenance) -> Iterator[Part]:
    yield _heading(1, "Disclosure control")
    yield _paragraph(
        "Only aggregates left the data. Every one passed the guard of its hospital, which wrote "
        "its verdict into its ledger first; what is hidden here was hidden by it."
    )
    if provenance.aggregation:
        yield _paragraph(provenance.aggregation)
    if not provenance.thresholds:
        return
    rows = [
        (
            used.site or "here",
            str(used.minimum_patients),
            str(used.minimum_cell),
            "yes" if used.complementary else "no",
            f"{used.patients_per_parameter:g}",
            f"{used.dominance:g}",
            used.overlap,
        )
        for used in provenance.thresholds
    ]
    head = (
        "Hospital", "Least patients", "Least in a cell", "Complementary cells hidden",
        "Patients a parameter", "Dominance", "Overlap with earlier questions",
    )  # fmt: skip
    numeric = (False, True, True, False, True, True, False)
    yield _table("Thresholds that were applied", head, rows, numeric)


def _views(views: Iterable[View], drawing: Drawing, folder: Path) -> Iterator[Part]:
    for view in views:
        if isinstance(view, Table):
            numeric = [column.format != "text" for column in view.columns]
            yield _table(view.title, [one.label for one in view.columns], cells(view), numeric)
        else:
            yield _chart(view, drawing, folder)
        yield {"kind": "note", "text": view.note}


def _chart(view: Chart, drawing: Drawing, folder: Path) -> Part:
    try:
        picture = drawing.png(view)
    except ValueError:
        return _paragraph(f"{view.title}: {view.alt}")
    file = f"chart-{len(list(folder.glob('chart-*.png'))) + 1}.png"
    (folder / file).write_bytes(picture)
    return {"kind": "chart", "title": view.title, "alt": view.alt or view.title, "file": file}


def _heading(level: int, text: str) -> Part:
    return {"kind": "heading", "level": level, "text": text}


def _paragraph(text: str) -> Part:
    return {"kind": "paragraph", "text": text}


def _table(
    title: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    numeric: Sequence[bool] = (),
) -> Part:
    return {
        "kind": "table",
        "title": title,
        "head": list(head),
        "rows": [list(row) for row in rows],
        "numeric": [place < len(numeric) and numeric[place] for place in range(len(head))],
    }


def _broken(code: str) -> str:
    return _BROKEN.join(code[place : place + 16] for place in range(0, len(code), 16))
