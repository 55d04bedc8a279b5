"""The API's answers, in the words of its contract."""

import json
import shlex
import threading
import time
from itertools import pairwise
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.web.conftest import DATASET

API = "/api/v1"
COHORT = {"data_model": "dementia:1.0", "datasets": [DATASET]}
TOO_OLD = {
    "condition": "AND",
    "rules": [{"field": "subjectageyears", "operator": "greater", "value": 120}],
}


def analysis(algorithm: str, **parts: Any) -> dict[str, Any]:
    parameters = parts.pop("parameters", {})
    return {"algorithm": algorithm, "inputdata": COHORT | parts, "parameters": parameters}


def ended(client: TestClient, address: str) -> dict[str, Any]:
    for _ in range(600):
        answer: dict[str, Any] = client.get(address).json()
        if answer["state"] not in ("queued", "running"):
            return answer
        time.sleep(0.05)
    pytest.fail("the experiment did not end")


def test_catalogue_lists_models_datasets_and_algorithms(client: TestClient) -> None:
    model, longitudinal = client.get(f"{API}/models").json()
    assert model["code"] == "dementia:1.0"
    assert not model["longitudinal"]
    assert longitudinal["code"] == "dementia_longitudinal:1.0"
    assert longitudinal["longitudinal"]
    assert model["datasets"] == [DATASET]
    tree = client.get(f"{API}/models/dementia:1.0").json()
    assert tree["groups"]
    assert tree["key"] == "dementia:1.0"
    (dataset,) = client.get(f"{API}/datasets", params={"model": "dementia:1.0"}).json()
    assert dataset["synthetic"]
    assert dataset["patients"] == 900
    assert len(dataset["hash"]) == 64
    names = {algorithm["name"] for algorithm in client.get(f"{API}/algorithms").json()}
    assert {"describe", "histogram", "linear_regression", "kmeans", "pca"} <= names


def test_variables_are_found_by_every_word(client: TestClient) -> None:
    found = client.get(
        f"{API}/models/dementia:1.0/variables", params={"search": "LEFT hippocampus"}
    )
    codes = [variable["code"] for variable in found.json()]
    assert "lefthippocampus" in codes
    assert "righthippocampus" not in codes
    assert found.json()[0]["path"]


def test_variables_are_found_by_synonyms_the_best_first(client: TestClient) -> None:
    for path in (f"{API}/models/dementia:1.0/variables", f"{API}/variables"):
        told = client.get(path, params={"search": "hippocampe gauche"}).json()
        items = told if isinstance(told, list) else told["items"]
        assert items[0]["code"] == "lefthippocampus"


def test_experiment_runs_and_keeps_its_address(client: TestClient) -> None:
    request = analysis("linear_regression", y=["lefthippocampus"], x=["subjectageyears", "gender"])
    answer = client.post(f"{API}/experiments", json=request | {"name": "by age"})
    assert answer.status_code == 202
    done = ended(client, answer.headers["Location"])
    assert (done["state"], done["name"], done["problem"]) == ("done", "by age", None)
    assert {view["kind"] for view in done["result"]["views"]} == {"table", "chart"}
    assert done["provenance"]["snapshots"][0]["dataset"] == DATASET
    listed = client.get(f"{API}/experiments", params={"search": "by age"}).json()
    assert listed["total"] >= 1
    assert "result" not in listed["items"][0]
    renamed = client.patch(answer.headers["Location"], json={"name": "by age and sex"})
    assert renamed.json()["name"] == "by age and sex"
    assert client.delete(answer.headers["Location"]).status_code == 204
    assert client.get(answer.headers["Location"]).status_code == 404


def test_events_tell_of_progress_and_end(client: TestClient) -> None:
    request = analysis("describe", y=["lefthippocampus"])
    address = client.post(f"{API}/experiments", json=request).headers["Location"]
    with client.stream("GET", f"{address}/events") as events:
        text = "".join(events.iter_text())
    assert "event: progress" in text
    assert text.rstrip().rsplit("event: ", 1)[1].startswith("end")
    assert json.loads(text.rstrip().rsplit("data: ", 1)[1])["state"] == "done"


