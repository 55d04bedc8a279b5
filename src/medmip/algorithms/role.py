"""What variables an algorithm takes: a role declares kinds and numbers, roles share a list."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Flag, auto
from typing import TypeVar

from medmip.catalogue.variable import Variable

T = TypeVar("T")


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
    """The variables that an algorithm takes for one purpose, such as its groups.

    minimum and maximum bound their number; maximum None sets no bound.
    """

    kinds: Kind
    minimum: int
    maximum: int | None
    label: str
    hint: str = ""

    @property
    def name(self) -> str:
        """The label as parameters name the role: "Event status" is event_status."""
        return self.label.lower().replace(" ", "_")

    @property
    def wanted(self) -> str:
        """What it takes, in words: "2 or more numeric variables"."""
        if self.minimum == self.maximum:
            return f"{self.minimum} {self.noun(self.minimum)}"
        if self.maximum is None:
            return f"{self.minimum} or more {self.noun(2)}"
        return f"{self.minimum} to {self.maximum} {self.noun(self.maximum)}"

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


@dataclass(frozen=True)
class Roles:
    """The roles that share one list of a request, `y` or `x`, one after another.

    Each takes its least number of variables from the list, then the first ones up to their most.
    """

    parts: tuple[Role, ...] = ()

    def __iter__(self) -> Iterator[Role]:
        return iter(self.parts)

    def __bool__(self) -> bool:
        return bool(self.parts)

    @property
    def minimum(self) -> int:
        """The least number of variables of the whole list."""
        return sum(role.minimum for role in self.parts)

    def shares(self, number: int) -> tuple[int, ...]:
        """How many of a list of this many each role takes; the last one also what is too much."""
        spare = max(number - self.minimum, 0)
        taken: list[int] = []
        for role in self.parts:
            share = min(role.minimum, number - sum(taken))
            room = spare if role.maximum is None else min(spare, role.maximum - role.minimum)
            spare -= room
            taken.append(share + room)
        if taken:
            taken[-1] += spare
        return tuple(taken)

    def split(self, values: Sequence[T]) -> tuple[tuple[T, ...], ...]:
        """The values of a list by role."""
        found: list[tuple[T, ...]] = []
        start = 0
        for share in self.shares(len(values)):
            found.append(tuple(values[start : start + share]))
            start += share
        return tuple(found)

    def arranged(self, variables: Sequence[Variable]) -> tuple[Variable, ...]:
        """The variables in an order whose kinds fit the roles; as they are where none does."""
        wanted = [
            role
            for role, share in zip(self.parts, self.shares(len(variables)), strict=True)
            for _ in range(share)
        ]
        places = list(zip(wanted, variables, strict=False))
        if all(role.kinds.accepts(variable) for role, variable in places):
            return tuple(variables)
        left, chosen = list(variables), dict[int, Variable]()
        # Roles of one kind first: what they leave, those that take any kind can have.
        for place in sorted(range(len(wanted)), key=lambda place: len(wanted[place].kinds)):
            fitting = (one for one in left if wanted[place].kinds.accepts(one))
            variable = next(fitting, None)
            if variable is None:
                return tuple(variables)
            left.remove(variable)
            chosen[place] = variable
        return tuple(chosen[place] for place in range(len(wanted)))


def one(kinds: Kind, label: str, hint: str = "") -> Role:
    """Exactly one variable."""
    return Role(kinds, 1, 1, label, hint)


def many(
    kinds: Kind, label: str, hint: str = "", *, at_least: int = 1, at_most: int | None = None
) -> Role:
    """Several variables; at_least 0 makes the role optional."""
    return Role(kinds, at_least, at_most, label, hint)


def roles_of(declared: Role | Iterable[Role] | None) -> Roles:
    """The roles of a list as a declaration gives them: none, one, or several in their order."""
    if declared is None:
        return Roles()
    return Roles((declared,) if isinstance(declared, Role) else tuple(declared))
