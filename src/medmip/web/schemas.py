"""The JSON that the API speaks where it is not the domain's own."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from medmip.algorithms.declaration import Algorithm
from medmip.algorithms.pooled import poolable
from medmip.algorithms.role import Role
from medmip.catalogue.data_model import DataModel, Group
from medmip.catalogue.variable import Variable
from medmip.experiments.experiment import Experiment, Summary
from medmip.experiments.plain_text import Name, Remark, Tags
from medmip.experiments.prediction import MOST_RECORDS
from medmip.experiments.request import MOST_ANALYSES, InputData, Request
from medmip.experiments.sharing import MOST_PERSONS, Sharing
from medmip.experiments.shelf import Held
from medmip.federation.common_policy import Stated
from medmip.federation.offer import Offer
from medmip.federation.sites import Holding, SiteStatus
from medmip.privacy.policy import Policy
from medmip.store.snapshots import Snapshot


class ModelEntry(BaseModel):
    """A data model in the list."""

    code: str = Field(examples=["dementia:1.0"])
    label: str
    version: str
    longitudinal: bool
    variables: int
    datasets: list[str]


class ModelTree(BaseModel):
    """A data model whole: its variables, and groups at any depth."""

    key: str = Field(examples=["dementia:1.0"])
    code: str
    version: str
    label: str
    description: str
    longitudinal: bool
    variables: tuple[Variable, ...]
    groups: tuple[Group, ...]

    @classmethod
    def of(cls, model: DataModel) -> "ModelTree":
        return cls(key=model.key, **{name: getattr(model, name) for name in DataModel.model_fields})


class FoundVariable(Variable):
    """A variable with the labels of the groups around it, outermost first."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: tuple[str, ...]


class DatasetEntry(BaseModel):
    """A published dataset; site names the hospital that holds it, empty where it is here.

    approximate: its numbers of records and patients are rounded down by that hospital's guard.
    """

    code: str = Field(examples=["edsd-synthetic"])
    label: str
    model: str
    records: int
    patients: int
    variables: tuple[str, ...]
    version: int
    published: datetime
    source: str
    synthetic: bool
    hash: str
    site: str = ""
    approximate: bool = False

    @classmethod
    def of(cls, snapshot: Held, label: str) -> "DatasetEntry":
        return cls(
            site=snapshot.site if isinstance(snapshot, Holding) else "",
            approximate=isinstance(snapshot, Holding),
            code=snapshot.dataset,
            label=label,
            model=snapshot.model,
            records=snapshot.records,
            patients=snapshot.patients,
            variables=snapshot.variables,
            version=snapshot.version,
            published=snapshot.published,
            source=snapshot.source if isinstance(snapshot, Snapshot) else "",
            synthetic=snapshot.synthetic,
            hash=snapshot.hash,
        )


class SiteDifference(BaseModel):
    """Variables that a hospital defines otherwise than the hub; they cannot be analysed there."""

    model: str
    variables: tuple[str, ...]


class SiteEntry(BaseModel):
    """A hospital of the federation: whether it is there, and what it offers.

    seen is seconds since its last sign of life, null for never; skew is how far its clock is
    behind, in seconds; hidden are datasets whose code another hospital's dataset has.
    own_thresholds differ from the federation's, or from the usual ones where that states none;
    breaches are those in which it lets out more than the federation allows.
    """

    name: str
    node: str
    alive: bool
    seen: float | None
    skew: float
    software: str
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    algorithms: tuple[str, ...]
    differences: tuple[SiteDifference, ...]
    hidden: tuple[str, ...]
    policy: dict[str, Any]
    paused: bool
    only_masked: bool
    own_thresholds: dict[str, Any]
    breaches: tuple[str, ...]
    approval: str
    approver: str
    hours: str
    refused_messages: int

    @classmethod
    def of(cls, status: SiteStatus, common: Stated) -> "SiteEntry":
        offer = status.offer or Offer(software="")
        return cls(
            name=status.name,
            node=status.node,
            alive=status.alive,
            seen=status.seen,
            skew=status.skew,
            software=offer.software,
            datasets=tuple(part.code for part in offer.datasets),
            models=tuple(part.model.key for part in offer.models),
            algorithms=tuple(part.name for part in offer.algorithms),
            differences=tuple(
                SiteDifference(model=part.model, variables=part.variables)
                for part in status.differences
            ),
            hidden=status.hidden,
            policy=status.policy,
            own_thresholds={
                name: value
                for name, value in status.policy.items()
                if value != (common.get(name, getattr(Policy(), name, value)))
                and name not in status.breaches
            },
            breaches=status.breaches,
            only_masked=offer.only_masked,
            paused=offer.paused,
            approval=offer.approval,
            approver=offer.approver,
            hours=offer.hours,
            refused_messages=status.rejected,
        )


