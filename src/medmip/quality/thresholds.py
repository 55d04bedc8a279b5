"""What a dataset must keep to be published, as its policy says; nothing is asked by default."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]


class Norms(BaseModel):
    """Against which patients regional volumes are judged.

    reference is a published dataset of the same model; only its records where every variable
    of healthy has that level count. The norm of a volume is its regression there on age, its
    square, sex and, where it is named, the head's size. A volume further than z standard
    deviations from it is out of norm; unlikely is the largest share of such volumes, over all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: str
    healthy: Mapping[str, str] = {}
    age: str = "subjectage"
    sex: str = "gender"
    male: str = "M"
    head: str | None = "tiv"
    units: str = "cm3"
    z: float = Field(4.0, gt=0)
    unlikely: Share | None = None


class Thresholds(BaseModel):
    """The limits beyond which a dataset is not published, and how some things are measured.

    complete is the least share of present values of single variables, least_complete that of
    every variable of the file. duplicates is the largest share of records that repeat another
    patient's, outliers of a variable's values beyond robust_z, drift of the population stability
    index against the former version, inconsistent of patients who contradict themselves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    complete: Mapping[str, Share] = {}
    least_complete: Share | None = None
    duplicates: Share | None = None
    outliers: Share | None = None
    robust_z: float = Field(6.0, gt=0)
    drift: float | None = Field(None, gt=0)
    inconsistent: Share | None = None
    constant: tuple[str, ...] = ("gender", "handedness", "apoe4")
    increasing: tuple[str, ...] = ("subjectage", "subjectageyears", "timesincebaseline")
    norms: Norms | None = None
