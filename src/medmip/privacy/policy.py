"""What a hospital lets out: one set of thresholds."""

import tomllib
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medmip.catalogue.home import Home
from medmip.errors import MipError


class PolicyError(MipError):
    """The file of the hospital's policy cannot be used; nothing runs without it."""

    title = "The policy cannot be read"


class Policy(BaseModel):
    """The thresholds that the guard applies to every statistic before it leaves the hospital."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum_patients: int = Field(
        10, ge=1, title="Minimum patients", description="A cohort with fewer patients is refused."
    )
    minimum_cell: int = Field(
        10,
        ge=1,
        title="Minimum per cell",
        description="A count of fewer patients is suppressed, and shown as below the minimum.",
    )
    complementary: bool = Field(
        True,
        title="Complementary suppression",
        description=(
            "Where a single cell is suppressed, the next smallest is suppressed too, "
            "so that no total gives it away."
        ),
    )
    patients_per_parameter: float = Field(
        3.0,
        ge=0,
        title="Patients per parameter",
        description="A model may have at most one parameter for this many patients.",
    )
    dominance: float = Field(
        0.9,
        gt=0,
        le=1,
        title="Dominance",
        description=(
            "A variable of whose spread about its mean one patient has more than this share is "
            "refused; 1 refuses none."
        ),
    )
    overlap: Literal["off", "selection", "records"] = Field(
        "selection",
        title="Overlap with earlier cohorts",
        description=(
            "A cohort that differs from an earlier one by fewer than the minimum of patients is "
            "refused: `selection` compares whom datasets and filter choose, `records` also those "
            "left after dropping missing values."
        ),
    )
    extremes: bool = Field(
        False,
        title="Release extremes",
        description="Whether minima and maxima, which are single patients' values, may leave.",
    )
    steering_in_clear: bool = Field(
        False,
        title="Searches in clear",
        description=(
            "Whether numbers that only steer a search, some of single patients, may be shown to "
            "the hub of a federation where fewer than three hospitals take part."
        ),
    )


def site_policy(home: Home) -> Policy:
    """The policy that the home's `policy.toml` states; the defaults for what it leaves out.

    Raises PolicyError naming the field: a policy that is not understood lets nothing out.
    """
    path = home.policy
    try:
        return checked(tomllib.loads(path.read_text(encoding="utf-8")), path.name)
    except FileNotFoundError:
        return Policy()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        what, remedy = f"is not TOML: {error}", "Write lines such as `minimum_cell = 10`."
    except OSError as error:
        what, remedy = str(error.strerror), "Let the account that runs MIP read it."
    raise PolicyError(what, where=path.name, remedy=remedy)


def checked(stated: Mapping[str, object], where: str) -> Policy:
    """The policy of these fields; raises PolicyError naming those that are wrong."""
    try:
        return Policy.model_validate(stated, strict=True)
    except ValidationError as error:
        problems = [(".".join(map(str, part["loc"])), part["msg"]) for part in error.errors()]
        raise PolicyError(
            "; ".join(f"{field}: {message}" for field, message in problems),
            where=where,
            remedy="`mip policy show` lists the fields and what they do.",
        ) from None
