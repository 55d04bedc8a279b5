"""The example notebooks run as they stand, against a server."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from tests.client.conftest import House
from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def cells_of(notebook: Path) -> list[str]:
    document = json.loads(notebook.read_text())
    return ["".join(c["source"]) for c in document["cells"] if c["cell_type"] == "code"]


def shown(cell: str, names: dict[str, Any]) -> str:
    """Runs a cell, and shows its last expression as Jupyter does."""
    *before, last = ast.parse(cell).body
    exec(compile(ast.Module(before, []), "cell", "exec"), names)
    if not isinstance(last, ast.Expr):
        exec(compile(ast.Module([last], []), "cell", "exec"), names)
        return ""
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    if hasattr(value, "_repr_mimebundle_"):
        return str(value._repr_mimebundle_(None, None))
    return str(value._repr_html_() if hasattr(value, "_repr_html_") else repr(value))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIP_URL", house.address)
    monkeypatch.setenv("MIP_TOKEN", house.token)
    names: dict[str, Any] = {}
    told = [shown(cell, names) for cell in cells_of(notebook)]
    assert any("<table" in text for text in told)
    assert not any(house.token in text for text in told)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_what_it_printed(notebook: Path) -> None:
    cells = json.loads(notebook.read_text())["cells"]
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) >= 2
