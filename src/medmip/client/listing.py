"""Lists of what a server has, as a notebook shows them and a script walks them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from pydantic import BaseModel, ConfigDict

from medmip.client.errors import ClientError
from medmip.client.frames import frame_of, html_of

if TYPE_CHECKING:
    import pandas as pd

_MOST_NAMED = 12


class Entry(BaseModel, ABC):
    """What the server tells of one thing; what a newer one tells besides is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @property
    @abstractmethod
    def key(self) -> str:
        """What it is found by in a listing."""


E = TypeVar("E", bound=Entry)


class Listing(Sequence[E], Generic[E]):
    """Entries in the server's order: by number, by code, or as a pandas DataFrame."""

    def __init__(self, entries: Sequence[E]) -> None:
        self._entries = tuple(entries)

    @overload
    def __getitem__(self, place: int | str) -> E: ...
    @overload
    def __getitem__(self, place: slice) -> "Listing[E]": ...
    def __getitem__(self, place: int | str | slice) -> "E | Listing[E]":
        """Raises ClientError where there is no entry of that code, IndexError as a list does."""
        if isinstance(place, slice):
            return Listing(self._entries[place])
        if isinstance(place, int):
            return self._entries[place]
        for entry in self._entries:
            if entry.key == place:
                return entry
        known = [entry.key for entry in self._entries]
        named = ", ".join(known[:_MOST_NAMED]) + (" …" if len(known) > _MOST_NAMED else "")
        raise ClientError(f"There is no {place!r} here", remedy=f"There are: {named or 'none'}.")

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[E]:
        return iter(self._entries)

    @property
    def frame(self) -> "pd.DataFrame":
        """One row an entry."""
        return frame_of([entry.model_dump(mode="json") for entry in self._entries])

    def __repr__(self) -> str:
        return "\n".join(repr(entry) for entry in self._entries) or "none"

    def _repr_html_(self) -> str:
        return html_of(self.frame)