def test_refusal_says_rule_and_remedy(client: TestClient) -> None:
    request = analysis("ttest_onesample", y=["lefthippocampus"], filters=TOO_OLD)
    refused = ended(client, client.post(f"{API}/experiments", json=request).headers["Location"])
    assert refused["state"] == "refused"
    assert refused["result"] is None
    assert "fewer than 10 patients" in refused["problem"]["detail"]
    assert refused["problem"]["remedy"]


@pytest.mark.parametrize(
    "request_, path",
    [
        (analysis("nothing", y=["lefthippocampus"]), "algorithm"),
        (analysis("describe", y=["hippocampus_left"]), "inputdata.y[0]"),
        (analysis("describe", y=[]), "inputdata.y"),
        (analysis("pca", y=["gender", "lefthippocampus"]), "inputdata.y[0]"),
        (analysis("kmeans", y=["lefthippocampus"], parameters={"k": 0}), "parameters.k"),
        (analysis("kmeans", y=["lefthippocampus"], parameters={"j": 1}), "parameters.j"),
        (analysis("describe", y=["gender"], datasets=["nowhere"]), "inputdata.datasets[0]"),
        (analysis("describe", y=["gender"], data_model="none:1"), "inputdata.data_model"),
        (
            analysis("describe", y=["gender"], filters={"condition": "XOR", "rules": []}),
            "inputdata.filters.condition",
        ),
        (
            analysis(
                "logistic_regression",
                y=["gender"],
                x=["lefthippocampus"],
                parameters={"positive_class": "Z"},
            ),
            "parameters.positive_class",
        ),
    ],
)
def test_bad_request_names_its_field(
    client: TestClient, request_: dict[str, Any], path: str
) -> None:
    answer = client.post(f"{API}/experiments", json=request_)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert path in [problem["path"] for problem in answer.json()["errors"]]


def test_fitting_says_why_an_algorithm_is_not_offered(client: TestClient) -> None:
    fits = client.post(f"{API}/algorithms/fitting", json=COHORT | {"y": ["gender"], "x": []}).json()
    by_name = {fit["name"]: fit for fit in fits}
    assert by_name["describe"]["fits"]
    assert not by_name["linear_regression"]["fits"]
    assert by_name["linear_regression"]["reasons"] == [
        "Sex is nominal; outcome takes numeric variables",
        "covariates: needs at least 1 numeric or nominal variable",
    ]


def test_fitting_finds_the_order_in_which_variables_fit(client: TestClient) -> None:
    chosen = {"y": ["lefthippocampus"], "x": ["subjectageyears", "gender", "tiv"]}
    fits = client.post(f"{API}/algorithms/fitting", json=COHORT | chosen).json()
    ancova = next(fit for fit in fits if fit["name"] == "ancova")
    assert ancova["fits"]
    assert ancova["x"] == ["gender", "subjectageyears", "tiv"]


def test_a_role_refuses_in_its_own_words(client: TestClient) -> None:
    inputs = COHORT | {"y": ["lefthippocampus"], "x": ["subjectageyears", "gender"]}
    request = {"algorithm": "cox", "inputdata": inputs, "parameters": {"event": "F"}}
    errors = client.post(f"{API}/experiments", json=request).json()["errors"]
    assert {
        "path": "inputdata.x[0]",
        "message": "Age is numeric; event status takes nominal variables",
    } in errors
    request["inputdata"] = inputs | {"x": ["gender", "subjectageyears"]}
    request["parameters"] = {"event": "F", "interactions": [["gender", "subjectageyears"]]}
    errors = client.post(f"{API}/experiments", json=request).json()["errors"]
    assert errors == [
        {"path": "parameters.interactions[0]", "message": "Sex is not among the covariates"}
    ]


