"""Filters: the documents that clients send become SQL that keeps exactly the right records."""

import json

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medmip.errors import RequestError
from medmip.store.filters import (
    MAX_DEPTH,
    MAX_RULES,
    Filter,
    Operator,
    Rule,
    compile_filter,
    parse_filter,
)
from tests.store.models import MODEL

RECORDS = [
    {
        "age": age,
        "volume": volume,
        "gender": gender,
        "apoe4": apoe4,
        "remark": remark,
        "dataset": "north",
    }
    for age, volume, gender, apoe4, remark in [
        (40, 1.5, "F", "0", "007"),
        (50, None, "M", "1", "a'b"),
        (None, 2.5, "F", None, "é☃"),
        (61, -3.0, None, "2", None),
        (70, 4.25, "M", "0", ""),
        (None, None, None, None, None),
    ]
]
TABLE = pa.table(
    {
        "age": pa.array([record["age"] for record in RECORDS], pa.int64()),
        "volume": pa.array([record["volume"] for record in RECORDS], pa.float64()),
        **{
            code: pa.array([record[code] for record in RECORDS], pa.string())
            for code in ("gender", "apoe4", "remark", "dataset")
        },
    }
)


def rule(field, operator, value=None):
    return {
        "id": field,
        "field": field,
        "type": "string",
        "input": "text",
        "operator": operator,
        "value": value,
    }


def group(condition, *rules, negated=None):
    document = {"condition": condition, "rules": list(rules), "valid": True}
    return document if negated is None else document | {"not": negated}


def kept(document, table=TABLE):
    """The positions of the records that DuckDB keeps."""
    parsed = parse_filter(document, MODEL)
    sql = compile_filter(parsed, set(table.column_names))
    connection = duckdb.connect()
    connection.register("numbered", table.append_column("i", pa.array(range(table.num_rows))))
    rows = connection.execute(
        f"SELECT i FROM numbered WHERE {sql.text} ORDER BY i", list(sql.parameters)
    )
    return [row[0] for row in rows.fetchall()]


def problems(document):
    with pytest.raises(RequestError) as caught:
        parse_filter(document, MODEL)
    return {problem.path: problem.message for problem in caught.value.fields}


