"""What was done to a published version, kept with it for good."""

from pydantic import BaseModel, ConfigDict, ValidationError

from medmip.anonymise.generalise import Generalised
from medmip.anonymise.step import Step
from medmip.stewardship.policy import DatasetPolicy
from medmip.store.errors import StoreError
from medmip.store.published import Snapshot


class Applied(BaseModel):
    """The policy in force at a publication, and what it did.

    patients_table names the sealed table of pseudonyms and codes, None where there is none;
    findings are what the quality control found worth a sentence without blocking.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: DatasetPolicy
    steps: tuple[Step, ...]
    generalised: Generalised | None = None
    patients_table: str | None = None
    findings: tuple[str, ...] = ()


def applied_to(snapshot: Snapshot) -> Applied | None:
    """What was done to a version; None where it was published without; raises StoreError."""
    if not snapshot.applied:
        return None
    try:
        return Applied.model_validate_json(snapshot.applied)
    except ValidationError:
        raise StoreError(
            f"What was done to version {snapshot.version} of {snapshot.dataset} cannot be read.",
            remedy="Import the dataset again.",
        ) from None
