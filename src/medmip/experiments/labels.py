"""What a person's words mean among algorithms and variables, by their labels."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from medmip.algorithms.declaration import Algorithm
from medmip.catalogue.model_store import ModelStore
from medmip.experiments.listing import Wanted, words_of

_SHORTEST = 2
"""Letters that a word needs to be looked for in labels; one alone is in nearly all."""


class Labels:
    """Finds codes by labels."""

    def __init__(self, algorithms: Mapping[str, Algorithm[Any, Any]], models: ModelStore) -> None:
        self._algorithms = [
            (one.name, f"{one.name} {one.label}".casefold()) for one in algorithms.values()
        ]
        self._variables = [
            (variable.code, f"{variable.code} {variable.label}".casefold())
            for model in models.list()
            for variable in model.all_variables.values()
        ]

    def meant(self, wanted: Wanted) -> Wanted:
        """The same, with the codes that have, or whose labels have, a word of the search."""
        words = [word.casefold() for word in words_of(wanted.search)]
        return replace(
            wanted,
            algorithms=tuple(_having(word, self._algorithms) for word in words),
            variables=tuple(_having(word, self._variables) for word in words),
        )


def _having(word: str, texts: Iterable[tuple[str, str]]) -> frozenset[str]:
    if len(word) < _SHORTEST:
        return frozenset()
    return frozenset(code for code, text in texts if word in text)
