"""What a site's administrator lets its federation use: `site.toml`, read anew when it changes."""

import tomllib
from collections.abc import Iterable, Mapping
from datetime import datetime, time
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medmip.errors import MipError
from medmip.privacy.policy import Policy

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_DAYS: tuple[Day, ...] = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)
_OVERLAP = ("off", "selection", "records")


class OfferingError(MipError):
    """The file of what a site offers cannot be used; nothing is offered until it can."""

    title = "What the site offers cannot be read"


class NotTheApprover(MipError):
    """An answer was given by somebody whose answer does not count."""

    title = "Not allowed"
    status = 403


class Hours(BaseModel):
    """When analyses may run, by the site's own clock; a span over midnight is allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin: time = Field(time(0), title="From")
    end: time = Field(time(0), title="To", description="Equal to the beginning: the whole day.")
    days: tuple[Day, ...] = Field(_DAYS, title="Days", min_length=1)

    def hold(self, moment: datetime) -> bool:
        """Whether this moment is within them."""
        if _DAYS[moment.weekday()] not in self.days:
            return False
        now = moment.time()
        if self.begin < self.end:
            return self.begin <= now < self.end
        return self.begin == self.end or now >= self.begin or now < self.end


class Offering(BaseModel):
    """What a site offers to its federation, and under which conditions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    datasets: tuple[str, ...] | Literal["all"] = Field(
        "all", title="Datasets", description="The codes of the datasets that may be analysed."
    )
    algorithms: tuple[str, ...] | Literal["all"] = Field(
        "all", title="Algorithms", description="The names of the algorithms that may be run."
    )
    paused: bool = Field(
        False, title="Paused", description="Whether every request is refused for now."
    )
    only_masked: bool = Field(
        False,
        title="Only under masks",
        description=(
            "Whether sums leave under masks alone: what would show the hub this hospital's own "
            "sums, as with fewer than three hospitals, is refused."
        ),
    )
    approval: Literal["automatic", "person"] = Field(
        "automatic",
        title="Approval",
        description="With `person`, the approver agrees to each new cohort and algorithm first.",
    )
    approver: str = Field("", title="Approver", description="Who is asked, shown to the hub.")
    approvers: tuple[str, ...] = Field(
        (),
        title="Accounts that agree",
        description="Log-in names or addresses of the only accounts whose answer counts; "
        "with none, every privacy officer's does.",
    )
    hours: Hours = Field(
        default_factory=Hours,
        title="Working hours",
        description="`begin`, `end` and `days`: when analyses may run, by the site's clock.",
    )
    policy: dict[str, int | float | bool | str] = Field(
        default_factory=dict,
        title="Policy",
        description="Thresholds for the federation; they may only be stricter than the site's own.",
    )

    def offers_dataset(self, code: str) -> bool:
        return self.datasets == "all" or code in self.datasets

    def offers_algorithm(self, name: str) -> bool:
        return self.algorithms == "all" or name in self.algorithms

    def check_approver(self, known_as: Iterable[str]) -> None:
        """Raises NotTheApprover where others are to answer than whoever has these names."""
        if self.approvers and not set(self.approvers) & set(known_as):
            raise NotTheApprover(
                f"{self.approver or 'Somebody else'} has to answer this here",
                remedy="Ask them, or the administrator: `approvers` in site.toml names who may.",
            )

    def policy_over(self, own: Policy) -> Policy:
        """The site's policy with the stricter thresholds; raises OfferingError naming others."""
        try:
            told = Policy.model_validate(own.model_dump() | self.policy, strict=True)
        except ValidationError as error:
            raise OfferingError(_problems(error), where="policy") from None
        looser = laxer_fields(told, own)
        if looser:
            raise OfferingError(
                f"{', '.join(looser)}: may only be stricter than in the site's policy",
                where="policy",
                remedy="`mip policy show` shows the site's own thresholds.",
            )
        return told


def laxer_fields(one: Policy, other: Policy) -> list[str]:
    """The thresholds in which one policy lets out more than another."""
    found = [
        name
        for name in ("minimum_patients", "minimum_cell", "patients_per_parameter")
        if getattr(one, name) < getattr(other, name)
    ]
    if other.complementary and not one.complementary:
        found.append("complementary")
    if _OVERLAP.index(one.overlap) < _OVERLAP.index(other.overlap):
        found.append("overlap")
    if one.dominance > other.dominance:
        found.append("dominance")
    found += [
        name
        for name in ("extremes", "steering_in_clear")
        if getattr(one, name) and not getattr(other, name)
    ]
    return found


def read_offering(path: Path) -> Offering:
    """What the file states; everything, automatically, without one. Raises OfferingError."""
    try:
        stated: Mapping[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
        return Offering.model_validate(stated)
    except FileNotFoundError:
        return Offering()
    except ValidationError as error:
        what, remedy = _problems(error), "docs/federation.md lists the fields and what they do."
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        what, remedy = f"is not TOML: {error}", "Write lines such as `paused = true`."
    except OSError as error:
        what, remedy = str(error.strerror), "Let the account that runs MIP read it."
    raise OfferingError(what, where=path.name, remedy=remedy)


def _problems(error: ValidationError) -> str:
    parts = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in parts)