@pytest.mark.parametrize(
    "single,expected",
    [
        (rule("age", "equal", 50), [1]),
        (rule("age", "not_equal", 50), [0, 3, 4]),
        (rule("age", "less", 50), [0]),
        (rule("age", "less_or_equal", 50), [0, 1]),
        (rule("age", "greater", 50), [3, 4]),
        (rule("age", "greater_or_equal", 50), [1, 3, 4]),
        (rule("age", "between", [45, 61]), [1, 3]),
        (rule("age", "not_between", [45, 61]), [0, 4]),
        (rule("age", "in", [40, 70, 99]), [0, 4]),
        (rule("age", "not_in", [40, 70]), [1, 3]),
        (rule("age", "is_null"), [2, 5]),
        (rule("age", "is_not_null"), [0, 1, 3, 4]),
        (rule("age", "greater", 49.5), [1, 3, 4]),
        (rule("age", "less", "61"), [0, 1]),
        (rule("volume", "greater", "1.5e0"), [2, 4]),
        (rule("gender", "equal", "F"), [0, 2]),
        (rule("gender", "not_equal", "F"), [1, 4]),
        (rule("gender", "not_in", ["F"]), [1, 4]),
        (rule("apoe4", "in", [0, 2]), [0, 3, 4]),
        (rule("remark", "equal", "007"), [0]),
        (rule("remark", "equal", "a'b"), [1]),
        (rule("remark", "equal", ""), [4]),
        (rule("dataset", "equal", "north"), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_each_operator_keeps_the_right_records_and_no_missing_value(single, expected):
    assert kept(group("AND", single)) == expected


def test_groups_nest_and_join():
    old = rule("age", "greater", 45)
    women = rule("gender", "equal", "F")
    large = rule("volume", "greater", 2)
    assert kept(group("OR", women, group("AND", old, large))) == [0, 2, 4]


def test_the_opposite_of_unknown_is_unknown():
    older = rule("age", "greater", 45)
    assert kept(group("AND", older, negated=True)) == [0]
    assert kept(group("AND", group("OR", older, negated=False), negated=True)) == [0]


def test_a_variable_that_the_table_lacks_is_missing_everywhere():
    narrow = TABLE.select(["age", "gender"])
    assert kept(group("AND", rule("volume", "less", 9)), narrow) == []
    assert kept(group("AND", rule("volume", "less", 9), negated=True), narrow) == []
    assert kept(group("AND", rule("volume", "is_null")), narrow) == [0, 1, 2, 3, 4, 5]
    assert kept(group("AND", rule("volume", "is_not_null")), narrow) == []


@pytest.mark.parametrize("document", [None, {"condition": "AND", "rules": [], "valid": True}])
def test_no_rules_are_no_filter(document):
    assert parse_filter(document, MODEL) is None


@pytest.mark.parametrize(
    "hostile",
    ["'; DROP TABLE numbered; --", "' OR '1'='1", '" OR 1=1 --', "F\x00", "?", "$1", "☃" * 500],
)
def test_values_never_become_sql(hostile):
    document = group("AND", rule("remark", "equal", hostile))
    sql = compile_filter(parse_filter(document, MODEL), TABLE.column_names)
    assert hostile not in sql.text.replace("?", "") or hostile == "?"
    assert sql.parameters == (hostile,)
    assert kept(document) == []


@pytest.mark.parametrize("field", ['age" OR 1=1 --', "age; DROP TABLE x", "__patient", "", None, 3])
def test_fields_are_variables_of_the_model(field):
    document = group("AND", rule("age", "less", 3) | {"field": field})
    assert list(problems(document)) == ["filters.rules[0].field"]


def test_identifiers_are_quoted():
    odd = Filter(condition="AND", rules=(Rule(field='a"b', operator=Operator.EQUAL, values=(1,)),))
    assert compile_filter(odd, {'a"b'}).text == '(("a""b" = ?))'


@pytest.mark.parametrize(
    "document,path",
    [
        ([], "filters"),
        ("age > 3", "filters"),
        ({"condition": "XOR", "rules": []}, "filters.condition"),
        ({"condition": "AND"}, "filters.rules"),
        ({"condition": "AND", "rules": {}}, "filters.rules"),
        ({"condition": "AND", "rules": [], "valid": False}, "filters.valid"),
        ({"condition": "AND", "rules": [], "not": "yes"}, "filters.not"),
        (group("AND", group("OR")), "filters.rules[0].rules"),
        (group("AND", 7), "filters.rules[0]"),
        (group("AND", rule("aeg", "less", 3)), "filters.rules[0].field"),
        (group("AND", rule("age", "like", 3)), "filters.rules[0].operator"),
        (group("AND", rule("age", None, 3)), "filters.rules[0].operator"),
        (group("AND", rule("age", ["less"], 3)), "filters.rules[0].operator"),
        (group("AND", rule("gender", "less", "F")), "filters.rules[0].operator"),
        (group("AND", rule("remark", "between", ["a", "b"])), "filters.rules[0].operator"),
        (group("AND", rule("age", "less", "old")), "filters.rules[0].value"),
        (group("AND", rule("age", "less", "1_0")), "filters.rules[0].value"),
        (group("AND", rule("age", "less", True)), "filters.rules[0].value"),
        (group("AND", rule("age", "less", None)), "filters.rules[0].value"),
        (group("AND", rule("age", "less", float("nan"))), "filters.rules[0].value"),
        (group("AND", rule("age", "less", "inf")), "filters.rules[0].value"),
        (group("AND", rule("age", "less", 10**400)), "filters.rules[0].value"),
        (group("AND", rule("age", "less", [1])), "filters.rules[0].value"),
        (group("AND", rule("age", "between", [1])), "filters.rules[0].value"),
        (group("AND", rule("age", "between", [9, 1])), "filters.rules[0].value"),
        (group("AND", rule("age", "in", [])), "filters.rules[0].value"),
        (group("AND", rule("age", "in", 4)), "filters.rules[0].value"),
        (group("AND", rule("age", "in", [1, "x"])), "filters.rules[0].value[1]"),
        (group("AND", rule("gender", "equal", "X")), "filters.rules[0].value"),
        (group("AND", rule("gender", "equal", True)), "filters.rules[0].value"),
        (group("AND", rule("dataset", "equal", "east")), "filters.rules[0].value"),
        (group("AND", rule("remark", "equal", "\ud800")), "filters.rules[0].value"),
        (group("AND", rule("remark", "equal", 7)), "filters.rules[0].value"),
    ],
)
def test_what_is_wrong_is_named_by_its_json_path(document, path):
    assert list(problems(document)) == [path]


def test_every_problem_is_named_at_once():
    document = group("AND", rule("aeg", "less", 3), group("OR", rule("age", "less", "x")))
    found = problems(document)
    assert list(found) == ["filters.rules[0].field", "filters.rules[1].rules[0].value"]
    assert "age" in found["filters.rules[0].field"]


def test_a_filter_is_bounded():
    deep = rule("age", "less", 3)
    for _ in range(MAX_DEPTH + 1):
        deep = group("AND", deep)
    assert any("nested" in message for message in problems(deep).values())
    wide = group("AND", *[rule("age", "less", 3)] * (MAX_RULES + 1))
    assert list(problems(wide)) == ["filters.rules"]


def test_a_filter_survives_json():
    document = group("OR", rule("age", "less", 3), group("AND", rule("gender", "in", ["F"])))
    parsed = parse_filter(document, MODEL)
    assert Filter.model_validate_json(parsed.model_dump_json()) == parsed
    assert parsed.fields == {"age", "gender"}


values = {
    "age": st.integers(-5, 80) | st.floats(-5, 80),
    "volume": st.floats(-4, 5) | st.integers(-4, 5),
    "gender": st.sampled_from(["F", "M"]),
    "apoe4": st.sampled_from(["0", "1", "2"]),
    "remark": st.sampled_from(["007", "a'b", "é☃", "", "x"]) | st.text(max_size=3),
}
ordered = ["less", "less_or_equal", "greater", "greater_or_equal", "between", "not_between"]


@st.composite
def rules(draw):
    field = draw(st.sampled_from(list(values)))
    operator = draw(
        st.sampled_from(
            [name for name in Operator if field in ("age", "volume") or name not in ordered]
        )
    )
    value = values[field].filter(
        lambda drawn: not isinstance(drawn, str) or drawn.isascii() or drawn == "é☃"
    )
    if operator in ("between", "not_between"):
        return rule(field, operator, sorted([draw(value), draw(value)]))
    if operator in ("in", "not_in"):
        return rule(field, operator, draw(st.lists(value, min_size=1, max_size=4)))
    return rule(field, operator, draw(value))


groups = st.recursive(
    rules(),
    lambda inner: st.builds(
        lambda condition, members, negated: group(condition, *members, negated=negated),
        st.sampled_from(["AND", "OR"]),
        st.lists(inner, min_size=1, max_size=4),
        st.booleans(),
    ),
    max_leaves=12,
)


def truth(document, record):
    """Three-valued truth of a document for one record, in plain Python."""
    if "rules" in document:
        parts = [truth(member, record) for member in document["rules"]]
        decisive = document["condition"] == "OR"
        whole = decisive if decisive in parts else None if None in parts else not decisive
        return (None if whole is None else not whole) if document.get("not") else whole
    held, value, operator = record[document["field"]], document["value"], document["operator"]
    if operator in ("is_null", "is_not_null"):
        return (held is None) == (operator == "is_null")
    if held is None:
        return None
    return {
        "equal": lambda: held == value,
        "not_equal": lambda: held != value,
        "less": lambda: held < value,
        "less_or_equal": lambda: held <= value,
        "greater": lambda: held > value,
        "greater_or_equal": lambda: held >= value,
        "between": lambda: value[0] <= held <= value[1],
        "not_between": lambda: not value[0] <= held <= value[1],
        "in": lambda: held in value,
        "not_in": lambda: held not in value,
    }[operator]()


@settings(max_examples=150, deadline=None)
@given(groups.map(lambda drawn: drawn if "rules" in drawn else group("AND", drawn)))
def test_duckdb_and_plain_python_keep_the_same_records(document):
    expected = [i for i, record in enumerate(RECORDS) if truth(document, record) is True]
    assert kept(document) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["condition", "rules", "field", "operator", "value", "not", "valid"]),
            inner | st.sampled_from(["AND", "age", "gender", "equal", "in", "between", "F"]),
            max_size=6,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(json_values)
def test_any_json_is_a_filter_or_a_clear_error(document):
    try:
        parsed = parse_filter(document, MODEL)
    except RequestError as error:
        parsed, fields = None, error.fields
        assert fields, "an error names its place"
    if parsed is not None:
        kept(json.loads(json.dumps(document)))
