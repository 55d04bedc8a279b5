"""Variables by what a person types: ranked, by synonyms of the field in three languages.

The same rules as in the portal's `search.ts`, which searches at every key without a server; both
read `synonyms.json` and are held to `tests/catalogue/search_cases.json`. In the list each line is a
meaning; a spelling of up to three letters counts only as a word of its own. Names of scores and
tissues are those of the literature; what a model itself says of a variable need not stand there.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import chain

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Variable

_LABEL = 100
_SYNONYM = 0.9
_SETTLED = _LABEL * _SYNONYM
"""Nothing that stands further down beats so good a find by much."""
_SHORT = 3
"""Spellings no longer than this are words of their own or nothing: "gm" is no part of "sigma"."""
_TELLING = 4
"""From so many letters on, the beginning of a synonym stands for it."""
_WHOLE, _WORD, _BEGINNING, _PIECE = 1.5, 1.0, 0.8, 0.5


@dataclass(frozen=True)
class _Text:
    """One text of a variable as it is compared, between spaces, and what a find in it is worth."""

    worth: int
    words: str


_Term = tuple[str, ...]
"""What was typed for one thing, and after it the other words that mean it."""


class VariableSearch:
    """Searches the variables of data models, each of which is indexed once."""

    def __init__(self) -> None:
        self._indexes: dict[str, tuple[DataModel, dict[str, tuple[_Text, ...]]]] = {}

    def scores(self, model: DataModel, typed: str) -> dict[str, float]:
        """How well each variable that has everything that was typed has it, by its code.

        All variables alike where nothing was typed that can be compared.
        """
        terms = _terms(typed)
        found: dict[str, float] = {}
        for code, texts in self._index(model).items():
            score = 0.0
            for term in terms:
                best = _best(term, texts)
                if not best:
                    break
                score += best
            else:
                found[code] = score
        return found

    def _index(self, model: DataModel) -> dict[str, tuple[_Text, ...]]:
        held, index = self._indexes.get(model.key, (None, {}))
        if held is not model:
            index = {
                code: _texts(variable, model.path_of(code))
                for code, variable in model.all_variables.items()
            }
            self._indexes[model.key] = (model, index)
        return index


def plain(text: str) -> str:
    """Words in small letters without accents, between single spaces."""
    apart = unicodedata.normalize("NFD", text.lower().replace("ß", "ss"))
    bare = "".join(letter for letter in apart if not unicodedata.category(letter).startswith("M"))
    return re.sub(r"[\W_]+", " ", bare).strip()


@cache
def synonyms() -> tuple[tuple[str, ...], ...]:
    """The spellings of each meaning."""
    text = files("medmip.catalogue").joinpath("synonyms.json").read_text("utf-8")
    return tuple(tuple(line) for part in json.loads(text).values() for line in part)


@cache
def _longest() -> int:
    return max(len(spelling.split()) for spelling in chain.from_iterable(synonyms()))


def _texts(variable: Variable, path: Sequence[str]) -> tuple[_Text, ...]:
    """The texts of a variable in falling worth; the same order as the portal's."""
    levels = [
        text for level in variable.enumerations for text in dict.fromkeys((level.label, level.code))
    ]
    texts = (
        (_LABEL, (variable.label or variable.code,)),
        (80, (variable.code,)),
        (45, levels),
        (40, path),
        (30, (variable.units,)),
        (25, (variable.description,)),
    )
    compared = ((worth, " ".join(map(plain, parts)).strip()) for worth, parts in texts)
    return tuple(_Text(worth, f" {words} ") for worth, words in compared if words)


def _terms(typed: str) -> list[_Term]:
    """What is meant by each part of what was typed; several words may be one meaning."""
    words = plain(typed).split()
    terms: list[_Term] = []
    at = 0
    while at < len(words):
        length, others = _meaning(words, at)
        phrase = " ".join(words[at : at + length])
        terms.append(tuple(dict.fromkeys((phrase, *others))))
        at += length
    return terms


def _meaning(words: Sequence[str], at: int) -> tuple[int, tuple[str, ...]]:
    for length in range(min(_longest(), len(words) - at), 0, -1):
        phrase = " ".join(words[at : at + length])
        begun = at + length == len(words) and len(phrase) >= _TELLING
        others = tuple(
            chain.from_iterable(
                group
                for group in synonyms()
                if phrase in group or (begun and any(one.startswith(phrase) for one in group))
            )
        )
        if others:
            return length, others
    return 1, ()


def _best(term: _Term, texts: Sequence[_Text]) -> float:
    """How well a term is found in any of the texts; 0 where it is in none."""
    best = 0.0
    for text in texts:
        if best >= _SETTLED:
            break
        for place, spelling in enumerate(term):
            manner = _manner(spelling, place == 0, text.words)
            if manner:
                # A quarter of a text and three quarters of one differ; left and right do not.
                close = int(4 * len(spelling) / len(text.words) + 0.5)
                score = (text.worth * manner + close * 3) * (1 if place == 0 else _SYNONYM)
                best = max(best, score)
    return best


def _manner(spelling: str, own: bool, words: str) -> float:
    """A whole text, a whole word, a beginning, a piece of one; 0 where it is not in the text."""
    if spelling not in words:
        return 0
    if words == f" {spelling} ":
        return _WHOLE
    if f" {spelling} " in words:
        return _WORD
    if not own and len(spelling) <= _SHORT:
        return 0
    if f" {spelling}" in words:
        return _BEGINNING
    return _PIECE if len(spelling) >= _SHORT else 0
