"""Text that people write about experiments: plain, bounded, and fit for every database."""

import unicodedata
from collections.abc import Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError

from medmip.errors import FieldProblem, RequestError

_T = TypeVar("_T")
_LAYOUT = frozenset("\n\t")
_UNPRINTED = frozenset({"Cc", "Cs"})
"""Categories that no text needs: controls, a NUL among them, which PostgreSQL refuses, and halves
of characters."""
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the order of what follows, by which a text could look like another one."""


def _checked_line(text: str) -> str:
    return _checked(text, frozenset())


def _checked_lines(text: str) -> str:
    return _checked(text.replace("\r\n", "\n"), _LAYOUT)


def _checked(text: str, allowed: frozenset[str]) -> str:
    for sign in text:
        if sign in allowed:
            continue
        if sign in _DIRECTIONS or unicodedata.category(sign) in _UNPRINTED:
            raise ValueError(f"holds U+{ord(sign):04X}, which is no plain text")
    if text and not text.strip():
        raise ValueError("is blank")
    return text.strip()


Name = Annotated[str, StringConstraints(max_length=200), AfterValidator(_checked_line)]
"""What an experiment is called."""
Tag = Annotated[str, StringConstraints(min_length=1, max_length=40), AfterValidator(_checked_line)]
Tags = Annotated[list[Tag], Field(max_length=20)]
"""The tags of one experiment."""
Remark = Annotated[
    str, StringConstraints(min_length=1, max_length=4000), AfterValidator(_checked_lines)
]
"""What somebody says of an experiment; it may have lines."""


def checked_name(text: str) -> str:
    """A name as it is kept; raises RequestError."""
    return _fit(TypeAdapter(Annotated[Name, StringConstraints(min_length=1)]), text, "name")


def checked_tags(tags: Sequence[str]) -> list[str]:
    """Tags as they are kept; raises RequestError."""
    return _fit(TypeAdapter(Tags), list(tags), "tags")


def checked_remark(text: str) -> str:
    """A comment's text as it is kept; raises RequestError."""
    return _fit(TypeAdapter(Remark), text, "text")


def _fit(kind: TypeAdapter[_T], value: object, field: str) -> _T:
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        problems = tuple(FieldProblem(field, part["msg"]) for part in error.errors())
        raise RequestError("The text will not do", fields=problems) from None
