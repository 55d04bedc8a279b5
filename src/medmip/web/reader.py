"""Whoever calls, as the datasets' policies know them."""

from medmip.accounts.person import Caller
from medmip.stewardship.access import Reader


def reader_of(caller: Caller) -> Reader:
    """A caller by the names that rules may use, and by roles."""
    return Reader.of(caller.known_as, [role.value for role in caller.roles])
