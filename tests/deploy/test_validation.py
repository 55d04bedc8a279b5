"""The acceptance test's report and its known analysis; a whole server is in test_fleet."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from medmip.deploy import known_result, validation
from medmip.deploy.acceptance import Check, Report
from medmip.deploy.errors import DeployError

GOOD = Check("disk", True, "97% are free", "Free space.")
BAD = Check("portal", False, "<b>HTTP 502</b>", "See why & start it.")


def report(*checks: Check) -> Report:
    return Report("mip.hospital.example", datetime(2026, 11, 1, tzinfo=UTC), "0.1.0", checks)


def test_one_failed_point_fails_the_server() -> None:
    assert report(GOOD).passed
    assert not report(GOOD, BAD).passed


def test_the_page_tells_each_point_and_the_remedy_of_what_failed() -> None:
    page = report(GOOD, BAD).as_html()
    assert "failed in 1 of 2 points" in page
    assert "See why &amp; start it." in page
    assert "&lt;b&gt;" in page
    shown, _, machines = page.partition("<script")
    assert "Free space." not in shown
    assert "</b>" not in machines


def test_the_machines_report_says_the_same() -> None:
    told = json.loads(report(GOOD, BAD).as_json())
    assert told["passed"] is False
    assert [check["passed"] for check in told["checks"]] == [True, False]
    assert told["checks"][1]["remedy"] == BAD.remedy


def test_what_cannot_be_looked_at_has_not_passed() -> None:
    def breaks() -> Iterator[Check]:
        yield GOOD
        raise PermissionError("no")

    def refuses() -> Iterator[Check]:
        yield from ()
        raise DeployError("It is not there", remedy="Bring it.")

    assert [check.passed for check in validation._looked("disk", breaks)] == [True, False]
    (refused,) = validation._looked("files", refuses)
    assert (refused.passed, refused.found, refused.remedy) == (
        False,
        "It is not there",
        "Bring it.",
    )


@pytest.mark.parametrize(
    "address, own", [("127.0.0.1", True), ("::1", True), ("*", False), ("0.0.0.0", False)]
)
def test_only_loopback_is_loopback(address: str, own: bool) -> None:
    assert validation._is_loopback(address) is own


def test_a_regression_is_that_of_the_closed_form() -> None:
    assert known_result.difference() < validation.LARGEST_DIFFERENCE
