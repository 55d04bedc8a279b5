"""The ledger and the state of the server over HTTP."""

import csv
from datetime import UTC, datetime
from io import StringIO

from starlette.testclient import TestClient

from medmip.privacy.ledger import LedgerRow
from medmip.privacy.ledger_file import csv_lines

API = "/api/v1"
COHORT = {"data_model": "dementia:1.0", "datasets": ["edsd-synthetic"]}


def test_ledger_is_searched_by_all_words_and_verdict(client: TestClient) -> None:
    question = COHORT | {"variable": "lefthippocampus"}
    assert client.post(f"{API}/explore/histogram", json=question).status_code == 200
    found = client.get(f"{API}/audit", params={"search": "HISTOGRAM local"}).json()
    assert found["total"] > 0
    assert {row["algorithm"] for row in found["items"]} == {"histogram"}
    for wishes in ({"search": "histogram absent"}, {"search": "%"}, {"search": "histogr_m"}):
        assert client.get(f"{API}/audit", params=wishes).json()["total"] == 0, wishes
    refused = client.get(f"{API}/audit", params={"verdict": "refused"}).json()
    assert {row["verdict"] for row in refused["items"]} <= {"refused"}
    assert client.get(f"{API}/audit", params={"verdict": "maybe"}).status_code == 422


def test_exported_ledger_has_every_row_once_oldest_first(client: TestClient) -> None:
    answer = client.get(f"{API}/audit/export")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(StringIO(answer.text, newline="")))
    total = client.get(f"{API}/audit").json()["total"]
    assert [int(row["number"]) for row in rows] == list(range(1, total + 1))
    assert client.get(f"{API}/audit/check").json() == {"rows": total, "broken": None}


def test_exported_ledger_is_no_formula_in_a_spreadsheet() -> None:
    row = LedgerRow(
        number=1,
        at="2026-01-02T03:04:05",
        user="=1+1",
        experiment="",
        algorithm="describe",
        cohort="",
        snapshots={},
        statistic="Counts",
        verdict="refused",
        rule="overlap",
        reason="@SUM(A1)",
        suppressed=-3,
        previous="",
        hash="",
    )
    (_, line) = csv_lines([row])
    assert "'=1+1" in line
    assert "'@SUM(A1)" in line
    assert ",-3," in line


def test_system_and_usage_tell_of_today(client: TestClient) -> None:
    system = client.get(f"{API}/system").json()
    assert system["datasets"] == 1
    assert system["ledger_head"]
    assert 0 < system["disk_free"] <= system["disk_total"]
    assert (system["backups"], system["backup"], system["backup_old"]) == (False, None, False)
    before = client.get(f"{API}/usage", params={"days": 7}).json()
    request = {
        "algorithm": "describe",
        "inputdata": COHORT | {"x": [], "y": ["lefthippocampus"]},
        "name": "counted",
    }
    assert client.post(f"{API}/experiments", json=request).status_code == 202
    after = client.get(f"{API}/usage", params={"days": 7}).json()
    assert len(after["days"]) == 7
    assert after["days"][-1]["day"] == datetime.now(UTC).date().isoformat()
    assert after["days"][-1]["experiments"] == before["days"][-1]["experiments"] + 1
    assert after["persons"] == 1
    assert sum(after["states"].values()) == sum(day["experiments"] for day in after["days"])
    assert client.get(f"{API}/usage", params={"days": 0}).status_code == 422


def test_pages_are_counted_by_day_and_without_whoever_saw_them(client: TestClient) -> None:
    before = client.get(f"{API}/usage", params={"days": 1}).json()
    for page in ("datasets", "datasets", "help"):
        assert client.post(f"{API}/page-views", json={"page": page}).status_code == 204
    after = client.get(f"{API}/usage", params={"days": 1}).json()
    assert after["days"][0]["views"] == before["days"][0]["views"] + 3
    assert after["pages"]["datasets"] == before["pages"].get("datasets", 0) + 2
    assert list(after["pages"].values()) == sorted(after["pages"].values(), reverse=True)
    for wrong in ({"page": "elsewhere"}, {"page": "help", "path": "/help?name"}, {}):
        assert client.post(f"{API}/page-views", json=wrong).status_code == 422
