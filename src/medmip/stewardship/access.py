"""Who may analyse a dataset, as its policy states it."""

from collections.abc import Collection
from dataclasses import dataclass

from medmip.catalogue.home import Home
from medmip.logbook import logger
from medmip.stewardship.policy import DatasetPolicyError, stated_policy

log = logger("medmip.stewardship")


@dataclass(frozen=True)
class Reader:
    """Somebody who asks: names are those that a policy may call them by, roles their roles."""

    names: frozenset[str]
    roles: frozenset[str]

    @classmethod
    def of(cls, names: Collection[str], roles: Collection[str]) -> "Reader":
        return cls(frozenset(name.casefold() for name in names if name), frozenset(roles))


FEDERATED = Reader.of((), ("researcher",))
"""Who asks from a federation: a researcher, whose name nobody in this hospital vouches for."""


def may_analyse(home: Home, model: str, dataset: str, reader: Reader) -> bool:
    """Whether a dataset is there for a reader; model is a key.

    Where a policy states its access, it is for everybody with one of the roles and for the users
    named, and for nobody else; where none does, the right to explore or analyse is enough. A
    policy that cannot be read lets nobody in.
    """
    try:
        policy = stated_policy(home, model, dataset)
    except DatasetPolicyError:
        log.warning("a policy cannot be read, so nobody sees its dataset", dataset=dataset)
        return False
    if policy is None or "access" not in policy.model_fields_set:
        return True
    if reader.roles & {*policy.access.roles}:
        return True
    return bool(reader.names & {user.casefold() for user in policy.access.users})
