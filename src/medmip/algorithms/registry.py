"""Finds every declared algorithm of the package."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any

import medmip.algorithms
from medmip.algorithms.declaration import Algorithm
from medmip.errors import NotFound


@cache
def registry() -> dict[str, Algorithm[Any, Any]]:
    """Every algorithm by name, in the order of their questions and labels."""
    found = {}
    for module in pkgutil.iter_modules(medmip.algorithms.__path__):
        members = vars(importlib.import_module(f"{medmip.algorithms.__name__}.{module.name}"))
        for member in members.values():
            if isinstance(member, Algorithm):
                found[member.name] = member
    return dict(sorted(found.items(), key=lambda item: (item[1].question, item[1].label)))


def find(name: str, known: Mapping[str, Algorithm[Any, Any]] | None = None) -> Algorithm[Any, Any]:
    """The algorithm of this name among those known, else MIP's own; raises NotFound."""
    known = registry() if known is None else known
    try:
        return known[name]
    except KeyError:
        raise NotFound(
            f"There is no algorithm {name!r}",
            remedy=f"Choose one of: {', '.join(sorted(known))}.",
        ) from None
