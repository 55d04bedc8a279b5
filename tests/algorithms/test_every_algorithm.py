"""Every algorithm of the package holds what the author's kit demands."""

import pytest

from medmip.algorithms.histogram import HistogramResult
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.registry import registry
from medmip.algorithms.views import Chart, View, facts
from medmip.authoring.check import check


@pytest.mark.parametrize("name", sorted(registry()))
def test_holds_every_demand(name: str) -> None:
    found = check(registry()[name])
    assert len(found) == 9
    assert [f"{part.demand}: {part.problem}" for part in found if not part.passed] == []


def test_a_picture_that_nothing_can_draw_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def views(_: HistogramResult, names: Names = CODES) -> list[View]:
        return [facts("A", [("b", 1, "integer")]), Chart(title="C", alt="d", spec={"mark": "e"})]

    monkeypatch.setattr(HistogramResult, "views", views)
    problems = [part.problem for part in check(registry()["histogram"]) if not part.passed]
    assert problems == ["the chart 'C' is no Vega-Lite specification"]
