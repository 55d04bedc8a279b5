"""What a site's administrator states is what it offers; a mistake offers nothing."""

from datetime import datetime
from pathlib import Path

import pytest

from medmip.catalogue.home import Home
from medmip.federation.common_policy import Stated, breaches, read_common, stricter
from medmip.federation.offering import (
    Hours,
    NotTheApprover,
    Offering,
    OfferingError,
    laxer_fields,
    read_offering,
)
from medmip.federation.site_folder import SiteFolder
from medmip.federation.site_link import follow_policy
from medmip.privacy.policy import Policy

MONDAY_NOON = datetime(2026, 11, 23, 12)  # noqa: DTZ001 - the site's own clock


def test_without_a_file_everything_is_offered(tmp_path: Path) -> None:
    offering = read_offering(tmp_path / "site.toml")
    assert offering.offers_dataset("any")
    assert offering.offers_algorithm("describe")
    assert offering.policy_over(Policy()) == Policy()


@pytest.mark.parametrize(
    "text, part",
    [
        ("paused = ", "TOML"),
        ("paused = 3", "paused"),
        ("unknown = true", "unknown"),
        ('approval = "maybe"', "approval"),
        ('[hours]\ndays = ["caturday"]', "hours.days"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_offered(text: str, part: str, tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(text)
    with pytest.raises(OfferingError, match=part):
        read_offering(path)


@pytest.mark.parametrize(
    "stated",
    [
        {"minimum_patients": 5},
        {"minimum_cell": 9},
        {"complementary": False},
        {"patients_per_parameter": 2.0},
        {"overlap": "off"},
        {"extremes": True},
        {"steering_in_clear": True},
        {"dominance": 1.0},
    ],
)
def test_thresholds_may_only_be_stricter(stated: dict[str, int | float | bool | str]) -> None:
    own = Policy()
    with pytest.raises(OfferingError, match=next(iter(stated))):
        Offering(policy=stated).policy_over(own)
    loose = Policy.model_validate(own.model_dump() | stated)
    strict: dict[str, int | float | bool | str] = {name: getattr(own, name) for name in stated}
    assert Offering(policy=strict).policy_over(loose) == own
    assert laxer_fields(loose, own) == list(stated)


def test_every_threshold_is_compared() -> None:
    compared = {
        name
        for name, value in {
            "minimum_patients": 1,
            "minimum_cell": 1,
            "complementary": False,
            "patients_per_parameter": 0.0,
            "overlap": "off",
            "extremes": True,
            "steering_in_clear": True,
            "dominance": 1.0,
        }.items()
        if laxer_fields(Policy.model_validate(Policy().model_dump() | {name: value}), Policy())
    }
    assert compared == set(Policy.model_fields)


def test_hours_hold_over_midnight_and_on_their_days() -> None:
    night = Hours.model_validate({"begin": "22:00", "end": "06:00"})
    assert night.hold(MONDAY_NOON.replace(hour=23))
    assert night.hold(MONDAY_NOON.replace(hour=5))
    assert not night.hold(MONDAY_NOON)
    tuesdays = Hours(days=("tuesday",))
    assert not tuesdays.hold(MONDAY_NOON)
    assert tuesdays.hold(MONDAY_NOON.replace(day=24))
    assert Hours().hold(MONDAY_NOON)


def test_of_two_thresholds_the_stricter_holds() -> None:
    own = Policy(minimum_patients=20, extremes=False, overlap="records")
    stated: Stated = {
        "minimum_patients": 10,
        "minimum_cell": 15,
        "extremes": True,
        "overlap": "selection",
    }
    assert stricter(own, stated) == own.model_copy(update={"minimum_cell": 15})
    assert breaches(own, stated) == ["minimum_cell"]
    assert breaches(stricter(own, stated), stated) == []
    assert stricter(own, {}) == own


def test_thresholds_that_make_no_sense_are_not_followed(tmp_path: Path) -> None:
    folder = SiteFolder(Home(tmp_path))
    folder.path.mkdir()
    follow_policy(folder, {"minimum_patients": 20})
    follow_policy(folder, {"minimum_patients": "many"})
    follow_policy(folder, {"unknown": 1})
    assert read_common(folder.common) == {"minimum_patients": 20}
    follow_policy(folder, {})
    assert read_common(folder.common) == {}


def test_only_the_named_accounts_may_answer_where_some_are_named() -> None:
    Offering().check_approver(["anna"])
    named = Offering(approver="Dr Weiss", approvers=("weiss", "weiss@hospital.example"))
    named.check_approver(["w.", "weiss@hospital.example"])
    for others in (["anna"], []):
        with pytest.raises(NotTheApprover, match="Dr Weiss has to answer"):
            named.check_approver(others)
