"""What is written about an experiment is true to it, safe to open, and asks for the same again."""

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.algorithms.declaration import Algorithm
from medmip.algorithms.registry import registry
from medmip.algorithms.views import Chart, Format, facts, table
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.client.connection import Connection
from medmip.client.run import Run
from medmip.errors import Conflict
from medmip.experiments.experiment import (
    Experiment,
    Outcome,
    Progress,
    Provenance,
    SiteUsed,
    SnapshotUsed,
    State,
    ThresholdsUsed,
)
from medmip.experiments.methods import methods_of
from medmip.experiments.report import page
from medmip.experiments.report_file import report_file
from medmip.experiments.report_numbers import shown_value
from medmip.experiments.reproduction import RequestCode, code_of, document_of
from medmip.experiments.request import Request
from medmip.experiments.service import ExperimentService
from medmip.experiments.write_up import write_up_of
from tests.conftest import ROOT
from tests.demo_requests import FLAT, request_of

HOSTILE = "<script>alert('1')</script>\"&<img src=x onerror=alert(2)>"
OVER_SIXTY = {
    "condition": "AND",
    "rules": [
        {"field": "subjectageyears", "operator": "greater_or_equal", "value": 60},
        {"field": "gender", "operator": "in", "value": ["F", "M"]},
    ],
}
DATA: dict[str, Any] = {
    "data_model": FLAT,
    "datasets": ["edsd-synthetic"],
    "y": ["lefthippocampus"],
    "x": ["subjectageyears", "gender"],
}
USUAL = ThresholdsUsed(
    minimum_patients=10,
    minimum_cell=10,
    complementary=True,
    patients_per_parameter=3,
    dominance=0.9,
    overlap="selection",
)
SEVERAL: list[dict[str, Any]] = [
    {"algorithm": "linear_regression", "inputdata": DATA},
    {
        "algorithm": "linear_regression",
        "inputdata": DATA | {"filters": OVER_SIXTY},
        "parameters": {"interactions": [["subjectageyears", "gender"]], "confidence": 0.9},
    },
    {
        "algorithm": "linear_regression",
        "inputdata": DATA,
        "preparation": {"imputation": {"method": "multiple"}, "standardise": {}},
    },
    {
        "algorithm": "elastic_net",
        "inputdata": DATA,
        "grid": {"penalty": [0.01, 1.0]},
        "validation": {"kind": "folds", "folds": 3},
        "compare": [{"algorithm": "linear_regression"}],
    },
]


def done(
    request: Request, outcome: Outcome | None = None, name: str = "An experiment", **parts: Any
) -> Experiment:
    """An experiment that has ended with an outcome."""
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    provenance: dict[str, Any] = {
        "software": "medmip 0.1.0",
        "algorithm_version": "1.0",
        "compared_versions": ["1.0" for _ in request.compare],
        "snapshots": [
            SnapshotUsed(dataset=code, hash="ab" * 32, version=3)
            for code in request.inputdata.datasets
        ],
        "records": 1234,
        "patients": 1200,
        "excluded": 17,
        "thresholds": [USUAL],
    }
    return Experiment(
        id="0123456789abcdef",
        name=name,
        state=State.DONE,
        algorithm=request.algorithm,
        user="somebody",
        request=request,
        created=moment,
        finished=moment,
        progress=Progress(),
        provenance=Provenance(**(provenance | parts)),
        result=outcome or Outcome(data={}, views=()),
    )


def told(experiment: Experiment, model: DataModel | None = None) -> str:
    return methods_of(experiment, registry(), model).paragraph


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    return ModelStore(Home(tmp_path_factory.mktemp("models") / "home").prepare())


@pytest.mark.parametrize("algorithm", registry().values(), ids=registry())
def test_every_algorithm_has_a_paragraph(
    algorithm: Algorithm[Any, Any], models: ModelStore
) -> None:
    request = Request.model_validate(request_of(algorithm))
    model = models.get(request.inputdata.data_model)
    methods = methods_of(done(request), registry(), model)
    text = methods.paragraph
    assert algorithm.method in text
    for code in (*(request.inputdata.y or ()), *(request.inputdata.x or ())):
        assert model.variable(code).label in text
    marks = {int(mark) for group in re.findall(r"\[([\d, ]+)\]", text) for mark in group.split(",")}
    assert marks == set(range(1, len(methods.references) + 1))
    assert bool(methods.references) == (algorithm.name != "histogram")
    assert not re.search(r"(?<!penalty: )None|  |\.\.|: ;|\(\)|<|PydanticUndefined", text), text


