"""Every road to the data passes the guard, and none of them tells a single patient's value.

Planted patients have codes and values that occur nowhere else. All operations of the API, all
algorithms and all commands are tried, and every byte that comes back is searched.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from medmip.accounts.doorman import Doorman, doorman_of
from medmip.accounts.settings import Login
from medmip.algorithms.declaration import Algorithm
from medmip.algorithms.registry import registry
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.experiments.service import ExperimentService
from medmip.imaging.identity import Identity
from medmip.ingest.publish import bring_in
from medmip.logbook import write_log_to
from medmip.privacy.policy import Policy
from medmip.web.application import create_app
from tests.imaging.reviewable import reviewable

API = "/api/v1"
MODEL = "dementia:1.0"
DATASETS = ("north", "south")
PATIENTS = 30
"""In each dataset: no quartile of 30 or 60 values is one of them."""
NUMERIC = ("lefthippocampus", "righthippocampus", "leftamygdala", "rightamygdala", "brainstem")
NOMINAL = ("gender", "alzheimerbroadcategory")
HEADER = ("subjectcode", "dataset", *NOMINAL, *NUMERIC)

DROPPED = "planted.csv"
"""The name under which the planted patients lie in the inbox too."""

SCAN = "planted-scan"
"""A measured scan of the first planted patient."""

ABOUT_PEOPLE = (["people"], ["federation"])
"""The tags of operations on accounts and memberships, which reach no data."""

HERE = {name: algorithm for name, algorithm in registry().items() if not algorithm.repeated}
"""The algorithms for one record a patient; the others' tests plant their own patients."""


