"""The report as a PDF: whole, tagged, the same for the same experiment, and deaf to markup."""

import re
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from medmip.algorithms.registry import registry
from medmip.algorithms.views import Chart, Format, table
from medmip.errors import Conflict
from medmip.experiments.experiment import Experiment, Outcome, State
from medmip.experiments.report_pdf import _parts, pdf
from medmip.experiments.request import Request
from medmip.experiments.write_up import write_up_of
from tests.experiments.test_write_up import DATA, bars, done

HOSTILE = (
    '#panic("set") = *bold* $x$ `raw` <label> @reference \\ // "quoted" #include "report.json"'
)


def experiment_of(*views: Any, **parts: Any) -> Experiment:
    request = Request.model_validate({"algorithm": "linear_regression", "inputdata": DATA})
    return done(request, Outcome(data={}, views=views), HOSTILE, **parts)


def made(experiment: Experiment) -> bytes:
    return pdf(experiment, write_up_of(experiment, registry(), None, token=False), None)


def unpacked(content: bytes) -> bytes:
    """What a PDF holds, its packed streams unpacked."""
    found = [content]
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL):
        try:
            found.append(zlib.decompress(stream))
        except zlib.error:
            continue
    return b"\n".join(found)


def shown() -> list[Any]:
    columns: list[tuple[str, str, Format]] = [("a", HOSTILE, "text"), ("n", "n", "integer")]
    return [table(HOSTILE, columns, [{"a": HOSTILE, "n": 12}], HOSTILE), bars()]


def test_it_is_tagged_and_the_same_each_time_whatever_its_texts_hold() -> None:
    experiment = experiment_of(*shown())
    content = made(experiment)
    assert content.startswith(b"%PDF-")
    assert content == made(experiment)
    inside = unpacked(content)
    for tag in (b"/StructTreeRoot", b"/Table", b"/TH", b"/Figure", b"pdfuaid"):
        assert tag in inside, tag


def test_it_holds_what_was_asked_found_and_withheld() -> None:
    broken = Chart(title="Broken", alt="Two lines that cross", spec={"mark": 7})
    experiment = experiment_of(*shown(), broken)
    written = write_up_of(experiment, registry(), None, token=False)
    with TemporaryDirectory() as folder:
        parts = list(_parts(experiment, written, None, Path(folder)))
        pictures = [part for part in parts if part["kind"] == "chart"]
        assert len(pictures) == 1
        assert (Path(folder) / pictures[0]["file"]).read_bytes().startswith(b"\x89PNG")
    headings = [part["text"] for part in parts if part["kind"] == "heading" and part["level"] == 1]
    assert headings == [
        "What was asked, and of whom",
        "Methods",
        "Results",
        "Disclosure control",
        "Code that asks for it again",
    ]
    tables = {part["title"]: part for part in parts if part["kind"] == "table"}
    assert tables[HOSTILE]["rows"] == [[HOSTILE, "12"]]
    assert tables["Cohort"]["rows"][0] == ["Patients", "1,200"]
    assert len(tables["Thresholds that were applied"]["rows"]) == 1
    assert {"kind": "paragraph", "text": written.methods.paragraph} in parts
    assert {"kind": "paragraph", "text": "Broken: Two lines that cross"} in parts


def test_without_a_result_there_is_none() -> None:
    experiment = experiment_of()
    written = write_up_of(experiment, registry(), None, token=False)
    with pytest.raises(Conflict, match="has no result"):
        pdf(experiment.model_copy(update={"state": State.FAILED}), written, None)
