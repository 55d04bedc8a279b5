"""Every algorithm of the package holds what the author's kit demands."""

import pytest

from medmip.algorithms.registry import registry
from medmip.authoring.check import check


@pytest.mark.parametrize("name", sorted(registry()))
def test_holds_every_demand(name: str) -> None:
    found = check(registry()[name])
    assert len(found) == 9
    assert [f"{part.demand}: {part.problem}" for part in found if not part.passed] == []
