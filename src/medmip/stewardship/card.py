"""A dataset's card: what it is, where it comes from, and what was done to it."""

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.stewardship.applied import Applied, applied_to
from medmip.stewardship.policy import Access, DatasetPolicy, Description, Retention, stated_policy
from medmip.store.snapshots import Snapshot

_GENERALISED = (
    "A number in intervals is told as the middle of its interval, so that spreads and slopes come "
    "out a little smaller than they are; a level that was joined is counted with the other."
)


class Card(BaseModel):
    """The card of a dataset's current version.

    description, access and retention are those in force today; applied is what was in force, and
    was done, when the version was published, None where it was published without a policy;
    source is the file that it was read from, or the database with its tables and the moment.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    model_label: str
    dataset: str
    version: int
    published: str
    source: str
    hash: str
    synthetic: bool
    patients: int
    records: int
    variables: tuple[str, ...]
    description: Description
    access: Access
    retention: Retention
    applied: Applied | None

    @property
    def title(self) -> str:
        return self.description.title or self.dataset

    def sentences(self) -> Iterator[str]:
        """Where the data come from and what was done to them, for people."""
        if self.source:
            yield f"It was read from {self.source}."
        if self.synthetic:
            yield "The patients are invented."
        if self.applied is None:
            yield "It was published without a policy; nothing says how it was made anonymous."
            return
        yield from (str(step) for step in self.applied.steps)
        if generalised := self.applied.generalised:
            yield _GENERALISED
            yield (
                f"Every patient looks like at least {generalised.k - 1} others in "
                f"{', '.join(generalised.levels)}; {generalised.loss:.1%} of their information "
                "is gone."
            )
            yield f"Risk before: {generalised.before}."
            yield f"Risk after: {generalised.after}."
            for name, close in generalised.sensitive.items():
                yield (
                    f"{name}: at least {close.fewest} different values in every class, whose "
                    f"distribution is at most {close.farthest:.3f} from the whole dataset's."
                )
        back = "can" if self.applied.patients_table else "cannot"
        if self.applied.policy.anonymisation.patient_codes == "pseudonymise":
            yield f"The holder of the hospital's key {back} look a patient up by a pseudonym."
        yield from self.applied.findings


def card(home: Home, model: DataModel, snapshot: Snapshot) -> Card:
    """The card of a published version; raises DatasetPolicyError, StoreError."""
    policy = stated_policy(home, snapshot.model, snapshot.dataset) or DatasetPolicy()
    return Card(
        model=snapshot.model,
        model_label=model.label,
        dataset=snapshot.dataset,
        version=snapshot.version,
        published=snapshot.published.isoformat(timespec="seconds"),
        source=snapshot.source,
        hash=snapshot.hash,
        synthetic=snapshot.synthetic,
        patients=snapshot.patients,
        records=snapshot.records,
        variables=snapshot.variables,
        description=policy.description,
        access=policy.access,
        retention=policy.retention,
        applied=applied_to(snapshot),
    )
