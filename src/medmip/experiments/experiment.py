"""An experiment: a request with its state, progress, result and provenance."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.prepared import Prepared
from medmip.algorithms.validation import Validation
from medmip.algorithms.views import Chart, Table
from medmip.experiments.request import Request
from medmip.experiments.site_progress import SiteProgress
from medmip.experiments.tuning import Tuning


class State(StrEnum):
    """Where an experiment stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        return self not in (State.QUEUED, State.RUNNING)


class Progress(BaseModel):
    """How far a run is; fraction, 0 to 1, is of the present round, null where unknown."""

    model_config = ConfigDict(frozen=True)

    rounds: int = 0
    fraction: float | None = None
    message: str = ""


class Trouble(BaseModel):
    """Why an experiment was refused or failed, and what to do."""

    model_config = ConfigDict(frozen=True)

    title: str
    detail: str
    remedy: str | None = None
    errors: tuple[dict[str, str], ...] = ()


class SnapshotUsed(BaseModel):
    """The exact version of a dataset that a result rests on; site is empty where it is here."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    hash: str
    version: int
    synthetic: bool = False
    site: str = ""
    engine: Literal["", "duckdb", "dask", "postgres"] = ""


class SiteUsed(BaseModel):
    """A hospital that took part, and its software's version."""

    model_config = ConfigDict(frozen=True)

    name: str
    software: str


class ThresholdsUsed(BaseModel):
    """The thresholds that a hospital's guard applied; site is empty where it is here."""

    model_config = ConfigDict(frozen=True)

    site: str = ""
    minimum_patients: int
    minimum_cell: int
    complementary: bool
    patients_per_parameter: float
    dominance: float
    overlap: Literal["off", "selection", "records"]


class Provenance(BaseModel):
    """What a result rests on: versions, snapshots and the cohort's size.

    algorithm_version is the first analysis's; compared_versions, those of the others. Of a
    federation: sites took part, lost are those that were lost on the way and are not in the result;
    secure_aggregation tells whether nobody but a site itself was shown its sums, aggregation why.
    thresholds are empty in experiments of before they were kept.
    """

    model_config = ConfigDict(frozen=True)

    software: str
    algorithm_version: str
    compared_versions: tuple[str, ...] = ()
    snapshots: tuple[SnapshotUsed, ...]
    records: int
    patients: int
    excluded: int
    sites: tuple[SiteUsed, ...] = ()
    secure_aggregation: bool = False
    aggregation: str = ""
    lost: tuple[str, ...] = ()
    thresholds: tuple[ThresholdsUsed, ...] = ()


class Answer(BaseModel):
    """What one analysis found: its data by stable names, how its predictions hold, the views.

    label is the algorithm's, told apart from others of one request;
    tuning tells how its parameters were chosen from a grid; problem, why it has no answer.
    """

    model_config = ConfigDict(frozen=True)

    label: str = ""
    data: dict[str, Any]
    views: tuple[Table | Chart, ...]
    validation: Validation | None = None
    tuning: Tuning | None = None
    problem: Trouble | None = None


class ComparedAnswer(Answer):
    """What a further analysis of the same cohort found."""

    algorithm: str


class Outcome(Answer):
    """A result: the first analysis's answer, then those it is compared with.

    comparison shows them all side by side; preparation is what was done to the records before, as
    a model needs it to predict for others.
    """

    comparison: tuple[Table | Chart, ...] = ()
    compared: tuple[ComparedAnswer, ...] = ()
    preparation: Prepared | None = None

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Every analysis's answer, in the request's order."""
        return (self, *self.compared)


class Summary(BaseModel):
    """An experiment without its result; sites are the hospitals that were asked, if any.

    origin is the experiment of which this one asks the same again.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    state: State
    algorithm: str
    user: str
    request: Request
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    duration: float | None = Field(None, description="Seconds from start to end.")
    progress: Progress
    problem: Trouble | None = None
    provenance: Provenance | None = None
    sites: tuple[SiteProgress, ...] = ()
    origin: str | None = None
    tags: tuple[str, ...] = ()


class Experiment(Summary):
    """An experiment with its result."""

    result: Outcome | None = None