def test_paragraph_tells_cohort_filter_exclusions_and_thresholds(models: ModelStore) -> None:
    request = Request.model_validate(SEVERAL[1])
    text = told(done(request), models.get(FLAT))
    assert "We analysed 1,200 patients (1,234 records)" in text
    assert "edsd-synthetic (version 3)" in text
    assert "Age is at least 60 and Sex is one of Female, Male" in text
    assert "We excluded 17 records with a missing value in at least one" in text
    assert "Left hippocampus (cm³)" in text
    assert "interactions: Age × Sex" in text
    assert "confidence level: 0.9" in text
    assert "cohorts of fewer than 10 patients were refused" in text
    assert "medmip 0.1.0" in text


def test_paragraph_tells_preparation_and_validation_with_their_references(
    models: ModelStore,
) -> None:
    preparation = {
        "imputation": {"method": "multiple", "imputations": 7},
        "combat": {"preserve": ["subjectageyears"]},
    }
    asked = SEVERAL[3] | {"preparation": preparation}
    methods = methods_of(done(Request.model_validate(asked)), registry(), models.get(FLAT))
    assert "(7 imputations of 5 iterations, seed 1)" in methods.paragraph
    assert "the effects of Age preserved" in methods.paragraph
    assert "3-fold cross-validation" in methods.paragraph
    assert "nested validation chose penalty from 0.01, 1" in methods.paragraph
    assert "For comparison, the same patients were analysed by linear regression" in (
        methods.paragraph
    )
    assert any("Rubin DB" in reference for reference in methods.references)
    assert any("Rabinovic" in reference for reference in methods.references)


def test_paragraph_names_hospitals_and_their_own_thresholds(models: ModelStore) -> None:
    parts: dict[str, Any] = {
        "sites": [SiteUsed(name=name, software="1") for name in ("North", "South")],
        "snapshots": [
            SnapshotUsed(dataset="edsd-synthetic", hash="0", version=1, site="North"),
        ],
        "secure_aggregation": True,
        "lost": ["West"],
        "thresholds": [
            USUAL.model_copy(update={"site": "North"}),
            USUAL.model_copy(update={"site": "South", "minimum_cell": 25}),
        ],
    }
    text = told(done(Request.model_validate(SEVERAL[0]), **parts), models.get(FLAT))
    assert "version 1, held by North" in text
    assert "(North and South)" in text
    assert "Disclosure control at South" in text
    assert "counts of fewer than 25 patients" in text
    assert "secure aggregation" in text
    assert "West was lost" in text


def test_without_data_model_and_algorithm_codes_are_told() -> None:
    request = Request.model_validate(SEVERAL[1])
    text = methods_of(done(request), {}, None).paragraph
    assert "lefthippocampus" in text
    assert "the filter of the request" in text


def test_what_has_no_result_is_not_written_up() -> None:
    failed = done(Request.model_validate(SEVERAL[0])).model_copy(update={"state": State.FAILED})
    with pytest.raises(Conflict, match="failed"):
        methods_of(failed, registry(), None)