class RoleEntry(BaseModel):
    """The variables that an algorithm takes for one purpose."""

    name: str = Field(examples=["event_status"])
    label: str
    help: str
    types: tuple[str, ...] = Field(examples=[["numeric", "nominal"]])
    min: int
    max: int | None
    required: bool

    @classmethod
    def of(cls, role: Role) -> "RoleEntry":
        return cls(
            name=role.name,
            label=role.label,
            help=role.hint,
            types=role.kinds.names,
            min=role.minimum,
            max=role.maximum,
            required=role.minimum > 0,
        )


class AlgorithmEntry(BaseModel):
    """An algorithm's declaration; parameters is a JSON Schema.

    predicts: its result holds a model, so that a request may ask for validation. pools: its
    coefficients can be pooled over several imputations. repeated: it needs a longitudinal data
    model. y and x: the roles that share each list of a request. Each takes its least number of
    variables in its turn, then the first ones up to their most.
    """

    name: str = Field(examples=["linear_regression"])
    label: str
    question: str
    description: str
    discloses: str
    version: str
    missing: Literal["drop", "keep"]
    predicts: bool
    pools: bool
    repeated: bool
    y: tuple[RoleEntry, ...]
    x: tuple[RoleEntry, ...]
    parameters: dict[str, Any]

    @classmethod
    def of(cls, algorithm: Algorithm[Any, Any]) -> "AlgorithmEntry":
        return cls(
            name=algorithm.name,
            label=algorithm.label,
            question=algorithm.question,
            description=algorithm.description,
            discloses=algorithm.discloses,
            version=algorithm.version,
            missing=algorithm.missing,
            predicts=algorithm.predicts,
            pools=poolable(algorithm),
            repeated=algorithm.repeated,
            y=tuple(RoleEntry.of(role) for role in algorithm.y),
            x=tuple(RoleEntry.of(role) for role in algorithm.x),
            parameters=algorithm.parameters.model_json_schema(),
        )


class Fit(BaseModel):
    """Whether the chosen variables fit an algorithm, in what order, and why not."""

    name: str
    fits: bool
    reasons: list[str]
    y: list[str]
    x: list[str]


class NewExperiment(Request):
    """A request to queue, with a name for people."""

    name: Name = Field("", examples=["Hippocampus against age"])


class ChangedExperiment(BaseModel):
    """What is to be different of an experiment; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[Name, Field(min_length=1)] | None = None
    tags: Tags | None = None


class NewStar(BaseModel):
    """Whether an experiment is marked for oneself."""

    model_config = ConfigDict(extra="forbid")

    starred: bool


class NewSharing(BaseModel):
    """Whom an experiment is to be shared with, instead of those there were, by account name."""

    model_config = ConfigDict(extra="forbid")

    everybody: bool = False
    persons: list[Annotated[str, Field(max_length=100, pattern=r"^[^\x00]+$")]] = Field(
        [], max_length=MOST_PERSONS
    )


class NewComment(BaseModel):
    """A comment, as plain text."""

    model_config = ConfigDict(extra="forbid")

    text: Remark


class NewRecords(BaseModel):
    """Values by variable, of records to predict; analysis is the place of the model's, from 1."""

    model_config = ConfigDict(extra="forbid")

    records: list[dict[str, float | str]] = Field(
        min_length=1,
        max_length=MOST_RECORDS,
        examples=[[{"subjectageyears": 70, "gender": "F"}]],
    )
    analysis: int = Field(1, ge=1, le=MOST_ANALYSES)


