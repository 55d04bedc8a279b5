"""A site makes a cohort of its own data model, and refuses only what differs."""

from dataclasses import replace

import pytest

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Enumeration, Variable, VariableType
from medmip.federation.request import CohortRequest, Unfit
from medmip.federation.specification import CohortSpec
from medmip.federation.wire import decoded, encoded
from medmip.store.engine import Partition
from medmip.store.filters import Filter, Operator, Rule


def variable(code: str, **changes: object) -> Variable:
    plain = Variable(code=code, label=code, type=VariableType.REAL, sql_type="real", units="cm3")
    return plain.model_copy(update=changes)


LEVELS = (Enumeration(code="a", label="A"), Enumeration(code="b", label="B"))
SEX = variable("sex", type=VariableType.NOMINAL, enumerations=LEVELS)
MODEL = DataModel(code="m", version="1", label="M", variables=(variable("x"), variable("y"), SEX))
FILTER = Filter(
    condition="AND",
    rules=(
        Rule(field="x", operator=Operator.LESS, values=(3,)),
        Filter(condition="OR", rules=(Rule(field="sex", operator=Operator.IN, values=("a",)),)),
    ),
)


def alone(rule: Rule) -> Filter:
    return Filter(condition="AND", rules=(rule,))


def spec(**changes: object) -> CohortSpec:
    plain = CohortSpec(MODEL, ("d", "e"), (MODEL.variable("y"),), (SEX,), FILTER, "drop")
    return replace(plain, **changes)  # type: ignore[arg-type] # of its fields


def model(**changes: Variable) -> DataModel:
    kept = tuple(changes.get(part.code, part) for part in MODEL.variables)
    return MODEL.model_copy(update={"variables": kept, "label": "Another label"})


def test_a_cohort_travels_whole() -> None:
    for asked in (spec(), spec(filter=None, partition=Partition(3, 1, "subjectcode", "sex"))):
        request = CohortRequest.of(asked)
        content = encoded(request, CohortRequest)
        assert decoded(content, CohortRequest).spec(MODEL) == asked


@pytest.mark.parametrize(
    "changed",
    [
        variable("x", units="mm3"),
        variable("x", type=VariableType.INTEGER),
        SEX.model_copy(update={"enumerations": tuple(reversed(LEVELS))}),
        SEX.model_copy(update={"enumerations": LEVELS[:1]}),
    ],
)
def test_a_variable_that_is_defined_otherwise_is_refused_by_name(changed: Variable) -> None:
    with pytest.raises(Unfit, match=f"{changed.code}.*is defined otherwise"):
        CohortRequest.of(spec()).spec(model(**{changed.code: changed}))


def test_a_difference_blocks_only_what_it_affects() -> None:
    other = model(x=variable("x", units="mm3"), y=variable("y", label="Volume", minimum=0.0))
    made = CohortRequest.of(spec(filter=None)).spec(other)
    assert made.model.label == "Another label"
    assert [part.code for part in made.variables] == ["sex", "y"]


@pytest.mark.parametrize(
    "change",
    [
        {"datasets": ()},
        {"datasets": ("d", "d")},
        {"y": ("unknown",)},
        {"used": ()},
        {"longitudinal": True},
        {"gaps": ("x", "unknown")},
        {"partition": Partition(3, 1, "sex")},
        {"partition": Partition(3, 1, "subjectcode", "x")},
        {"partition": Partition(100_000, 1, "subjectcode")},
        {"filter": Filter(condition="AND", rules=(FILTER.rules[0],) * 2000)},
        {
            "filter": Filter(
                condition="AND", rules=(Rule(field="x", operator=Operator.LESS, values=("a",)),)
            )
        },
        {"filter": Filter(condition="AND", rules=(Rule(field="z", operator=Operator.IS_NULL),))},
    ],
)
def test_a_hostile_cohort_is_refused(change: dict[str, object]) -> None:
    request = replace(CohortRequest.of(spec()), **change)  # type: ignore[arg-type] # its fields
    with pytest.raises(Unfit):
        request.spec(MODEL)


def test_a_deep_filter_is_refused() -> None:
    deep = FILTER
    for _ in range(60):
        deep = Filter(condition="AND", rules=(deep,))
    with pytest.raises(Unfit, match="larger"):
        replace(CohortRequest.of(spec()), filter=deep).spec(MODEL)
