"""What a person types finds variables as in the portal: the same cases hold there."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from medmip.catalogue.cdes import read_cdes
from medmip.catalogue.data_model import DataModel, Group
from medmip.catalogue.search import VariableSearch, plain, synonyms
from medmip.catalogue.variable import Variable, VariableType

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("search_cases.json").read_text())


def found(typed: str) -> list[str]:
    scores = VariableSearch().scores(read_cdes(json.dumps(CASES["model"])), typed)
    return sorted(scores, key=lambda code: -scores[code])


@pytest.mark.parametrize("typed, code", CASES["first"])
def test_a_variable_is_found_first_by_what_means_it(typed: str, code: str) -> None:
    assert found(typed)[0] == code


@pytest.mark.parametrize("typed, codes", CASES["whole"])
def test_all_that_is_found_stands_in_order(typed: str, codes: list[str]) -> None:
    assert found(typed) == codes


def test_nothing_typed_finds_all_in_the_order_of_the_model() -> None:
    model = read_cdes(json.dumps(CASES["model"]))
    assert found("  (!) ") == list(model.all_variables)


def test_synonyms_are_written_as_they_are_compared_and_none_twice() -> None:
    for line in synonyms():
        assert [plain(spelling) for spelling in line] == list(line)
        assert len(set(line)) == len(line) > 1


def test_a_replaced_model_is_searched_anew() -> None:
    def of(label: str) -> DataModel:
        variable = Variable(code="v", label=label, type=VariableType.REAL, sql_type="real")
        return DataModel(code="m", version="1", label="M", variables=(variable,))

    search = VariableSearch()
    assert list(search.scores(of("Putamen"), "putamen")) == ["v"]
    assert not search.scores(of("Insula"), "putamen")


def test_2000_variables_are_indexed_once_and_searched_within_a_second() -> None:
    variables = tuple(
        Variable(
            code=f"left{place}",
            label=f"Left region {place} grey matter volume",
            description="Volume of the region in the left hemisphere, from a T1-weighted scan",
            type=VariableType.REAL,
            sql_type="real",
            units="cm3",
        )
        for place in range(2000)
    )
    model = DataModel(
        code="m", version="1", label="M", groups=(Group(code="g", label="G", variables=variables),)
    )
    search = VariableSearch()
    search.scores(model, "left")
    began = time.process_time()
    assert len(search.scores(model, "gauche matière grise vol region")) == 2000
    # Some 20 ms of its own processor time.
    assert time.process_time() - began < 1
