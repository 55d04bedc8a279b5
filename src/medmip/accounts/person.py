"""A person who may enter, and whoever is calling."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from medmip.accounts.errors import NotAllowed
from medmip.accounts.role import Right, Role, rights_of

LOCAL = "local"
"""The issuer of accounts that this installation keeps itself."""


class Person(BaseModel):
    """An account, without its secrets.

    issuer and subject say who vouches for the person and under which name; terms is the version of
    the data-use terms last accepted, 0 for none.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    label: str
    email: str
    roles: tuple[Role, ...]
    enabled: bool
    issuer: str
    second_factor: bool
    terms: int
    created: datetime
    seen: datetime | None

    @property
    def known_as(self) -> tuple[str, ...]:
        """The names and addresses by which rules may name this person.

        The name of somebody whom a provider vouches for is of their own choosing; their address
        was verified, or they would not be here.
        """
        return (self.name, self.email) if self.issuer == LOCAL else (self.email,)


@dataclass(frozen=True)
class Caller:
    """Who makes a request, by which door, and what that door lets them do.

    known_as are the names and addresses by which rules may name them.
    session is the id of the session, token that of the access token; both are empty where no
    log-in is asked for.
    """

    name: str
    label: str
    roles: tuple[Role, ...]
    rights: frozenset[Right]
    person: str = ""
    session: str = ""
    token: str = ""
    known_as: tuple[str, ...] = ()

    def may(self, right: Right) -> bool:
        return right in self.rights

    def demand(self, right: Right) -> None:
        """Raises NotAllowed, naming the roles that would be."""
        if not self.may(right):
            able = [role.replace("_", " ") for role in Role if right in rights_of([role])]
            raise NotAllowed(
                f"Your account may not {right.replace('_', ' ')}",
                remedy=f"Ask the administrator for the role {' or '.join(able)}.",
            )


def anybody() -> Caller:
    """The caller of an installation without log-in: everyone on this machine has every role."""
    return Caller("local", "Local user", tuple(Role), rights_of(Role))
