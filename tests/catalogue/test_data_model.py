"""Data models: variables by code, the groups around them, and the shipped model."""

import json

import pytest

from medmip.catalogue.cdes import read_cdes
from medmip.catalogue.errors import UnknownLevel, UnknownVariable
from medmip.catalogue.model_store import shipped_models
from tests.catalogue.models import small


@pytest.fixture(scope="module")
def toy():
    return read_cdes(json.dumps(small()))


@pytest.fixture(scope="module")
def dementia():
    return next(model for model in shipped_models() if model.key == "dementia:1.0")


def test_a_variable_knows_its_groups(toy):
    assert toy.path_of("age") == ("Demographics", "Ages")
    assert toy.path_of("dataset") == ()


def test_an_unknown_variable_brings_the_nearest(dementia):
    with pytest.raises(UnknownVariable, match="Did you mean lefthippocampus"):
        dementia.variable("lefthipocampus")
    with pytest.raises(UnknownVariable, match=r"mip model show dementia:1\.0"):
        dementia.path_of("xyzzy")


def test_a_changed_copy_looks_up_its_own_variables(toy):
    assert toy.variable("age").code == "age"
    without = [variable for variable in toy.variables if variable.code != "dataset"]
    for deep in (False, True):
        copied = toy.model_copy(update={"variables": tuple(without), "groups": ()}, deep=deep)
        assert list(copied.all_variables) == [variable.code for variable in without]
        with pytest.raises(UnknownVariable):
            copied.variable("age")
    assert toy.variable("age").code == "age"
    assert toy.model_copy() == toy


def test_a_level_has_a_label(toy):
    assert toy.variable("gender").level_label("F") == "Female"
    with pytest.raises(UnknownLevel, match="M, F"):
        toy.variable("gender").level_label("X")


def test_open_datasets_are_nominal_without_levels(toy):
    dataset = toy.variable("dataset")
    assert dataset.is_nominal
    assert dataset.levels == ()
    assert dataset.level_label("north") == "north"


def test_the_shipped_model_has_the_brain_volumes(dementia):
    volumes = [v for v in dementia.all_variables.values() if v.units == "cm3"]
    assert len(volumes) == 135
    assert all(dementia.path_of(volume.code)[0] == "Brain anatomy" for volume in volumes)
    assert {volume.minimum for volume in volumes} == {0}


@pytest.mark.parametrize(
    "code",
    [
        "alzheimerbroadcategory",
        "ppmicategory",
        "minimentalstate",
        "montrealcognitiveassessment",
        "updrstotal",
        "updrshy",
        "subjectageyears",
        "gender",
        "agegroup",
        "handedness",
        "apoe4",
        "rs744373_c",
        "ab1_42",
        "t_tau",
        "p_tau",
        "fdg",
        "av45",
        "tiv",
    ],
)
def test_the_shipped_model_has_what_the_demo_shows(dementia, code):
    assert dementia.variable(code).label != code


def test_every_shipped_variable_is_described_once(dementia):
    descriptions = [variable.description for variable in dementia.all_variables.values()]
    assert all(len(description) > 20 for description in descriptions)
    assert len(set(descriptions)) == len(descriptions)


def test_the_shipped_scores_have_bounds(dementia):
    bounds = {
        code: (dementia.variable(code).minimum, dementia.variable(code).maximum)
        for code in ("minimentalstate", "montrealcognitiveassessment", "updrstotal")
    }
    assert bounds == {
        "minimentalstate": (0, 30),
        "montrealcognitiveassessment": (0, 30),
        "updrstotal": (0, 172),
    }


def test_the_shipped_model_takes_what_analyses_of_the_older_one_name(dementia, peer_suite):
    file = peer_suite / "datasets" / "dementia_v_0_1" / "CDEsMetadata.json"
    older = read_cdes(file.read_bytes())
    analysed = [v for v in older.all_variables.values() if v.is_numeric or v.is_nominal]
    for variable in analysed:
        ours = dementia.variable(variable.code)
        assert ours.type is variable.type
        if variable.code != "dataset":
            assert ours.levels == variable.levels
