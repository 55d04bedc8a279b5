"""What became of what was added."""

from pydantic import BaseModel, ConfigDict

from medmip.imaging.record import Verdict


class ScanOutcome(BaseModel):
    """Of everything that one process was told to add.

    scans are the ids of those that are kept, with their verdicts; new says how many of them were
    not known before. problems are reasons why something gave no scan at all. trouble says what
    ended it before all was looked at; None where it came to its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scans: dict[str, Verdict] = {}
    new: int = 0
    problems: tuple[str, ...] = ()
    trouble: str | None = None

    def count(self, verdict: Verdict) -> int:
        return sum(one is verdict for one in self.scans.values())
