"""Roles that people have, and the rights that each brings."""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Role(StrEnum):
    """What a person is to this installation; a person may have several."""

    RESEARCHER = "researcher"
    DATA_MANAGER = "data_manager"
    PRIVACY_OFFICER = "privacy_officer"
    ADMINISTRATOR = "administrator"
    FEDERATION_OPERATOR = "federation_operator"


class Right(StrEnum):
    """What an operation asks of its caller."""

    EXPLORE = "explore"
    ANALYSE = "analyse"
    MANAGE_DATA = "manage_data"
    READ_RECORDS = "read_records"
    AUDIT = "audit"
    MANAGE_PEOPLE = "manage_people"
    ADMINISTER = "administer"
    OPERATE_FEDERATION = "operate_federation"
    APPROVE_REQUESTS = "approve_requests"


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.RESEARCHER: frozenset({Right.EXPLORE, Right.ANALYSE}),
    Role.DATA_MANAGER: frozenset({Right.EXPLORE, Right.MANAGE_DATA, Right.READ_RECORDS}),
    Role.PRIVACY_OFFICER: frozenset({Right.EXPLORE, Right.AUDIT, Right.APPROVE_REQUESTS}),
    Role.ADMINISTRATOR: frozenset({Right.EXPLORE, Right.MANAGE_PEOPLE, Right.ADMINISTER}),
    Role.FEDERATION_OPERATOR: frozenset({Right.EXPLORE, Right.OPERATE_FEDERATION}),
}
"""Deny by default: what no role brings, nobody may. An administrator runs the server and its
people, and so sees neither records nor the ledger unless another role says so."""


def rights_of(roles: Iterable[Role]) -> frozenset[Right]:
    """The rights that these roles bring together."""
    return frozenset().union(*(RIGHTS[role] for role in roles))
