"""The client asks what the portal asks, shows what came, and tells no secret."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pandas as pd
import pytest

import medmip
from medmip.client.errors import ClientError, Problem, Refused, Unreachable, WithoutResult
from medmip.client.mip import Mip
from medmip.client.result import Result
from tests.client.conftest import DATASET, MODEL, House
from tests.conftest import ROOT

HOSTILE = "<script>alert(1)</script>"


def test_importing_the_package_costs_nothing() -> None:
    large = ("httpx", "pandas", "pydantic", "altair", "rich")
    code = f"import sys, medmip; print([name for name in {large} if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout.strip() == "[]"


def test_catalogue_is_listed_and_found_by_code(mip: Mip) -> None:
    assert mip.models[MODEL].datasets == (DATASET,)
    assert mip.datasets[0].synthetic
    assert mip.algorithms["linear_regression"].label == "Linear regression"
    assert "<td>dementia:1.0</td>" in mip.models._repr_html_()
    with pytest.raises(ClientError, match="There are: dementia"):
        mip.models["dementia:9"]


def test_variables_are_searched_by_words(mip: Mip) -> None:
    found = mip.variables.search("left hippocampus")
    assert found["lefthippocampus"].datasets == (DATASET,)
    assert list(found.frame["code"]) == [variable.code for variable in found]
    assert mip.variables.search("Geschlecht")[0].code == "gender"


def test_rules_are_joined_and_counts_rounded(mip: Mip) -> None:
    cohort = mip.cohort().where("subjectageyears", ">=", 60).where("gender", "in", ("F", "M"))
    assert (cohort.model, cohort.datasets) == (MODEL, (DATASET,))
    assert cohort.filters == {
        "condition": "AND",
        "rules": [
            {"field": "subjectageyears", "operator": "greater_or_equal", "value": 60},
            {"field": "gender", "operator": "in", "value": ["F", "M"]},
        ],
    }
    patients = cohort.count().patients
    assert patients is not None
    assert patients % 10 == 0
    assert str(cohort.where("subjectageyears", ">", 200).count()) == "no patients"
    assert str(cohort.where("subjectageyears", ">", 88).count()) == "fewer than 10 patients"
    with pytest.raises(ClientError, match="no operator"):
        cohort.where("gender", "~", "F")


def test_a_rule_narrows_filters_of_any_shape(mip: Mip) -> None:
    either = {"condition": "OR", "rules": [{"field": "gender", "operator": "equal", "value": "F"}]}
    cohort = mip.cohort(filters=either).where("subjectageyears", "known")
    rule = {"field": "subjectageyears", "operator": "is_not_null"}
    assert cohort.filters == {"condition": "AND", "rules": [either, rule]}


def test_a_result_is_frames_and_charts_and_shows_itself(mip: Mip) -> None:
    result = mip.run("linear_regression", y="lefthippocampus", x=["subjectageyears", "gender"])
    frame = result.table("Coefficients")
    assert isinstance(frame, pd.DataFrame)
    assert frame["Term"][0] == "Intercept"
    assert frame["Estimate"].dtype == float
    assert result.provenance["snapshots"][0]["dataset"] == DATASET
    assert [chart.to_dict(validate=False) for chart in result.charts]
    shown = result._repr_html_()
    assert shown.count("data:image/svg+xml") == len(result.charts)
    assert "<table" in shown
    assert "Intercept" in repr(result)
    with pytest.raises(KeyError, match="there are: Coefficients"):
        result.table("Nothing")
    again = mip.experiment(result.experiment).wait(progress=False)
    assert again.data == result.data


def test_what_a_result_says_is_escaped() -> None:
    chart = {
        "kind": "chart",
        "title": HOSTILE,
        "alt": HOSTILE,
        "note": HOSTILE,
        "spec": {"mark": 7},
    }
    column = {"key": "a", "label": HOSTILE, "format": "text"}
    table = {"kind": "table", "title": HOSTILE, "columns": [column], "rows": [{"a": HOSTILE}]}
    answer = {"label": HOSTILE, "data": {}, "views": [chart, table]}
    document = {"id": "1", "name": HOSTILE, "provenance": None}
    outcome = answer | {"compared": [answer], "comparison": [table]}
    shown = Result(document | {"result": outcome})._repr_html_()
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") > 10


def test_problems_are_told_with_field_and_remedy(mip: Mip) -> None:
    with pytest.raises(Problem) as met:
        mip.run("linear_regression", y="nothing", x="gender")
    assert met.value.code == 422
    assert met.value.fields[0].path == "inputdata.y[0]"
    assert "nothing" in str(met.value)
    few = mip.cohort().where("subjectageyears", ">", 200)
    with pytest.raises(Refused, match="fewer than 10 patients") as refused:
        mip.run("linear_regression", cohort=few, y="lefthippocampus", x="gender", progress=False)
    assert mip.experiment(refused.value.experiment).state == "refused"


def test_the_code_of_an_experiment_asks_for_the_same(
    mip: Mip, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {"y": "lefthippocampus", "x": ["subjectageyears"], "progress": False}
    cohort = mip.cohort().where("gender", "==", "F")
    first = mip.run("linear_regression", cohort=cohort, parameters={"confidence": 0.9}, **asked)
    key = {"Authorization": f"Bearer {house.token}"}
    place = f"{house.address}/api/v1/experiments/{first.experiment}/write-up"
    code = httpx.get(place, headers=key, trust_env=False).json()["code"]["client"]
    assert house.token not in code
    monkeypatch.setenv("MIP_TOKEN", house.token)
    names: dict[str, Any] = {}
    exec(code, names)
    names["mip"].close()
    assert names["result"].experiment != first.experiment
    assert names["result"].data == first.data


def test_a_cancelled_run_has_no_result(mip: Mip) -> None:
    run = mip.submit(
        "gradient_boosting",
        y="alzheimerbroadcategory",
        x=["lefthippocampus", "subjectageyears"],
        parameters={"rounds": 100},
    )
    run.cancel()
    with pytest.raises(WithoutResult, match="cancelled"):
        run.wait(progress=False)


def test_wrong_tokens_are_refused_and_not_told(house: House) -> None:
    wrong = house.token[:-4] + "XXXX"
    with medmip.connect(house.address, token=wrong) as mip:
        with pytest.raises(Problem) as met:
            _ = mip.models
        assert met.value.code == 401
        assert_untold(wrong, met.value, mip)


@pytest.mark.parametrize(
    "url",
    ["http://mip.hospital.example", "ftp://127.0.0.1", "https://a:b@mip.example", "", "nonsense"],
)
def test_a_token_goes_nowhere_unprotected(url: str) -> None:
    with pytest.raises(ClientError) as met:
        medmip.connect(url, token="mip_secret")
    assert_untold("mip_secret", met.value)


@pytest.mark.parametrize("token", ["mip_secret\r\nX: y", "mip_secret ", "mip_sécret", ""])
def test_what_is_no_token_is_not_told(token: str) -> None:
    with pytest.raises(ClientError, match="access token") as met:
        medmip.connect("http://127.0.0.1:1", token=token)
    if token:
        assert_untold(token.strip(), met.value)


def assert_untold(secret: str, error: BaseException, *shown: object) -> None:
    """Neither the error, nor what led to it, nor anything shown has the secret in it."""
    parts: list[object] = [*shown]
    met: BaseException | None = error
    while met is not None:
        parts += [met, met.args, vars(met)]
        met = met.__cause__ or (None if met.__suppress_context__ else met.__context__)
    assert not [part for part in parts if secret in repr(part) or secret in str(part)]


class Other(BaseHTTPRequestHandler):
    """A server that is no MIP: it tells what it was sent, or sends on."""

    def do_GET(self) -> None:
        kind, status = self.path.rsplit("/", 1)[0], 403
        if "redirect" in kind:
            status = 302
        self.send_response(status)
        self.send_header("Location", f"http://{self.headers['Host']}/elsewhere")
        json_ = "problem" in kind
        self.send_header("Content-Type", "application/problem+json" if json_ else "text/html")
        self.end_headers()
        said = self.headers.get("Authorization", "nothing")
        seen.append((self.path, said))
        self.wfile.write(json.dumps({"title": said, "detail": f"sent: {said}"}).encode())

    def log_message(self, *_: Any) -> None:
        return


seen: list[tuple[str, str]] = []


@contextmanager
def other() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "place, kind", [("problem", Problem), ("page", Unreachable), ("redirect", Unreachable)]
)
def test_who_sends_a_token_back_does_not_see_it_told(place: str, kind: type[ClientError]) -> None:
    seen.clear()
    with other() as address, medmip.connect(f"{address}/{place}", token="mip_secret") as mip:
        with pytest.raises(kind) as met:
            _ = mip.models
        assert_untold("mip_secret", met.value, mip)
    assert seen == [(f"/{place}/api/v1/models", "Bearer mip_secret")]


def test_who_does_not_answer_is_named() -> None:
    with (
        medmip.connect("http://127.0.0.1:1", token="mip_secret") as mip,
        pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:1") as met,
    ):
        _ = mip.models
    assert_untold("mip_secret", met.value)