@dataclass(frozen=True)
class Planted:
    """A home whose patients are known, and what must never be seen: codes and values."""

    home: Home
    codes: tuple[str, ...]
    values: np.ndarray[Any, Any]

    def found_in(self, text: str) -> list[str]:
        """The codes and values of patients that a text gives away.

        A value counts as given away by six of its digits: nothing that is computed over ten
        patients or more comes so near by chance.
        """
        codes = [code for code in self.codes if code in text]
        text = re.sub(r"\d\d:\d\d:\d\d\.\d+", "", text)  # times of day are nobody's values
        numbers = np.array([float(part) for part in re.findall(r"\d+\.\d{4,}", text)] or [np.inf])
        near = np.abs(numbers[:, None] / self.values[None, :] - 1) < 1e-6
        return codes + [str(value) for value in self.values[near.any(axis=0)]]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    folder: Path = tmp_path_factory.mktemp("planted")
    home = Home(folder / "home").prepare()
    rng = np.random.default_rng(20)
    lines, codes, values = [",".join(HEADER)], [], []
    for dataset in DATASETS:
        for index in range(PATIENTS):
            code = f"ZQ{rng.integers(16**10):010x}"
            volumes = rng.normal([3.1, 3.3, 1.2, 1.3, 18.0], 0.3)
            gender, category = "MF"[index % 2], ("CN", "AD")[index // 15]
            cells = [code, dataset, gender, category, *(f"{volume:.9f}" for volume in volumes)]
            lines.append(",".join(cells))
            codes.append(code)
            values += [float(cell) for cell in cells[-len(NUMERIC) :]]
    file = folder / DROPPED
    file.write_text("\n".join(lines) + "\n")
    (home.inbox / DROPPED).write_bytes(file.read_bytes())
    bring_in(home, file, ModelStore(home).get(MODEL))
    reviewable(home, SCAN, patient=Identity.of_site(b"k" * 32).patient(codes[0]))
    write_log_to(home.logs / "mip.jsonl")
    return Planted(home, tuple(codes), np.array(values))


def unasked(planted: Planted) -> Doorman:
    """Lets everybody in, so that only the guard stands between them and the patients."""
    return doorman_of(planted.home, Login(kind="open"))


@pytest.fixture(scope="module")
def client(planted: Planted) -> Iterator[TestClient]:
    app = create_app(ExperimentService(planted.home), unasked(planted), hosts=("localhost",))
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as opened:
        yield opened


def few(planted: Planted) -> dict[str, Any]:
    """A filter that only five of the patients pass."""
    values = np.sort(planted.values.reshape(-1, len(NUMERIC))[:, 0])
    limit = float(np.round((values[4] + values[5]) / 2, 4))
    rule = {"field": NUMERIC[0], "operator": "less", "value": limit}
    return {"condition": "AND", "rules": [rule]}


def request_of(
    algorithm: Algorithm[Any, Any], filters: dict[str, Any] | None = None
) -> dict[str, Any]:
    """A request that an algorithm's declaration accepts."""
    parameters: dict[str, Any] = {}
    roles: dict[str, list[str]] = {"y": [], "x": []}
    numeric, nominal = list(NUMERIC), list(NOMINAL)
    fields = algorithm.parameters.model_json_schema()
    levelled = {field.get("level_of") for field in fields.get("properties", {}).values()}
    for name in ("y", "x"):
        for role in getattr(algorithm, name):
            chosen = numeric if "numeric" in role.kinds.names and name not in levelled else nominal
            most = min(role.maximum or 2, 2, len(chosen))
            roles[name] += (chosen.pop(0) for _ in range(most))
    if algorithm.name == "gaussian_mixture":
        parameters["k"] = 1
    if algorithm.name == "random_forest":
        # Of hundreds of means, one comes near to somebody's value by chance.
        parameters["trees"] = 8
    for name in fields.get("required", []):
        field = fields["properties"][name]
        if "level_of" in field:
            variable = algorithm.places(roles["y"], roles["x"])[field["level_of"]][0]
            levels = {"gender": ("M", "F"), "alzheimerbroadcategory": ("CN", "AD")}[variable]
            used = [value for value in parameters.values() if value in levels]
            parameters[name] = next(level for level in levels if level not in used)
        else:
            parameters[name] = 3
    data = {"data_model": MODEL, "datasets": list(DATASETS), "filters": filters} | roles
    return {"algorithm": algorithm.name, "inputdata": data, "parameters": parameters}


def ended(client: TestClient, address: str) -> dict[str, Any]:
    for _ in range(600):
        answer: dict[str, Any] = client.get(address).json()
        if answer["state"] not in ("queued", "running"):
            return answer
        time.sleep(0.02)
    pytest.fail("the experiment did not end")


def command(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    mip = str(Path(sys.executable).with_name("mip"))
    return subprocess.run(
        [mip, *arguments],
        env=os.environ | {"MIP_HOME": str(home.path), "COLUMNS": "200"},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def seen_in_the_inbox(client: TestClient) -> dict[str, Any]:
    """The planted file's entry, once it is looked at."""
    for _ in range(600):
        answer = client.get(f"{API}/inbox/{DROPPED}")
        if answer.is_success and answer.json()["state"] not in ("arriving", "looking"):
            entry: dict[str, Any] = answer.json()
            return entry
        time.sleep(0.05)
    pytest.fail("the inbox does not tell of the file")


def rows(client: TestClient) -> int:
    total: int = client.get(f"{API}/audit").json()["total"]
    return total


def explored(filters: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """What is asked of each exploring operation."""
    cohort = {"data_model": MODEL, "datasets": list(DATASETS), "filters": filters}
    return {
        "/explore/histogram": cohort | {"variable": NUMERIC[0], "group_by": "gender"},
        "/explore/describe": cohort | {"variables": [*NUMERIC, *NOMINAL]},
        "/explore/count": cohort,
        "/explore/flow": cohort | {"complete": list(NUMERIC)},
        "/explore/related": cohort | {"variable": NUMERIC[0], "among": list(NUMERIC[1:])},
    }


FOR_READERS_OF_RECORDS = {"/inbox-query"}
"""What is for those alone who may read rows; the tests of the inbox turn others away."""

WITHOUT_ANSWERS = {"/inbox/{name}/publication", "/published/{model}/{dataset}/rollback"}
"""What changes which version is current, and answers as the lists of versions do."""


def managed(mapping: str | None) -> dict[str, dict[str, Any]]:
    """What is asked of each operation of data managers."""
    choice = {"model": MODEL, "mapping": mapping}
    return {
        "/inbox/{name}/look": {},
        "/inbox/{name}/suggestion": {"model": MODEL},
        "/inbox/{name}/coverage": {"choice": choice},
        "/inbox/{name}/decisions": {"decisions": [{"column": "gender", "action": "harmless"}]},
        "/imaging/queue": {"change": "first"},
        "/imaging/publication": {"model": MODEL, "dataset": DATASETS[0]},
    }


def test_every_operation_that_reads_or_computes_is_tried_here(client: TestClient) -> None:
    document = client.get("/api/openapi.json").json()
    writing = {
        path.removeprefix(API)
        for path, operations in document["paths"].items()
        if "post" in operations and operations["post"]["tags"] not in ABOUT_PEOPLE
    }
    # Whether variables fit an algorithm is told by the data model alone, what a trained model
    # predicts for given values by its result and these, a comment or a review is what a person
    # wrote, a page view is a name of a page, and a test of notices tells that notices arrive.
    without_data = {
        "/algorithms/fitting", "/experiments/{identity}/predictions",
        "/experiments/{identity}/comments", "/imaging/scans/{identity}/reviews",
        "/notices/test", "/page-views",
    }  # fmt: skip
    assert writing == {
        "/experiments", "/experiments/{identity}/cancel", "/experiments/{identity}/rerun",
        *without_data, *explored(None), *managed(None), *FOR_READERS_OF_RECORDS, *WITHOUT_ANSWERS,
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(HERE))
def test_no_result_shows_a_patient(client: TestClient, planted: Planted, name: str) -> None:
    before = rows(client)
    answer = client.post(f"{API}/experiments", json=request_of(registry()[name]))
    assert answer.status_code == 202, answer.text
    done = ended(client, answer.headers["Location"])
    assert done["state"] == "done", done["problem"]
    assert planted.found_in(json.dumps(done)) == []
    assert rows(client) >= before + 2, "admission and releases are in the ledger"


@pytest.mark.parametrize("name", sorted(HERE))
def test_five_patients_are_refused_by_every_algorithm(
    client: TestClient, planted: Planted, name: str
) -> None:
    before = rows(client)
    request = request_of(registry()[name], few(planted))
    refused = ended(client, client.post(f"{API}/experiments", json=request).headers["Location"])
    assert (refused["state"], refused["result"]) == ("refused", None)
    (row,) = client.get(f"{API}/audit?limit={rows(client) - before}").json()["items"]
    assert (row["verdict"], row["rule"]) == ("refused", "minimum_patients")
    assert row["experiment"] == refused["id"]
    assert planted.found_in(json.dumps(refused)) == []


@pytest.mark.parametrize("path", sorted(explored(None)))
def test_exploring_shows_no_patient_and_no_five_of_them(
    client: TestClient, planted: Planted, path: str
) -> None:
    before = rows(client)
    whole = client.post(API + path, json=explored(None)[path])
    assert whole.status_code == 200
    assert planted.found_in(whole.text) == []
    between = rows(client)
    assert between > before
    small = client.post(API + path, json=explored(few(planted))[path])
    # A flow asks the guard at every step: all patients, the rule, a value of every variable.
    assert rows(client) == between + (3 if path == "/explore/flow" else 1)
    assert planted.found_in(small.text) == []
    if path == "/explore/flow":
        everybody, *narrowed = small.json()["steps"]
        assert everybody["patients"] == len(DATASETS) * PATIENTS
        assert [(step["patients"], step["excluded"]) for step in narrowed] == [(None, None)] * 2
    elif path == "/explore/count":
        assert small.json()["patients"] is None
        assert all(not part["patients"] for part in small.json()["datasets"])
    else:
        assert small.status_code == 403


def test_managing_data_shows_no_patient(client: TestClient, planted: Planted) -> None:
    mapping = None
    for path in managed(None):
        seen_in_the_inbox(client)
        answer = client.post(API + path.replace("{name}", DROPPED), json=managed(mapping)[path])
        assert answer.is_success, (path, answer.text)
        assert planted.found_in(answer.text) == [], path
        mapping = answer.json().get("yaml", mapping)
    assert seen_in_the_inbox(client)["state"] == "ready"


def test_a_patients_code_is_no_variable_and_picks_no_patient(
    client: TestClient, planted: Planted
) -> None:
    for variable in ("subjectcode", "subjectvisitid"):
        question = explored(None)["/explore/describe"] | {"variables": [variable]}
        assert client.post(f"{API}/explore/describe", json=question).status_code == 422
    rule = {"field": "subjectcode", "operator": "equal", "value": planted.codes[0]}
    question = explored({"condition": "AND", "rules": [rule]})
    assert client.post(f"{API}/explore/describe", json=question["/explore/describe"]).is_error


def test_what_was_refused_is_refused_when_it_runs_again(
    client: TestClient, planted: Planted
) -> None:
    request = request_of(registry()["describe"], few(planted))
    first = ended(client, client.post(f"{API}/experiments", json=request).headers["Location"])
    before = rows(client)
    again = client.post(f"{API}/experiments/{first['id']}/rerun").headers["Location"]
    assert ended(client, again)["state"] == first["state"] == "refused"
    assert rows(client) > before
    told = client.get(f"{again}/difference")
    assert planted.found_in(told.text) == []


def test_no_page_of_the_api_shows_a_patient(client: TestClient, planted: Planted) -> None:
    document = client.get("/api/openapi.json").json()
    for filters in (None, few(planted)):
        request = request_of(registry()["describe"], filters)
        ended(client, client.post(f"{API}/experiments", json=request).headers["Location"])
    request = request_of(registry()["linear_regression"])
    first = ended(client, client.post(f"{API}/experiments", json=request).headers["Location"])
    # An experiment that was run again has a page of what has changed.
    ended(client, client.post(f"{API}/experiments/{first['id']}/rerun").headers["Location"])
    experiments = client.get(f"{API}/experiments?limit=500").json()["items"]
    assert {"done", "refused"} <= {item["state"] for item in experiments}
    trained = next(item for item in experiments if item["algorithm"] == "linear_regression")
    assert trained["origin"] == first["id"]
    seen_in_the_inbox(client)
    looked = 0
    for path, operations in document["paths"].items():
        if "get" not in operations or path.endswith("/events"):
            continue
        filled = (
            path.replace("{key}", MODEL)
            .replace("{code}", NUMERIC[0])
            .replace("{name}", DROPPED if "/inbox/" in path else "describe")
            .replace("{identity}", SCAN if "/imaging/" in path else trained["id"])
            .replace("{plane}", "axial")
            .replace("{model}", MODEL)
            .replace("{dataset}", DATASETS[0])
            .replace("{version}", "1")
        )
        assert "{" not in filled, f"tell this test what {path} takes"
        limit = "?limit=500" if filled.endswith(("/experiments", "/audit")) else ""
        params = {"before": 1, "after": 1} if "/diff" in path else {"at": 9}
        answer = client.get(filled + limit, params=None if limit else params)
        # Where nobody is asked who they are, nobody has a profile or a provider; nor is this a hub.
        own = operations["get"]["tags"] in ABOUT_PEOPLE or path.endswith(("/problems", "/mapping"))
        assert answer.status_code in ((200, 401, 404, 409, 422) if own else (200, 422)), filled
        assert planted.found_in(answer.text) == [], filled
        looked += 1
    assert looked > 10


def test_no_command_shows_a_patient(planted: Planted, tmp_path: Path) -> None:
    requests, small = tmp_path / "all.json", tmp_path / "small.json"
    requests.write_text(json.dumps([request_of(found) for found in HERE.values()]))
    small.write_text(json.dumps([request_of(item, few(planted)) for item in HERE.values()]))
    tried = [
        ("run", "--request", str(requests)),
        ("data", "list"),
        ("data", "show", MODEL, DATASETS[0]),
        ("data", "versions", MODEL, DATASETS[0]),
        ("experiment", "list", "--json"),
        ("audit", "export"),
        ("doctor",),
    ]
    for arguments in tried:
        done = command(planted.home, *arguments)
        assert done.returncode == 0 or arguments == ("doctor",), (arguments, done.stderr)
        assert planted.found_in(done.stdout + done.stderr) == [], arguments
    refused = command(planted.home, "run", "--request", str(small), "--json")
    assert refused.returncode == 1
    assert {answer["state"] for answer in json.loads(refused.stdout)} == {"refused"}
    assert planted.found_in(refused.stdout + refused.stderr) == []


def test_a_broken_file_is_told_without_its_patients(planted: Planted, tmp_path: Path) -> None:
    good = planted.home.datasets.rglob("*.parquet")
    assert list(good)
    cells = [
        planted.codes[0],
        "north",
        "M",
        "CN",
        "3.123456789",
        "wide",
        "1.987654321",
        "1.2",
        "17",
    ]
    lines = [",".join(HEADER), ",".join(cells), ",".join(cells[:-1])]
    file = tmp_path / "broken.csv"
    file.write_text("\n".join(lines) + "\n")
    report = tmp_path / "report.csv"
    refused = command(
        planted.home, "data", "import", str(file), "--model", MODEL, "--report", str(report)
    )
    assert refused.returncode == 1
    told = refused.stdout + refused.stderr + report.read_text()
    assert "righthippocampus" in told
    for secret in (planted.codes[0], "3.123456789", "1.987654321"):
        assert secret not in told


def test_a_policy_that_lets_nothing_out_closes_every_road(planted: Planted) -> None:
    closed = Policy(minimum_patients=10**9)
    service = ExperimentService(planted.home, closed)
    with TestClient(
        create_app(service, unasked(planted), hosts=("localhost",)), base_url="http://localhost"
    ) as opened:
        for algorithm in HERE.values():
            address = opened.post(f"{API}/experiments", json=request_of(algorithm))
            assert ended(opened, address.headers["Location"])["state"] == "refused"
        for path, question in explored(None).items():
            # These two tell rounded numbers of a cohort in the making, by the minimum of cells.
            if path not in ("/explore/count", "/explore/flow"):
                assert opened.post(API + path, json=question).status_code == 403


def test_nothing_that_is_kept_beside_the_data_holds_a_patient(planted: Planted) -> None:
    kept = [
        path
        for path in planted.home.path.rglob("*")
        if path.is_file() and not {planted.home.datasets, planted.home.inbox} & set(path.parents)
    ]
    names = {path.name for path in kept}
    assert {"state.db", "mip.jsonl", "ledger.head"} <= names
    for path in kept:
        assert planted.found_in(path.read_text(encoding="latin-1")) == [], path


def test_the_search_itself_finds_what_is_planted(planted: Planted) -> None:
    value = planted.values[7]
    assert planted.found_in(f"the mean is {value:.6f}") == [str(value)]
    assert planted.found_in(f"code {planted.codes[3]}") == [planted.codes[3]]
    assert planted.found_in("3.1, 2.99999, 1e-8") == []