class ListedExperiment(Summary):
    """An experiment in the list: whether it is the caller's, and marked by them; its comments."""

    mine: bool
    starred: bool
    comments: int


class SeenExperiment(Experiment):
    """An experiment as its caller sees it.

    shares tells whether they may share it. Where nobody logs in, there is nobody to share with.
    """

    mine: bool
    starred: bool
    shares: bool
    sharing: Sharing


class ExperimentPage(BaseModel):
    """A page of experiments, newest first, and how many there are."""

    total: int
    items: list[ListedExperiment]


class ExploreHistogram(BaseModel):
    """One variable's distribution, by the levels of another where asked."""

    model_config = ConfigDict(extra="forbid")

    data_model: str = Field(examples=["dementia:1.0"], max_length=200)
    datasets: tuple[str, ...] = Field(examples=[["edsd-synthetic"]], max_length=1000)
    variable: str = Field(examples=["lefthippocampus"])
    group_by: str | None = Field(None, examples=["gender"])
    bins: int = Field(20, ge=1, le=100)
    filters: dict[str, Any] | None = Field(None, examples=[None])

    def request(self) -> Request:
        """The same as a request for the histogram algorithm."""
        return Request(
            algorithm="histogram",
            inputdata=InputData(
                data_model=self.data_model,
                datasets=self.datasets,
                y=(self.variable,),
                x=None if self.group_by is None else (self.group_by,),
                filters=self.filters,
            ),
            parameters={"bins": self.bins},
        )


class ExploreDescribe(BaseModel):
    """Summaries of several variables."""

    model_config = ConfigDict(extra="forbid")

    data_model: str = Field(examples=["dementia:1.0"], max_length=200)
    datasets: tuple[str, ...] = Field(examples=[["edsd-synthetic"]], max_length=1000)
    variables: tuple[str, ...] = Field(examples=[["lefthippocampus", "gender"]], max_length=5000)
    filters: dict[str, Any] | None = Field(None, examples=[None])

    def request(self) -> Request:
        """The same as a request for the describe algorithm."""
        return Request(
            algorithm="describe",
            inputdata=InputData(
                data_model=self.data_model,
                datasets=self.datasets,
                y=self.variables,
                filters=self.filters,
            ),
        )


class ExploreRelated(BaseModel):
    """A variable's correlation with each of some others."""

    model_config = ConfigDict(extra="forbid")

    data_model: str = Field(examples=["dementia:1.0"], max_length=200)
    datasets: tuple[str, ...] = Field(examples=[["edsd-synthetic"]], max_length=1000)
    variable: str = Field(examples=["lefthippocampus"])
    among: tuple[str, ...] = Field(examples=[["leftamygdala"]], min_length=1, max_length=100)
    filters: dict[str, Any] | None = Field(None, examples=[None])

    def request(self) -> Request:
        """The same as a request for Pearson's correlation."""
        return Request(
            algorithm="pearson_correlation",
            inputdata=InputData(
                data_model=self.data_model,
                datasets=self.datasets,
                y=(self.variable,),
                x=self.among,
                filters=self.filters,
            ),
        )


class ExploreCount(BaseModel):
    """The cohort of datasets and filter."""

    model_config = ConfigDict(extra="forbid")

    data_model: str = Field(examples=["dementia:1.0"], max_length=200)
    datasets: tuple[str, ...] = Field(examples=[["edsd-synthetic"]], max_length=1000)
    filters: dict[str, Any] | None = Field(None, examples=[None])


class ExploreFlow(ExploreCount):
    """The same, step by step; complete are variables that every record has to have."""

    complete: tuple[str, ...] = Field((), examples=[["lefthippocampus"]], max_length=100)


class DatasetCount(BaseModel):
    """About how many patients one dataset has in a cohort; null where suppressed."""

    code: str
    patients: int | None
    suppressed: bool


class CohortCount(BaseModel):
    """About how many patients a cohort has, rounded down; null where fewer than the minimum."""

    patients: int | None
    suppressed: bool
    minimum: int
    rounded_to: int
    datasets: list[DatasetCount]