def test_exploring_leaves_no_experiment_but_a_ledger_row(client: TestClient) -> None:
    before = client.get(f"{API}/experiments").json()["total"]
    rows = client.get(f"{API}/audit").json()["total"]
    question = COHORT | {"variable": "lefthippocampus", "group_by": "gender", "bins": 10}
    assert client.post(f"{API}/explore/histogram", json=question).json()["views"]
    described = COHORT | {"variables": ["lefthippocampus"]}
    assert client.post(f"{API}/explore/describe", json=described).json()["data"]["numeric"]
    related = COHORT | {"variable": "lefthippocampus", "among": ["righthippocampus"]}
    found = client.post(f"{API}/explore/related", json=related).json()["data"]
    assert found["columns"] == ["righthippocampus"]
    assert 0.5 < found["correlations"][0][0] < 1
    assert client.get(f"{API}/experiments").json()["total"] == before
    assert client.get(f"{API}/audit").json()["total"] > rows


def test_count_is_rounded_and_small_ones_are_withheld(client: TestClient) -> None:
    whole = client.post(f"{API}/explore/count", json=COHORT).json()
    assert (whole["patients"], whole["rounded_to"], whole["suppressed"]) == (900, 10, False)
    over_84 = {"field": "subjectageyears", "operator": "greater_or_equal", "value": 84}
    some = client.post(
        f"{API}/explore/count", json=COHORT | {"filters": {"condition": "AND", "rules": [over_84]}}
    ).json()
    assert some["patients"] is None or some["patients"] % 10 == 0


def test_api_answers_while_a_run_is_busy(application: FastAPI, client: TestClient) -> None:
    request = analysis("describe", y=["lefthippocampus", "righthippocampus", "gender"])
    addresses = [
        client.post(f"{API}/experiments", json=request).headers["Location"] for _ in range(8)
    ]
    answered = threading.Event()

    def ask() -> None:
        assert client.get("/healthz").json() == {"status": "ok"}
        answered.set()

    threading.Thread(target=ask).start()
    assert answered.wait(10)
    assert all(ended(client, address)["state"] == "done" for address in addresses)


def test_cancelled_experiment_has_no_result(client: TestClient) -> None:
    request = analysis("describe", y=["lefthippocampus"])
    addresses = [
        client.post(f"{API}/experiments", json=request).headers["Location"] for _ in range(6)
    ]
    last = client.post(f"{addresses[-1]}/cancel").json()
    assert last["state"] in ("cancelled", "done")
    assert (last["state"] == "done") == (last["result"] is not None)
    assert ended(client, addresses[0])["state"] == "done"


