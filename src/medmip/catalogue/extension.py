"""A hospital's own model: another model's variables, and what the hospital adds to them."""

from medmip.catalogue.data_model import DataModel, Group
from medmip.catalogue.errors import CatalogueError
from medmip.errors import FieldProblem


def extended(own: DataModel, parent: DataModel) -> DataModel:
    """The whole model: the parent's variables, then its own in the same groups or in new ones.

    own.extends names the parent. Raises CatalogueError where a variable is there already: an
    extension adds and changes nothing, so that what is analysed by the parent's variables means
    the same in both.
    """
    taken = {code.lower() for code in parent.all_variables}
    twice = [code for code in own.all_variables if code.lower() in taken]
    if twice:
        raise CatalogueError(
            f"{own.key} has variables that {parent.key} has already.",
            remedy="Give them codes of their own.",
            fields=tuple(FieldProblem(code, f"is in {parent.key}") for code in twice),
        )
    return own.model_copy(
        update={
            "longitudinal": parent.longitudinal,
            "description": own.description or parent.description,
            "variables": (*parent.variables, *own.variables),
            "groups": _joined(parent.groups, own.groups),
        }
    )


def _joined(groups: tuple[Group, ...], more: tuple[Group, ...]) -> tuple[Group, ...]:
    added = {group.code: group for group in more}
    joined = [
        group.model_copy(
            update={
                "variables": (*group.variables, *added[group.code].variables),
                "groups": _joined(group.groups, added[group.code].groups),
            }
        )
        if group.code in added
        else group
        for group in groups
    ]
    known = {group.code for group in groups}
    return (*joined, *(group for group in more if group.code not in known))
