"""What a publication of volumes would do, or did, in numbers for the data manager."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ConfigDict

from medmip.imaging.publication.matching import Fate, Matching


class PublicationPlan(BaseModel):
    """Counts are exact, for the data manager alone.

    version is the one of dataset that the volumes are joined to, target the dataset that gets a
    new version. date is the column of visits' dates, None where the patient alone tells. joined
    to spare are accepted scans by what becomes of them; waiting and rejected are never joined,
    and neither are those of other measurements, by another atlas or setting than asked for.
    replaced are columns that the rows have already, gone those of a former publication that were
    not measured now. refusal says why it would not be published as it was asked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    dataset: str
    version: int
    target: str
    date: str | None
    window: int | None
    joined: int
    no_patient: int
    outside: int
    ambiguous: int
    undated: int
    spare: int
    waiting: int
    rejected: int
    other: int
    patients: int
    patients_without: int
    atlas: str | None
    setting: str | None
    columns: tuple[str, ...]
    replaced: tuple[str, ...]
    gone: tuple[str, ...]
    left_out: Mapping[str, str]
    refusal: str | None = None

    @property
    def rule(self) -> str:
        """How scans and rows are brought together, in words."""
        if self.date is None:
            return (
                "by pseudonym alone, the patient's youngest scan, as the dataset has no dates "
                "that move as those of scans do"
            )
        return f"by pseudonym and the nearest {self.date}, at most {self.window} days away"

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.model} {self.dataset} version {self.version}: {self.rule}"
        yield (
            f"{self.joined} scans joined; {self.patients_without} of {self.patients} patients "
            "are without one"
        )
        told = {
            "of no patient of the dataset": self.no_patient,
            "outside the window": self.outside,
            "ambiguous (another scan or visit is as near)": self.ambiguous,
            "without a date that moved as the dataset's": self.undated,
            "spare (another scan of the row is nearer, or younger)": self.spare,
            "measured by another atlas or setting": self.other,
            "waiting for a review": self.waiting,
            "rejected": self.rejected,
        }
        yield from (f"  {count} left out: {what}" for what, count in told.items() if count)
        by = f"by {self.atlas}" if self.atlas else "without an atlas, totals alone"
        yield f"{len(self.columns)} columns, volumes in cm3, {by}, setting {self.setting}"
        if self.replaced:
            yield f"  take the place of what is there: {', '.join(self.replaced)}"
        if self.gone:
            yield f"  gone, as not measured now: {', '.join(self.gone)}"
        for why in dict.fromkeys(self.left_out.values()):
            codes = [code for code, reason in self.left_out.items() if reason == why]
            yield f"  not published, as {why}: {', '.join(codes)}"


def fates_told(matching: Matching) -> dict[str, int]:
    """The counts of a plan by the names of its fields."""
    return {
        "joined": matching.count(Fate.JOINED),
        "no_patient": matching.count(Fate.NO_PATIENT),
        "outside": matching.count(Fate.OUTSIDE),
        "ambiguous": matching.count(Fate.AMBIGUOUS),
        "undated": matching.count(Fate.UNDATED),
        "spare": matching.count(Fate.SPARE),
    }
