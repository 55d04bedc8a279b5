"""How a cohort comes about, step by step, as papers draw it: whom each rule leaves out.

Source: Schulz, Altman & Moher, CONSORT 2010 statement, BMJ 340 (2010) c332; von Elm et al., STROBE
statement, BMJ 335 (2007) 806-808.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from medmip.catalogue.data_model import DataModel
from medmip.errors import FieldProblem, RequestError
from medmip.experiments.request import InputData
from medmip.experiments.service import ExperimentService
from medmip.stewardship.access import Reader
from medmip.store.filter_words import in_words
from medmip.store.filters import Filter

MOST_STEPS = 20
"""Rules that are told one by one; those beyond are told together."""


class Step(BaseModel):
    """About how many patients are left after a rule; null where fewer than the minimum.

    words tell the rule, and are empty for the beginning. excluded is the difference to the step
    before, of the numbers that are told; null where one of them is not.
    """

    model_config = ConfigDict(frozen=True)

    words: str
    patients: int | None
    excluded: int | None


class CohortFlow(BaseModel):
    """The steps from all patients of the datasets to the cohort, rounded down to the minimum.

    complete tells whether the last step asks for a value of every variable.
    """

    model_config = ConfigDict(frozen=True)

    minimum: int
    steps: tuple[Step, ...]
    complete: bool


def flow_of(
    service: ExperimentService,
    data: InputData,
    complete: Sequence[str],
    user: str,
    *,
    reader: Reader | None = None,
) -> CohortFlow:
    """The flow of a cohort; complete are variables of which every record has to have a value.

    Each number has passed the guard as one of a cohort in the making. Raises RequestError.
    """
    spec, _ = service.validator_of(reader).preview(data)
    _check_known(complete, spec.model)
    steps: list[Step] = []
    for words, filters in _narrowing(data.filters, spec.filter, complete, spec.model):
        asked = data.model_copy(update={"filters": filters})
        patients = told_together(service.preview(asked, user, reader=reader))
        before = steps[-1].patients if steps else None
        excluded = None if before is None or patients is None else before - patients
        steps.append(Step(words=words, patients=patients, excluded=excluded))
    return CohortFlow(
        minimum=service.policy.minimum_cell, steps=tuple(steps), complete=bool(complete)
    )


def told_together(told: Mapping[str, int | None]) -> int | None:
    """About how many patients datasets have together; None where none of them may tell."""
    numbers = [number for number in told.values() if number is not None]
    total = sum(numbers)
    return None if total == 0 and len(numbers) < len(told) else total


def _narrowing(
    filters: dict[str, Any] | None,
    parsed: Filter | None,
    complete: Sequence[str],
    model: DataModel,
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """The filter of each step with the words for what it adds."""
    yield "", None
    if filters is not None and parsed is not None:
        yield from _rule_by_rule(filters, parsed, model)
    if complete:
        known = [{"field": code, "operator": "is_not_null"} for code in complete]
        before = [] if filters is None or parsed is None else [filters]
        labels = ", ".join(model.variable(code).label for code in complete)
        yield f"A value of {labels}", {"condition": "AND", "rules": [*before, *known]}


def _rule_by_rule(
    filters: dict[str, Any], parsed: Filter, model: DataModel
) -> Iterator[tuple[str, dict[str, Any]]]:
    variables = model.all_variables
    if parsed.negated or parsed.condition == "OR":
        yield in_words(parsed, variables), filters
        return
    single = [in_words(Filter(condition="AND", rules=(rule,)), variables) for rule in parsed.rules]
    shown = single[: MOST_STEPS - 1] if len(single) > MOST_STEPS else single
    for place, words in enumerate(shown, 1):
        yield words, {"condition": "AND", "rules": filters["rules"][:place]}
    if len(shown) < len(single):
        yield " and ".join(single[len(shown) :]), filters


def _check_known(complete: Sequence[str], model: DataModel) -> None:
    unknown = tuple(
        FieldProblem(f"complete[{place}]", f"{model.key} has no variable “{code}”")
        for place, code in enumerate(complete)
        if code not in model.all_variables
    )
    if unknown:
        raise RequestError("The request is not valid", fields=unknown)
