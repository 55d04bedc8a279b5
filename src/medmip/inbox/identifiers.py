"""What is done with an item's columns that may tell who a patient is, written into policies."""

from collections.abc import Sequence

from medmip.catalogue.home import Home
from medmip.errors import Conflict
from medmip.inbox.item import Item
from medmip.stewardship.policy_file import ColumnDecision, decided, policy_file, write_policy


def decide(home: Home, item: Item, decisions: Sequence[ColumnDecision]) -> tuple[str | None, ...]:
    """Write decisions into the policies that hold for an item; the datasets that they are of.

    Where the rows say their dataset, columns are let go by the policy of all datasets (None), and
    those with a policy of their own must say the same. Raises Conflict, DatasetPolicyError.
    """
    if item.choice is None:
        raise Conflict(
            f"Nobody has said what {item.name} is.", remedy="Choose model and dataset first."
        )
    model = item.choice.model
    targets: list[str | None] = [item.choice.dataset]
    if item.choice.dataset is None:
        targets += [
            code for code in item.datasets if policy_file(home, model, code).origin == "own"
        ]
    formers = [policy_file(home, model, code).text for code in targets]
    texts = [decided(former, decisions) for former in formers]
    for code, text, former in zip(targets, texts, formers, strict=True):
        write_policy(home, model, code, text, former)
    return tuple(targets)
