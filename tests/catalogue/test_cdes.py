"""CDEsMetadata.json: read strictly, every problem by its JSON path, and written back the same."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medmip.catalogue.cdes import MAXIMUM_DEPTH, read_cdes, write_cdes
from medmip.catalogue.errors import CatalogueError
from medmip.catalogue.variable import VariableType
from tests.catalogue.models import models, nested, small

GENDER = "$.groups[0].variables[0]"
AGE = "$.groups[0].groups[0].variables[0]"


def problems(raw):
    text = raw if isinstance(raw, str | bytes) else json.dumps(raw)
    with pytest.raises(CatalogueError) as caught:
        read_cdes(text, "model.json")
    return [(problem.path, problem.message) for problem in caught.value.fields]


def set_(place, value):
    """Sets `groups.0.variables.0.code` of the small model."""

    def change(raw):
        *way, last = place.split(".")
        for step in way:
            raw = raw[int(step) if step.isdigit() else step]
        raw[int(last) if last.isdigit() else last] = value

    return change


def drop(place, name):
    def change(raw):
        for step in filter(None, place.split(".")):
            raw = raw[int(step) if step.isdigit() else step]
        del raw[name]

    return change


G, A = "groups.0.variables.0", "groups.0.groups.0.variables.0"
BROKEN = {
    "code missing": (drop(G, "code"), GENDER, "“code” is missing"),
    "label missing": (drop(G, "label"), GENDER, "“label” is missing"),
    "type missing": (drop(A, "type"), AGE, "“type” is missing"),
    "sql_type missing": (drop(A, "sql_type"), AGE, "“sql_type” is missing"),
    "isCategorical missing": (drop(A, "isCategorical"), AGE, "“isCategorical” is missing"),
    "model's version missing": (drop("", "version"), "$", "“version” is missing"),
    "group's label missing": (drop("groups.0", "label"), "$.groups[0]", "“label” is missing"),
    "code empty": (set_(f"{G}.code", ""), f"{GENDER}.code", "Must not be empty"),
    "code a number": (set_(f"{G}.code", 7), f"{GENDER}.code", "Must be text"),
    "code no identifier": (set_(f"{G}.code", "sex at birth"), f"{GENDER}.code", "letters, digits"),
    "code breaks out": (set_(f"{G}.code", 'a"; DROP'), f"{GENDER}.code", "letters, digits"),
    "code with a newline": (set_(f"{G}.code", "age\n"), f"{GENDER}.code", "letters, digits"),
    "code of the platform": (set_(f"{G}.code", "__patient"), f"{GENDER}.code", "two underscores"),
    "code too long": (set_(f"{G}.code", "a" * 64), f"{GENDER}.code", "at most 63"),
    "model's code a path": (set_("code", "../x"), "$.code", "starts with a letter"),
    "version a path": (set_("version", "1/../2"), "$.version", "A version is"),
    "duplicate code": (set_(f"{G}.code", "age"), f"{AGE}.code", f"already the code of {GENDER}"),
    "duplicate but for case": (set_(f"{G}.code", "AGE"), f"{AGE}.code", "already the code of"),
    "unknown type": (set_(f"{A}.type", "numeric"), f"{AGE}.type", "Unknown type “numeric”"),
    "older type": (set_(f"{G}.type", "binominal"), f"{GENDER}.type", "the types are nominal"),
    "sql_type of another type": (set_(f"{A}.sql_type", "text"), f"{AGE}.sql_type", "int"),
    "levels not a list": (set_(f"{G}.enumerations", {}), f"{GENDER}.enumerations", "a list"),
    "level a word": (set_(f"{G}.enumerations.1", "F"), f"{GENDER}.enumerations[1]", "an object"),
    "level without label": (
        set_(f"{G}.enumerations.1", {"code": "F"}),
        f"{GENDER}.enumerations[1]",
        "“label” is missing",
    ),
    "level's code a number": (
        set_(f"{G}.enumerations.1.code", 1),
        f"{GENDER}.enumerations[1].code",
        "text in quotes",
    ),
    "level twice": (
        set_(f"{G}.enumerations.1.code", "M"),
        f"{GENDER}.enumerations[1].code",
        "already a level",
    ),
    "level with spaces": (
        set_(f"{G}.enumerations.1.code", "F "),
        f"{GENDER}.enumerations[1].code",
        "spaces",
    ),
    "levels of a number": (
        set_(f"{A}.enumerations", [{"code": "1", "label": "one"}]),
        f"{AGE}.enumerations",
        "has no levels",
    ),
    "categorical without levels": (set_(f"{G}.enumerations", []), GENDER, "needs its levels"),
    "categorical number": (set_(f"{A}.isCategorical", True), f"{AGE}.isCategorical", "Must be fal"),
    "levels, not categorical": (
        set_(f"{G}.isCategorical", False),
        f"{GENDER}.isCategorical",
        "Must be true",
    ),
    "min above max": (set_(f"{A}.minValue", 131), f"{AGE}.minValue", "131 is above maxValue 130"),
    "min a word": (set_(f"{A}.minValue", "0"), f"{AGE}.minValue", "finite number"),
    "min true": (set_(f"{A}.minValue", True), f"{AGE}.minValue", "finite number"),
    "max infinite": (set_(f"{A}.maxValue", float("inf")), f"{AGE}.maxValue", "finite number"),
    "max not a number": (set_(f"{A}.maxValue", float("nan")), f"{AGE}.maxValue", "finite number"),
    "max beyond floats": (set_(f"{A}.maxValue", 10**400), f"{AGE}.maxValue", "finite number"),
    "bounds of levels": (set_(f"{G}.minValue", 0), f"{GENDER}.minValue", "has no bounds"),
    "misspelt field": (set_(f"{A}.maxvalue", 3), AGE, "Did you mean “maxValue”?"),
    "variables not a list": (set_("groups.0.variables", {}), "$.groups[0].variables", "a list"),
    "variable a word": (set_(G, "gender"), GENDER, "an object"),
    "group a word": (set_("groups.0", "ages"), "$.groups[0]", "an object"),
    "longitudinal a word": (set_("longitudinal", "yes"), "$.longitudinal", "true or false"),
    "longitudinal without visits": (set_("longitudinal", True), "$", "the variable “visitid”"),
    "no dataset": (set_("variables.0.code", "cohort"), "$", "the variable “dataset”"),
    "no patients": (set_("variables.1.code", "person"), "$", "the variable “subjectcode”"),
    "half a character": (set_(f"{G}.label", "\ud800"), f"{GENDER}.label", "text in quotes"),
}


def test_the_small_model_is_read_whole():
    model = read_cdes(json.dumps(small()))
    assert model.key == "toy:1.0"
    assert list(model.all_variables) == ["dataset", "subjectcode", "gender", "age"]
    age = model.variable("age")
    assert (age.type, age.minimum, age.maximum, age.units) == (
        VariableType.INTEGER,
        0,
        130,
        "years",
    )
    assert model.variable("gender").levels == ("M", "F")


@pytest.mark.parametrize("name", BROKEN)
def test_a_problem_is_named_by_its_json_path(name):
    change, path, message = BROKEN[name]
    raw = small()
    change(raw)
    found = problems(raw)
    assert any(where == path and message in said for where, said in found), found


def test_all_problems_are_told_at_once():
    raw = small()
    for change, _, _ in (BROKEN["min above max"], BROKEN["level twice"], BROKEN["no dataset"]):
        change(raw)
    raw["groups"][0]["groups"][0]["label"] = 3
    paths = {path for path, _ in problems(raw)}
    assert paths >= {
        f"{AGE}.minValue",
        f"{GENDER}.enumerations[1].code",
        "$.groups[0].groups[0].label",
        "$",
    }


def test_groups_beside_each_other_need_different_codes():
    raw = small()
    raw["groups"].append({"code": "demographics", "label": "Again"})
    assert problems(raw) == [("$.groups[1].code", "“demographics” is already $.groups[0].")]


def test_a_field_given_twice_is_a_problem():
    text = json.dumps(small()).replace('"label": "Toy"', '"label": "Toy", "label": "Tiny"')
    assert problems(text) == [("$", "The field “label” is there twice.")]


def test_no_json_is_told_by_line_and_column():
    with pytest.raises(CatalogueError, match=r"model\.json: Not JSON: line 2, column 2"):
        read_cdes('{"code":\n "dement', "model.json")


@pytest.mark.parametrize("text", ["", "[]", "3", "null", '"dementia"'])
def test_what_is_no_model_is_refused(text):
    with pytest.raises(CatalogueError):
        read_cdes(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_every_unicode_encoding_is_read(encoding):
    raw = small()
    raw["label"] = "Démence €"
    text = json.dumps(raw, ensure_ascii=False)
    assert read_cdes(text.encode(encoding)).label == "Démence €"


def test_a_windows_encoding_is_told():
    raw = small() | {"label": "Démence"}
    with pytest.raises(CatalogueError, match="not UTF-8 text: byte"):
        read_cdes(json.dumps(raw, ensure_ascii=False).encode("latin-1"))


def test_groups_are_nested_at_any_sensible_depth():
    model = read_cdes(json.dumps(nested(MAXIMUM_DEPTH)))
    assert read_cdes(write_cdes(model)) == model
    assert any("at most 100 deep" in said for _, said in problems(nested(MAXIMUM_DEPTH + 1)))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"groups":' * 100_000, "9" * 10_000])
def test_a_hostile_file_is_an_error_not_a_crash(text):
    with pytest.raises(CatalogueError):
        read_cdes(text)


@given(models())
def test_writing_then_reading_gives_the_same_model(model):
    assert read_cdes(write_cdes(model)) == model


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["code", "label", "variables", "groups", "enumerations", "type"]), inner
        )
    ),
)


@settings(max_examples=200)
@given(st.binary() | JSON.map(lambda raw: json.dumps(raw).encode()))
def test_any_bytes_give_a_model_or_a_catalogue_error(content):
    with pytest.raises(CatalogueError):
        read_cdes(content)


@pytest.mark.parametrize(
    "folder, key, variables, patient, visit",
    [
        ("dementia_v_0_1", "dementia:0.1", 184, "subjectcode", None),
        (
            "longitudinal_dementia_v_0_1",
            "longitudinal_dementia:0.1",
            185,
            "subjectid",
            "visitid",
        ),
        ("tbi_v_0_1", "tbi:0.1", 21, "subjectcode", None),
    ],
)
def test_the_real_models_import_as_they_are(peer_suite, folder, key, variables, patient, visit):
    file = peer_suite / "datasets" / folder / "CDEsMetadata.json"
    model = read_cdes(file.read_bytes(), file.name)
    assert (model.key, len(model.all_variables)) == (key, variables)
    assert (model.patient_column, model.visit_column) == (patient, visit)
    assert read_cdes(write_cdes(model)) == model


def test_a_nominal_identifier_without_levels_is_free_text(peer_suite):
    file = peer_suite / "datasets" / "tbi_v_0_1" / "CDEsMetadata.json"
    model = read_cdes(file.read_bytes())
    assert not model.variable("subjectcode").is_nominal
    assert model.variable("laboratory_procedure_glucose_value").is_numeric
    assert model.variable("laboratory_procedure_glucose_value").maximum == 36