class Parts(HTMLParser):
    """What a page is made of: its tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def bars(**encoding: Any) -> Chart:
    rows = [{"level": HOSTILE, "count": 4}, {"level": "other", "count": 9}]
    spec = {
        "data": {"values": rows},
        "mark": {"type": "line", "clip": True},
        "encoding": {
            "x": {"field": "level", "type": "nominal", "title": HOSTILE},
            "y": {"field": "count", "type": "quantitative"},
            **encoding,
        },
    }
    return Chart(title=HOSTILE, alt=HOSTILE, note=HOSTILE, spec=spec)


def hostile_page(*views: Any) -> Parts:
    columns: list[tuple[str, str, Format]] = [("a", HOSTILE, "text")]
    shown = table(HOSTILE, columns, [{"a": HOSTILE}], HOSTILE)
    request = Request.model_validate(
        SEVERAL[0] | {"parameters": {"note": HOSTILE}, "inputdata": DATA | {"y": [HOSTILE]}}
    )
    experiment = done(request, Outcome(data={}, views=(shown, *views)), HOSTILE)
    written = write_up_of(experiment, registry(), None, token=False)
    return Parts(page(experiment, written, None))


def test_hostile_labels_are_escaped() -> None:
    parts = hostile_page(bars())
    assert not {"script", "img", "iframe", "link", "object", "foreignobject"} & set(parts.tags)
    assert not [name for name, _ in parts.attributes if name.startswith("on") or name == "style"]
    assert parts.text.count(HOSTILE) >= 5


def test_report_is_one_file_that_fetches_nothing() -> None:
    link = {"href": {"field": "level", "type": "nominal"}}
    parts = hostile_page(bars(**link), bars())
    linked = [value for name, value in parts.attributes if name in ("href", "src", "xlink:href")]
    assert [value for value in linked if not value.startswith("#")] == []
    named = [value for name, value in parts.attributes if name == "id"]
    assert len(named) == len(set(named)) > 1
    used = {value for name, value in parts.attributes if name == "clip-path"}
    assert used <= {f"url(#{name})" for name in named}
    (policy,) = [value for name, value in parts.attributes if value.startswith("default-src")]
    assert "'none'" in policy
    assert "unsafe" not in policy


def test_a_chart_that_cannot_be_drawn_is_told_in_words() -> None:
    broken = Chart(title="Broken", alt="Two lines that cross", spec={"mark": 7})
    assert "Two lines that cross" in hostile_page(broken).text


def test_suppressed_counts_stay_suppressed(service: ExperimentService) -> None:
    narrow = {
        "condition": "AND",
        "rules": [{"field": "subjectageyears", "operator": "greater", "value": 85}],
    }
    data = DATA | {"y": ["alzheimerbroadcategory"], "x": ["gender"], "filters": narrow}
    request = Request.model_validate({"algorithm": "histogram", "inputdata": data})
    experiment = service.run(request)
    assert experiment.result is not None, experiment.problem
    cells = [
        cell
        for view in experiment.result.views
        if view.kind == "table"
        for row in view.rows
        for cell in row.values()
    ]
    assert "hidden" in cells
    parts = Parts(report_file(service, experiment.id).decode())
    assert parts.text.count("hidden") >= cells.count("hidden")


@pytest.mark.parametrize(
    "value,form,shown",
    [
        (None, "number", ""),
        ("hidden", "integer", "hidden"),
        (12345.0, "integer", "12,345"),
        (0.00001, "pvalue", "< 0.0001"),
        (0.04321, "pvalue", "0.0432"),
        (0.95, "number", "0.95"),
        (-1.23456, "number", "−1.235"),
        (2.0001, "number", "2.000"),
        (1234.56, "number", "1,234.6"),
        (1.5e-7, "number", "1.500e−07"),
        (True, "text", "True"),
    ],
)
def test_numbers_are_written_as_in_the_portal(value: Any, form: Format, shown: str) -> None:
    assert shown_value(value, form) == shown


def test_a_rows_own_format_goes_before_its_columns(service: ExperimentService) -> None:
    view = facts("Fit", [("p", 0.00001, "pvalue"), ("n", 1234, "integer")])
    experiment = done(Request.model_validate(SEVERAL[0]), Outcome(data={}, views=(view,)))
    written = write_up_of(experiment, registry(), None, token=False)
    assert "< 0.0001" in Parts(page(experiment, written, None)).text


# ---- the code asks for the same again


def environment(home: Home) -> dict[str, str]:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"MIP_HOME": str(home.path), "PATH": programs}


def ran(command: list[str], home: Home) -> str:
    result = subprocess.run(
        command,
        check=False,
        env=environment(home),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("asked", SEVERAL, ids=["plain", "filter", "preparation", "grid"])
def test_command_line_gives_the_same_result(asked: dict[str, Any], filled: Home) -> None:
    service = ExperimentService(filled)
    first = service.run(Request.model_validate(asked))
    written = service.write_up(first.id)
    service.close()
    assert first.result is not None, first.problem
    ran(["bash", "-euc", written.code.shell], filled)
    again = ExperimentService(filled)
    _, (newest, _) = again.find()
    repeated = again.get(newest.id)
    again.close()
    assert newest.id != first.id
    assert repeated.request == first.request
    assert repeated.result == first.result


def test_python_gives_the_same_result(filled: Home) -> None:
    service = ExperimentService(filled)
    first = service.run(Request.model_validate(SEVERAL[1]))
    written = service.write_up(first.id)
    service.close()
    assert first.result is not None
    printed = json.loads(ran([sys.executable, "-c", written.code.python], filled))
    assert printed["result"] == first.result.model_dump(mode="json")


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Requests whose every word may be meant to break out of its quotes."""
    data = {
        "data_model": draw(WORDS),
        "datasets": draw(st.lists(WORDS, min_size=1, max_size=3)),
        "y": draw(st.none() | st.lists(WORDS, max_size=2)),
        "filters": draw(st.none() | st.dictionaries(WORDS, VALUES, max_size=2)),
    }
    validation = st.sampled_from(
        [
            None,
            {"kind": "folds", "folds": 4},
            {"kind": "folds", "folds": 4, "seed": 2},
            {"kind": "leave_one_dataset_out"},
            {"kind": "hold_out", "dataset": "'$(id)`"},
        ]
    )
    return Request.model_validate(
        {
            "algorithm": draw(WORDS),
            "inputdata": data,
            "parameters": draw(st.dictionaries(WORDS, VALUES, max_size=2)),
            "grid": draw(st.dictionaries(WORDS, st.lists(VALUES, max_size=2), max_size=1)),
            "compare": draw(st.lists(st.just({"algorithm": "cox"}), max_size=2)),
            "validation": draw(validation),
            "on_loss": draw(st.sampled_from(["fail", "continue"])),
        }
    )


