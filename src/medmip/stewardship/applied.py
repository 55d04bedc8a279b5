"""What was done to a published version, kept with it for good."""

from pydantic import BaseModel, ConfigDict, ValidationError

from medmip.anonymise.generalise import Generalised
from medmip.anonymise.step import Step
from medmip.catalogue.data_model import DataModel
from medmip.stewardship.measured_volumes import MeasuredVolumes
from medmip.stewardship.policy import DatasetPolicy
from medmip.store.errors import StoreError, UnknownDataset
from medmip.store.snapshots import Datasets, Snapshot


class Applied(BaseModel):
    """The policy in force at a publication, and what it did.

    patients_table names the sealed table of pseudonyms and codes, None where there is none;
    findings are what the quality control found worth a sentence without blocking. pseudonyms is
    the code of the data model that the dataset was moved from, under which they are made; empty
    for its own. volumes tells where volumes of scans come from that were joined to the rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: DatasetPolicy
    steps: tuple[Step, ...]
    generalised: Generalised | None = None
    patients_table: str | None = None
    findings: tuple[str, ...] = ()
    pseudonyms: str = ""
    volumes: MeasuredVolumes | None = None


def pseudonyms_of(datasets: Datasets, model: DataModel, dataset: str) -> str:
    """The code of the model that a dataset's pseudonyms are made under; raises StoreError."""
    try:
        done = applied_to(datasets.current(model.key, dataset))
    except UnknownDataset:
        return model.code
    return (done.pseudonyms if done else "") or model.code


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
