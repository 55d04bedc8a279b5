"""A filter is told in words that leave no doubt which part belongs to which."""

from medmip.catalogue.variable import Enumeration, Variable, VariableType
from medmip.store.filter_words import in_words
from medmip.store.filters import Filter, Operator, Rule

AGE = Variable(code="age", label="Age", type=VariableType.REAL, sql_type="real")
SEX = Variable(
    code="sex",
    label="Sex",
    type=VariableType.NOMINAL,
    sql_type="text",
    enumerations=(Enumeration(code="F", label="Female"), Enumeration(code="M", label="Male")),
)
OLD = Rule(field="age", operator=Operator.BETWEEN, values=(65, 90))
WOMEN = Rule(field="sex", operator=Operator.IN, values=("F",))


def test_groups_are_kept_apart_and_labels_are_used() -> None:
    either = Filter(condition="OR", rules=(WOMEN, OLD))
    whole = Filter(condition="AND", rules=(either, Rule(field="x", operator=Operator.IS_NULL)))
    told = in_words(whole, {"age": AGE, "sex": SEX})
    assert told == "(Sex is one of Female or Age is from 65 to 90) and x is missing"


def test_the_opposite_is_told_as_such() -> None:
    nobody = Filter(condition="AND", rules=(OLD, WOMEN), negated=True)
    assert in_words(nobody, {}) == "not (age is from 65 to 90 and sex is one of F)"


def test_every_operator_has_words() -> None:
    for operator in Operator:
        rule = Rule(field="age", operator=operator, values=(1, 2))
        told = in_words(Filter(condition="AND", rules=(rule,)), {})
        assert "{" not in told
        assert told.startswith("age is")
