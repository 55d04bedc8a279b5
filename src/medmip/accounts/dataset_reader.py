"""People as the datasets' policies know them."""

from medmip.accounts.doorman import Doorman
from medmip.accounts.errors import NotAllowed
from medmip.accounts.person import LOCAL, Caller
from medmip.accounts.role import Right, Role, rights_of
from medmip.stewardship.access import Reader


def reader_of(caller: Caller) -> Reader:
    """A caller by the names that rules may use, and by roles."""
    return Reader.of(caller.known_as, [role.value for role in caller.roles])


def reader_named(doorman: Doorman, name: str, right: Right) -> Reader | None:
    """As whom the person of this name uses a right now; None is who runs this machine.

    Where no log-in is asked for, everybody has every role. Raises NotAllowed where they have the
    right no more, or no account.
    """
    if doorman.open:
        return Reader.of((), [role.value for role in Role])
    # To the letter: names that a provider gives differ in case alone from others'.
    person = next((one for one in doorman.people.everybody() if one.name == name), None)
    if person is None and name == LOCAL:
        return None
    if person is None or not person.enabled or right not in rights_of(person.roles):
        able = [role.replace("_", " ") for role in Role if right in rights_of([role])]
        raise NotAllowed(
            f"{name} has no account with the right to {right.replace('_', ' ')}",
            remedy=f"It comes with the role of {' or '.join(able)}.",
        )
    return Reader.of(person.known_as, [role.value for role in person.roles])