@pytest.mark.parametrize(
    "method, path, status",
    [("GET", "/nothing", 404), ("PUT", "/models", 405), ("GET", "/experiments/none", 404)],
)
def test_every_error_is_a_problem(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, f"{API}{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_broken_json_is_a_problem(client: TestClient) -> None:
    answer = client.post(
        f"{API}/experiments", content=b"{", headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422
    assert answer.json()["title"] == "The request is not valid"


def test_foreign_host_is_turned_away(client: TestClient) -> None:
    assert client.get(f"{API}/models", headers={"host": "evil.example"}).status_code == 421


def test_foreign_origin_may_change_nothing(client: TestClient) -> None:
    answer = client.post(f"{API}/experiments", json={}, headers={"origin": "http://evil.example"})
    assert answer.status_code == 403


def test_huge_body_is_refused(client: TestClient) -> None:
    answer = client.post(f"{API}/experiments", content=b" " * (2 * 2**20 + 1))
    assert answer.status_code == 413


def test_portal_answers_for_its_screens_but_not_for_files(client: TestClient) -> None:
    screen = client.get("/experiments/some-id")
    assert screen.status_code == 200
    assert "<title>MIP</title>" in screen.text
    assert "script-src 'self'" in screen.headers["content-security-policy"]
    assert "unsafe-eval" not in screen.headers["content-security-policy"]
    assert client.get("/assets/missing.js").status_code == 404
    assert "<title>API</title>" in client.get("/api/docs").text


def test_metrics_count_without_patients(client: TestClient) -> None:
    text = client.get("/metrics").text
    assert "mip_ledger_rows" in text
    assert "mip_datasets 1.0" in text
    assert 'mip_experiments{state="running"}' in text


def test_every_operation_is_named_and_described(client: TestClient) -> None:
    document = client.get("/api/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation.get("operationId"), f"{method} {path}"
            assert operation.get("description") or operation.get("summary"), f"{method} {path}"
            answers = [status for status in operation["responses"] if status[0] in "23"]
            assert answers, f"{method} {path}"


def test_a_trained_model_predicts_for_given_values(client: TestClient) -> None:
    asked = {
        "algorithm": "linear_regression",
        "inputdata": {
            "data_model": "dementia:1.0",
            "datasets": ["edsd-synthetic"],
            "y": ["lefthippocampus"],
            "x": ["subjectageyears"],
        },
        "validation": {"kind": "folds", "folds": 3},
    }
    created = client.post("/api/v1/experiments", json=asked)
    assert created.status_code == 202, created.text
    identity = created.json()["id"]
    done = ended(client, f"{API}/experiments/{identity}")
    assert done["result"]["validation"]["method"] == "3-fold cross-validation"
    place = f"/api/v1/experiments/{identity}/predictions"
    answer = client.post(place, json={"records": [{"subjectageyears": 70}]})
    (row,) = answer.json()
    assert 1 < row["predicted"] < 6
    wrong = client.post(place, json={"records": [{"age": 70}]})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["path"] == "records[0].age"


def test_a_prepared_model_predicts_where_a_value_is_missing(client: TestClient) -> None:
    asked: dict[str, Any] = {
        "algorithm": "linear_regression",
        "inputdata": {
            "data_model": "dementia:1.0",
            "datasets": ["edsd-synthetic"],
            "y": ["lefthippocampus"],
            "x": ["subjectageyears", "righthippocampus"],
        },
        "preparation": {"imputation": {"method": "mean"}, "standardise": {}},
    }
    created = client.post("/api/v1/experiments", json=asked)
    assert created.status_code == 202, created.text
    identity = created.json()["id"]
    done = ended(client, f"{API}/experiments/{identity}")
    assert done["request"]["preparation"]["imputation"]["method"] == "mean"
    filled, scaled = done["result"]["preparation"]["steps"]
    mean = next(
        part["number"] for part in filled["values"] if part["variable"] == "righthippocampus"
    )
    assert [part["variable"] for part in scaled["scales"]] == asked["inputdata"]["x"]
    place = f"/api/v1/experiments/{identity}/predictions"
    records = [{"subjectageyears": 70}, {"subjectageyears": 70, "righthippocampus": mean}]
    one, other = client.post(place, json={"records": records}).json()
    assert one["predicted"] == pytest.approx(other["predicted"], rel=1e-12)
    assert 1 < one["predicted"] < 6
    asked["preparation"] = {
        "imputation": {"method": "multiple"},
        "standardise": {"variables": ["y"]},
    }
    wrong = client.post("/api/v1/experiments", json=asked | {"algorithm": "kmeans"})
    assert wrong.status_code == 422
    paths = [error["path"] for error in wrong.json()["errors"]]
    assert {"preparation.imputation.method", "preparation.standardise.variables[0]"} <= set(paths)
    listed = client.get("/api/v1/algorithms").json()
    assert {entry["name"]: entry["pools"] for entry in listed}["linear_regression"]


@pytest.fixture(scope="module")
def ended_experiment(client: TestClient) -> str:
    """The address of an experiment that is done."""
    asked = analysis("linear_regression", y=["lefthippocampus"], x=["subjectageyears", "gender"])
    created = client.post(f"{API}/experiments", json=asked | {"name": "Age & <sex>"})
    address: str = created.headers["Location"]
    assert ended(client, address)["state"] == "done"
    return address


def test_write_up_tells_methods_and_code(client: TestClient, ended_experiment: str) -> None:
    written = client.get(f"{ended_experiment}/write-up").json()
    assert "linear regression [1]" in written["methods"]["paragraph"]
    assert "Left hippocampus (cm³)" in written["methods"]["paragraph"]
    assert written["methods"]["references"][0].startswith("Seber GAF")
    code = written["code"]
    assert code["curl"].startswith("curl -s http://localhost/api/v1/experiments ")
    assert code["shell"].startswith("mip run linear_regression ")
    assert "ExperimentService" in code["python"]


def test_curl_sent_again_gives_the_same_result(client: TestClient, ended_experiment: str) -> None:
    words = shlex.split(client.get(f"{ended_experiment}/write-up").json()["code"]["curl"])
    headers = dict([words[words.index("-H") + 1].split(": ")])
    again = client.post(words[2], content=words[words.index("-d") + 1], headers=headers)
    assert again.status_code == 202, again.text
    repeated = ended(client, again.headers["Location"])
    assert repeated["result"] == client.get(ended_experiment).json()["result"]


def test_report_is_a_file_to_keep(client: TestClient, ended_experiment: str) -> None:
    report = client.get(f"{ended_experiment}/report")
    assert report.status_code == 200
    assert report.headers["content-type"].startswith("text/html")
    assert report.headers["content-disposition"].startswith('attachment; filename="report-')
    assert "<h1>Age &amp; &lt;sex&gt;</h1>" in report.text
    assert "<svg" in report.text
    assert "<script" not in report.text


def test_report_is_a_pdf_to_print(client: TestClient, ended_experiment: str) -> None:
    report = client.get(f"{ended_experiment}/report", params={"format": "pdf"})
    assert report.status_code == 200
    assert report.headers["content-type"] == "application/pdf"
    assert report.headers["content-disposition"].endswith('.pdf"')
    assert report.content.startswith(b"%PDF-")
    assert client.get(f"{ended_experiment}/report", params={"format": "doc"}).status_code == 422


def test_only_what_has_a_result_is_written_up(client: TestClient) -> None:
    asked = analysis("describe", y=["lefthippocampus"], filters=TOO_OLD)
    refused = client.post(f"{API}/experiments", json=asked).headers["Location"]
    assert ended(client, refused)["state"] == "refused"
    for part in ("write-up", "report"):
        assert client.get(f"{refused}/{part}").status_code == 409
        assert client.get(f"{API}/experiments/none/{part}").status_code == 404


def test_flow_tells_step_by_step_whom_a_filter_leaves_out(client: TestClient) -> None:
    rules = [
        {"field": "subjectageyears", "operator": "greater_or_equal", "value": 60},
        {"field": "gender", "operator": "equal", "value": "F"},
    ]
    question: dict[str, Any] = {
        "data_model": "dementia:1.0",
        "datasets": [DATASET],
        "filters": {"condition": "AND", "rules": rules},
        "complete": ["lefthippocampus"],
    }
    flow = client.post("/api/v1/explore/flow", json=question).json()
    assert [step["words"] for step in flow["steps"]] == [
        "",
        "Age is at least 60",
        "Sex is Female",
        "A value of Left hippocampus",
    ]
    numbers = [step["patients"] for step in flow["steps"]]
    assert numbers == sorted(numbers, reverse=True)
    assert all(number % flow["minimum"] == 0 for number in numbers)
    told = [before - after for before, after in pairwise(numbers)]
    assert [step["excluded"] for step in flow["steps"]] == [None, *told]
    counted = client.post(
        "/api/v1/explore/count",
        json={name: question[name] for name in question if name != "complete"},
    )
    assert counted.json()["patients"] == numbers[2]


def test_flow_takes_a_filter_of_alternatives_as_one_step(client: TestClient) -> None:
    rules = [
        {"field": "gender", "operator": "equal", "value": "F"},
        {"field": "subjectageyears", "operator": "greater", "value": 88},
    ]
    either = {"condition": "OR", "rules": rules}
    question = {"data_model": "dementia:1.0", "datasets": [DATASET], "filters": either}
    steps = client.post("/api/v1/explore/flow", json=question).json()["steps"]
    assert [step["words"] for step in steps[1:]] == ["Sex is Female or Age is greater than 88"]
    unknown = client.post("/api/v1/explore/flow", json=question | {"complete": ["nothing"]})
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["path"] == "complete[0]"
