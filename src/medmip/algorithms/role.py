"""What variables an algorithm takes: a role declares kinds and numbers."""

from dataclasses import dataclass
from enum import Flag, auto

from medmip.catalogue.variable import Variable


class Kind(Flag):
    """The kinds of variable that a role takes."""

    NUMERIC = auto()
    NOMINAL = auto()

    @property
    def names(self) -> tuple[str, ...]:
        """The kinds' names, such as ('numeric', 'nominal')."""
        return tuple((member.name or "").lower() for member in self)

    def accepts(self, variable: Variable) -> bool:
        """Whether a variable is of one of these kinds."""
        return (variable.is_numeric and Kind.NUMERIC in self) or (
            variable.is_nominal and Kind.NOMINAL in self
        )


NUMERIC = Kind.NUMERIC
NOMINAL = Kind.NOMINAL
ANY = NUMERIC | NOMINAL


@dataclass(frozen=True)
class Role:
    """The variables that an algorithm takes in one place, `y` or `x`.

    minimum and maximum bound their number; maximum None sets no bound.
    """

    kinds: Kind
    minimum: int
    maximum: int | None
    label: str
    hint: str = ""

    def problem(self, number: int) -> str | None:
        """What is wrong with this number of variables, or None."""
        if number < self.minimum:
            return f"needs at least {self.minimum} {self.noun(self.minimum)}"
        if self.maximum is not None and number > self.maximum:
            return f"takes at most {self.maximum} {self.noun(self.maximum)}"
        return None

    def noun(self, number: int) -> str:
        """The words for this many variables of the role's kinds."""
        return f"{' or '.join(self.kinds.names)} variable{'' if number == 1 else 's'}"


def one(kinds: Kind, label: str, hint: str = "") -> Role:
    """Exactly one variable."""
    return Role(kinds, 1, 1, label, hint)


def many(
    kinds: Kind, label: str, hint: str = "", *, at_least: int = 1, at_most: int | None = None
) -> Role:
    """Several variables; at_least 0 makes the role optional."""
    return Role(kinds, at_least, at_most, label, hint)
