"""The rules by which series are chosen and volumes judged, read from YAML."""

import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medmip.catalogue.home import Home
from medmip.errors import FieldProblem
from medmip.imaging.errors import ImagingError


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SeriesRule(_Part):
    """What one attribute of a series' headers must be; reason tells what it means if it is not."""

    attribute: str = Field(pattern="^[A-Z][A-Za-z0-9]+$")
    one_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    absent: bool = False
    required: bool = False
    reason: str

    def holds(self, values: tuple[str, ...]) -> bool:
        """Whether an attribute with these values, none where it is not there, keeps the rule."""
        if not values:
            return not self.required
        if self.absent:
            return False
        said = {value.strip().upper() for value in values}
        words = set(re.findall("[a-z0-9]+", " ".join(values).lower()))
        return (
            (not self.one_of or bool(said & {one.upper() for one in self.one_of}))
            and not said & {one.upper() for one in self.none_of}
            and not words & {word.lower() for word in self.without}
            and self._in_bounds(values[0])
        )

    def _in_bounds(self, value: str) -> bool:
        if self.at_least is None and self.at_most is None:
            return True
        try:
            number = float(value)
        except ValueError:
            return False
        low = -float("inf") if self.at_least is None else self.at_least
        high = float("inf") if self.at_most is None else self.at_most
        return low <= number <= high


class Quality(_Part):
    """How good a volume must be; lengths in millimetres, angles in degrees."""

    slices_at_least: int = Field(ge=1)
    voxel_at_most: float = Field(gt=0)
    voxel_at_least: float = Field(gt=0)
    edges_ratio_at_most: float = Field(ge=1)
    extent_at_least: float = Field(ge=0)
    extent_at_most: float = Field(gt=0)
    tilt_at_most: float = Field(ge=0, le=90)


class Rules(_Part):
    """The whole file."""

    series: tuple[SeriesRule, ...]
    quality: Quality

    @property
    def attributes(self) -> frozenset[str]:
        return frozenset(rule.attribute for rule in self.series)

    @property
    def hash(self) -> str:
        """Names the rules by what they say."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def reason_against(self, attributes: Mapping[str, tuple[str, ...]]) -> str | None:
        """Why a series of these attributes is left out; None where it is taken."""
        for rule in self.series:
            if not rule.holds(attributes.get(rule.attribute, ())):
                return rule.reason
        return None


def rules_of(home: Home) -> Rules:
    """The hospital's own rules, else those that come with MIP.

    Raises ImagingError where the file is not readable as rules.
    """
    own = home.imaging / "rules.yaml"
    shipped = files("medmip.imaging.shipped").joinpath("rules.yaml")
    try:
        text = (own if own.exists() else shipped).read_text("utf-8")
        return Rules.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        raise ImagingError(
            "The rules for scans are not as they must be.",
            where="imaging/rules.yaml",
            remedy="Mend the file, or remove it to use the rules that come with MIP.",
            fields=tuple(
                FieldProblem(".".join(str(part) for part in one["loc"]) or "rules", one["msg"])
                for one in error.errors()
            ),
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError):
        raise ImagingError(
            "The rules for scans cannot be read as YAML.",
            where="imaging/rules.yaml",
            remedy="Mend the file, or remove it to use the rules that come with MIP.",
        ) from None
