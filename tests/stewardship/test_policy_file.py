"""A policy is changed as a person would: what was written stays, what is wrong is not kept."""

import pytest

from medmip.catalogue.home import Home
from medmip.errors import Conflict
from medmip.stewardship.policy import DatasetPolicyError, parsed, stated_policy
from medmip.stewardship.policy_file import ColumnDecision, decided, policy_file, write_policy

KEY = "dementia:1.0"
TEXT = """# Agreed with the ethics committee
[description]
title = "Memory clinic"   # as on the door

[anonymisation]
drop = ["remark"]
harmless = ["scanner"]

[anonymisation.dates]
visit = { shift = 100 }
"""


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home").prepare()


def decision(column, action, **more):
    return ColumnDecision(column=column, action=action, **more)


def test_decisions_are_written_and_the_rest_stays_as_it_was():
    made = decided(
        TEXT,
        [
            decision("lastname", "drop"),
            decision("labcode", "code"),
            decision("birth", "age", age="subjectage", at="visit", format="%d.%m.%Y"),
            decision("scan", "shift", shift=30),
        ],
    )
    assert "# Agreed with the ethics committee" in made
    assert "# as on the door" in made
    settings = anonymisation_of(made)
    assert settings.drop == ("remark", "lastname")
    assert settings.harmless == ("scanner",)
    assert settings.codes == ("subjectvisitid", "labcode")
    assert (settings.dates["birth"].age, settings.dates["birth"].at) == ("subjectage", "visit")
    assert settings.dates["birth"].format == "%d.%m.%Y"
    assert (settings.dates["scan"].shift, settings.dates["visit"].shift) == (30, 100)


def anonymisation_of(text):
    return parsed(text, "test").anonymisation


def test_a_new_decision_takes_the_place_of_the_former_one():
    made = decided(TEXT, [decision("scanner", "drop"), decision("visit", "drop")])
    settings = anonymisation_of(made)
    assert settings.drop == ("remark", "scanner", "visit")
    assert settings.harmless == ()
    assert dict(settings.dates) == {}
    again = anonymisation_of(decided(made, [decision("visit", "shift")]))
    assert again.drop == ("remark", "scanner")
    assert again.dates["visit"].shift == 365


def test_a_policy_begins_as_that_of_all_datasets_and_becomes_its_own(home):
    assert policy_file(home, KEY, "ward").origin == "built in"
    write_policy(home, KEY, None, TEXT)
    assert policy_file(home, KEY, "ward").origin == "default"
    write_policy(home, KEY, "ward", TEXT.replace("Memory", "Ward"))
    own = policy_file(home, KEY, "ward")
    assert (own.origin, own.policy.description.title) == ("own", "Ward clinic")
    assert stated_policy(home, KEY, "other").description.title == "Memory clinic"


def test_a_text_that_is_no_policy_leaves_the_former_one(home):
    write_policy(home, KEY, "ward", TEXT)
    for text in ("[anonymisation", "[anonymisation]\ndrip = []", "[retention]\nversions = 0"):
        with pytest.raises(DatasetPolicyError):
            write_policy(home, KEY, "ward", text)
    assert policy_file(home, KEY, "ward").text == TEXT


def test_a_text_made_from_an_older_one_is_not_written_over_the_newer(home):
    beginning = policy_file(home, KEY, "ward").text
    write_policy(home, KEY, "ward", TEXT, former=beginning)
    with pytest.raises(Conflict, match="Somebody else"):
        write_policy(home, KEY, "ward", TEXT.replace("Memory", "Ward"), former=beginning)
    assert policy_file(home, KEY, "ward").text == TEXT
    write_policy(home, KEY, "ward", TEXT.replace("Memory", "Ward"), former=TEXT)
    assert stated_policy(home, KEY, "ward").description.title == "Ward clinic"


@pytest.mark.parametrize("code", ["../escape", "", "a/b", "."])
def test_a_policy_is_written_nowhere_else(home, code):
    with pytest.raises(DatasetPolicyError):
        write_policy(home, KEY, code, TEXT)
    assert not [*home.path.rglob("*.toml")]
