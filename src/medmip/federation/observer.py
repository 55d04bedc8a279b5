"""Whoever follows what each site of a run does, question by question."""

from typing import Literal, Protocol

Ending = Literal["refused", "lost", "failed"]


class Observer(Protocol):
    """Told by the one thread that runs an analysis; sites are named as people call them."""

    def asked(self, site: str) -> None:
        """A question is on its way to the site."""

    def answered(self, site: str) -> None:
        """The site has answered it."""

    def released(self, site: str, what: str, *, masked: bool) -> None:
        """What the answer held: the name of a statistic, or `cohort`, `share`."""

    def waiting(self, site: str) -> None:
        """The site gives no sign of life, and is waited for."""

    def ended(self, site: str, how: Ending, why: str) -> None:
        """The site takes no further part."""


class Unobserved:
    """Nobody follows."""

    def asked(self, site: str) -> None: ...

    def answered(self, site: str) -> None: ...

    def released(self, site: str, what: str, *, masked: bool) -> None: ...

    def waiting(self, site: str) -> None: ...

    def ended(self, site: str, how: Ending, why: str) -> None: ...
