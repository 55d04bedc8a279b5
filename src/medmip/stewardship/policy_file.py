"""The file of a dataset's policy: read as it was written, changed without losing its comments."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, model_validator
from tomlkit.items import Array, InlineTable, Table

from medmip.catalogue.atomic_file import alone, write_atomically
from medmip.catalogue.home import Home
from medmip.errors import Conflict
from medmip.stewardship.policy import DatasetPolicy, DatasetPolicyError, parsed
from medmip.store.snapshots import is_dataset_code

_Origin = Literal["own", "default", "built in"]
_BEGINNING = """\
# What this site says of the dataset; the manual for data managers has every part.
# Remove the mark before what shall be said.

# [description]
# title = ""
# description = ""
# source = ""
# consent = ""
# contact_name = ""
# contact_email = ""

# [access]
# roles = ["researcher"]
# users = []

# [publication]
# automatic = false
# in_place = false
"""


class PolicyFile(BaseModel):
    """A policy in force: its text, what that means, and whose it is.

    origin is `own` for the dataset's own file, `default` for that of all datasets, `built in`
    where there is none of either.
    """

    model_config = ConfigDict(frozen=True)

    origin: _Origin
    text: str
    policy: DatasetPolicy


class ColumnDecision(BaseModel):
    """What is done with one column that may tell who a patient is.

    drop leaves it out; code replaces its cells by keyed pseudonyms; harmless says that somebody
    has read it; shift moves its dates by at most so many days; age turns it, a date of birth, into
    the variable named, reached on the date in the column at. format is how its dates are written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: Annotated[str, Field(min_length=1, max_length=200)]
    action: Literal["drop", "code", "harmless", "shift", "age"]
    format: Annotated[str, Field(max_length=50)] = "%Y-%m-%d"
    shift: Annotated[int, Field(ge=1, le=36_500)] = 365
    age: Annotated[str, Field(max_length=200)] = ""
    at: Annotated[str, Field(max_length=200)] = ""

    @model_validator(mode="after")
    def _age_whole(self) -> Self:
        if self.action == "age" and not (self.age and self.at):
            raise ValueError("an age needs the variable (age) and the column of the date (at)")
        return self


_LISTS = {"drop": "drop", "code": "codes", "harmless": "harmless"}


def policy_file(home: Home, model: str, dataset: str | None) -> PolicyFile:
    """The policy in force for a dataset, None for that of all; raises DatasetPolicyError."""
    for origin, path in _places(home, model, dataset):
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError):
            raise DatasetPolicyError("It cannot be read.", where=path.name) from None
        return PolicyFile(origin=origin, text=text, policy=parsed(text, path.name))
    return PolicyFile(origin="built in", text=_BEGINNING, policy=DatasetPolicy())


def write_policy(
    home: Home, model: str, dataset: str | None, text: str, former: str | None = None
) -> PolicyFile:
    """Make a text the dataset's own policy, None for that of all datasets, in one step.

    former is the text in force that it was made from. Raises Conflict where another has come in
    force since, DatasetPolicyError naming the fields; the policy in force then stays.
    """
    path = home.policies / "default.toml"
    if dataset is not None:
        if not is_dataset_code(dataset):
            raise DatasetPolicyError(
                "A dataset's code is made of letters, digits, `_`, `.` and `-`, 100 at most."
            )
        path = home.dataset_policy(model, dataset)
    policy = parsed(text, path.name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(home.policies):
        if former is not None and policy_file(home, model, dataset).text != former:
            raise Conflict(
                "Somebody else has changed this policy since you read it; yours is not saved",
                where=path.name,
                remedy="Read theirs, then save yours again or keep theirs.",
            )
        write_atomically(path, text.encode())
    return PolicyFile(origin="own" if dataset is not None else "default", text=text, policy=policy)


def decided(text: str, decisions: Sequence[ColumnDecision]) -> str:
    """The text of a policy with these decisions in it; the rest stays as it was written.

    The text must be a policy. What was decided of a column before gives way.
    """
    document = tomlkit.parse(text)
    section = document.setdefault("anonymisation", tomlkit.table())
    for decision in decisions:
        for name in _LISTS.values():
            listed = section.get(name)
            if isinstance(listed, Array) and decision.column in listed:
                listed.remove(decision.column)
        dates = section.get("dates")
        if isinstance(dates, Table | InlineTable):
            dates.pop(decision.column, None)
        if decision.action in _LISTS:
            name = _LISTS[decision.action]
            if name not in section:
                # What is left out of a policy has its usual value, which the new list would hide.
                usual = getattr(DatasetPolicy().anonymisation, name)
                section[name] = tomlkit.item(list(usual))
            section[name].append(decision.column)
            continue
        rule = tomlkit.inline_table()
        rule["format"] = decision.format
        if decision.action == "shift":
            rule["shift"] = decision.shift
        else:
            rule["age"], rule["at"] = decision.age, decision.at
        section.setdefault("dates", tomlkit.table())[decision.column] = rule
    return tomlkit.dumps(document)


def _places(home: Home, model: str, dataset: str | None) -> list[tuple[_Origin, Path]]:
    places: list[tuple[_Origin, Path]] = [("default", home.policies / "default.toml")]
    if dataset is not None and is_dataset_code(dataset):
        places.insert(0, ("own", home.dataset_policy(model, dataset)))
    return places
