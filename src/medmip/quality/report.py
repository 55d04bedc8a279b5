"""What the quality control found, as data; no patient's value, small numbers withheld."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Number(_Part):
    """A number of records or patients; None where it is above zero and below the minimum."""

    told: int | None
    minimum: int

    def __str__(self) -> str:
        return f"<{self.minimum}" if self.told is None else f"{self.told:,}"

    @property
    def share_of(self) -> int:
        """The number at its largest, for shares that are compared with a threshold."""
        return self.minimum - 1 if self.told is None else self.told


def number(count: int, minimum: int) -> Number:
    """A count as it may be told."""
    return Number(told=None if 0 < count < minimum else count, minimum=minimum)


class VariableQuality(_Part):
    """One variable: the share of records that have it, and how its values lie.

    quartiles are those of a number, levels the records of each level; outliers are the values
    further than the robust z allows. psi is the population stability index against the former
    version, moved the change of the mean in its standard deviations.
    """

    code: str
    label: str
    present: float
    quartiles: tuple[float, float, float] | None = None
    levels: Mapping[str, Number] = {}
    outliers: Number | None = None
    outlier_share: float | None = None
    psi: float | None = None
    moved: float | None = None


class NormQuality(_Part):
    """A volume against its norm for age, sex and head: the mean of z, its spread, those beyond."""

    code: str
    records: int
    mean: float
    spread: float
    beyond: Number


class Finding(_Part):
    """A sentence for the data manager; blocks says that nothing is published because of it."""

    about: str
    sentence: str
    blocks: bool


class QualityReport(_Part):
    """The whole report of one file or version.

    problems are the counts of the import's problems by kind; duplicates counts records that
    repeat another patient's, across those found in another dataset; inconsistent counts patients
    who contradict themselves between visits; norm_reference names the version that made the
    norms, and its records.
    """

    model: str
    dataset: str
    source: str
    version: int | None
    records: int
    patients: int
    compared: int | None
    variables: tuple[VariableQuality, ...]
    problems: Mapping[str, int] = {}
    duplicates: Number | None = None
    across: Mapping[str, Number] = {}
    inconsistent: Mapping[str, Number] = {}
    norms: tuple[NormQuality, ...] = ()
    norm_reference: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def fit(self) -> bool:
        """Whether nothing blocks its publication."""
        return not any(finding.blocks for finding in self.findings)