def code(request: Request) -> RequestCode:
    return code_of(request, "https://mip.example/", token=True, federated=False)


@given(requests())
def test_document_is_the_request(request: Request) -> None:
    assert Request.model_validate(document_of(request)) == request


@given(requests())
def test_curl_sends_the_request(request: Request) -> None:
    words = shlex.split(code(request).curl)
    assert words[:3] == ["curl", "-s", "https://mip.example/api/v1/experiments"]
    assert Request.model_validate_json(words[words.index("-d") + 1]) == request


@given(requests())
def test_python_makes_the_request(request: Request) -> None:
    made: dict[str, Any] = {}
    text = code(request).python
    exec(text[: text.index("\nservice = ")], made)
    assert made["request"] == request


@given(requests())
def test_client_sends_the_request(request: Request) -> None:
    sent: list[dict[str, Any]] = []

    def post(_: Connection, __: str, body: dict[str, Any]) -> dict[str, str]:
        sent.append(body)
        return {"id": "1"}

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIP_TOKEN", "mip_secret")
        patch.setattr(Connection, "post", post)
        patch.setattr(Run, "wait", lambda *_, **__: None)
        exec(code(request).client, {})
    (body,) = sent
    assert body.pop("name") == ""
    assert Request.model_validate(body) == request


ECHO = """#!{python}
import json, sys
given = {{"argv": sys.argv[1:], "input": "" if sys.stdin.isatty() else sys.stdin.read()}}
print(json.dumps(given))
"""


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a program `mip` that tells what it was given."""
    folder: Path = tmp_path_factory.mktemp("echo")
    program = folder / "mip"
    program.write_text(ECHO.format(python=sys.executable))
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    "nasty", ["'", '"', "$(id)", "`id`", "a b", "\\", "JSON", "a\nJSON\nid", "-x", "é🧠", "!x", ","]
)
def test_shell_keeps_every_word_whole(nasty: str, echo: Path) -> None:
    filters = {"condition": "AND", "rules": [{"field": nasty, "operator": "equal", "value": nasty}]}
    data = DATA | {"datasets": [nasty], "filters": filters}
    request = Request.model_validate(
        {"algorithm": "anova", "inputdata": data, "parameters": {"level": nasty}}
    )
    given = json.loads(
        subprocess.run(
            ["bash", "-euc", code(request).shell],
            env={"PATH": f"{echo}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    if "--request" in given["argv"]:
        assert Request.model_validate_json(given["input"]) == request
        return
    assert given["argv"][given["argv"].index("--datasets") + 1] == nasty
    assert f"level={nasty}" in given["argv"]
    assert json.loads(given["input"]) == filters


def test_code_holds_no_secret_and_names_its_place() -> None:
    request = Request.model_validate(SEVERAL[0])
    known = code_of(request, token=True, federated=False)
    assert "$MIP_TOKEN" in known.curl
    assert 'token=os.environ["MIP_TOKEN"]' in known.client
    unknown = code_of(request, token=False, federated=False)
    assert "MIP_TOKEN" not in unknown.curl + unknown.client
    assert "sites_of(home, connected)" in code_of(request, token=False, federated=True).python
