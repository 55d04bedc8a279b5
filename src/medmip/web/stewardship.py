"""Routes of the data manager's datasets: versions, what changed, rollback, card, policy."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from medmip.accounts.role import Right
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.errors import NotFound
from medmip.inbox.desk import Desk
from medmip.ingest.quality import quality_of_dataset
from medmip.ingest.versions import difference
from medmip.quality.page import page
from medmip.quality.report import QualityReport
from medmip.stewardship.card import Card, card
from medmip.stewardship.diff import Diff
from medmip.stewardship.policy_file import PolicyFile, policy_file, write_policy
from medmip.store.errors import UnknownDataset
from medmip.store.placed import Holdings, Placed
from medmip.store.residence import Residence, residence
from medmip.store.snapshots import Datasets, Snapshot, is_dataset_code
from medmip.web.door import Door
from medmip.web.problems import problem_responses

_EVERY = "default"
"""Stands for the policy of all datasets that have none of their own."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class VersionEntry(BaseModel):
    """One version of a dataset; mapped says that it was read through a mapping, lives where its
    records lie.
    """

    model: str
    dataset: str
    version: int
    current: bool
    published: datetime
    patients: int
    records: int
    variables: int
    source: str
    synthetic: bool
    hash: str
    mapped: bool
    lives: Residence

    @classmethod
    def of(cls, home: Home, snapshot: Snapshot, current: int) -> "VersionEntry":
        return cls(
            model=snapshot.model,
            dataset=snapshot.dataset,
            version=snapshot.version,
            current=snapshot.version == current,
            published=snapshot.published,
            patients=snapshot.patients,
            records=snapshot.records,
            variables=len(snapshot.variables),
            source=snapshot.source,
            synthetic=snapshot.synthetic,
            hash=snapshot.hash,
            mapped=bool(snapshot.mapping),
            lives=residence(home, snapshot),
        )


class CardEntry(BaseModel):
    """A dataset's card, and in sentences what was done to its data."""

    card: Card
    sentences: list[str]


class Rollback(_Body):
    """The version to make current again."""

    version: Annotated[int, Field(ge=1)]


class PolicyText(_Body):
    """A policy as TOML, and the text in force that it was made from, null for whatever is."""

    text: Annotated[str, Field(max_length=200_000)]
    former: Annotated[str | None, Field(max_length=200_000)] = None


def router(desk: Desk, door: Door) -> APIRouter:
    """Routes under /published and /policies, for data managers."""
    routes = APIRouter(
        tags=["stewardship"],
        dependencies=[Depends(door.to(Right.MANAGE_DATA))],
    )
    home, models, datasets = desk.home, desk.models, Datasets(desk.home)
    Dataset = "/published/{model}/{dataset}"  # noqa: N806 - a place, not a value that changes

    def named(model: str, dataset: str) -> DataModel:
        """The model of a dataset; raises UnknownModel, UnknownDataset."""
        found = models.get(model)
        if not is_dataset_code(dataset):
            raise UnknownDataset(f"{model} has no such dataset.", remedy="See those published.")
        return found

    @routes.get("/published", operation_id="listPublished")
    def published() -> list[VersionEntry]:
        """The current version of every dataset here, whoever may analyse it."""
        held = Holdings(home).list()
        return [VersionEntry.of(home, snapshot, snapshot.version) for snapshot in held]

    @routes.get(
        f"{Dataset}/versions", operation_id="listVersions", responses=problem_responses(404, 422)
    )
    def versions(model: str, dataset: str) -> list[VersionEntry]:
        """Every version, oldest first; of a dataset that stays in its database the present one."""
        named(model, dataset)
        current = Holdings(home).current(model, dataset)
        if isinstance(current, Placed):
            return [VersionEntry.of(home, current, current.version)]
        known = datasets.versions(model, dataset)
        return [VersionEntry.of(home, one, current.version) for one in known]

    @routes.get(
        f"{Dataset}/versions/{{version}}/mapping",
        operation_id="getVersionMapping",
        response_class=PlainTextResponse,
        responses=problem_responses(404, 422),
    )
    def mapping(model: str, dataset: str, version: int) -> PlainTextResponse:
        """The mapping that a version was read through."""
        named(model, dataset)
        for one in datasets.versions(model, dataset):
            if one.version == version and one.mapping_path is not None:
                return PlainTextResponse(one.mapping_path.read_bytes())
        raise NotFound(f"Version {version} of {dataset} was read without a mapping.")

    @routes.get(
        f"{Dataset}/diff", operation_id="diffVersions", responses=problem_responses(404, 422)
    )
    def diff(
        model: str,
        dataset: str,
        before: Annotated[int, Query(ge=1)],
        after: Annotated[int, Query(ge=1)],
    ) -> Diff:
        """What changed from one version to another; small numbers are withheld."""
        return difference(home, named(model, dataset), dataset, before, after)

    @routes.post(
        f"{Dataset}/rollback",
        operation_id="rollBack",
        responses=problem_responses(404, 409, 422),
    )
    def rollback(model: str, dataset: str, wanted: Rollback) -> VersionEntry:
        """Makes a former version current again."""
        named(model, dataset)
        snapshot = datasets.rollback(model, dataset, wanted.version)
        return VersionEntry.of(home, snapshot, snapshot.version)

    @routes.delete(
        Dataset,
        operation_id="removeDataset",
        status_code=204,
        responses=problem_responses(404, 409, 422),
    )
    def remove(model: str, dataset: str) -> None:
        """Unpublishes a dataset and deletes all its versions."""
        named(model, dataset)
        datasets.remove(model, dataset)

    @routes.get(f"{Dataset}/card", operation_id="getCard", responses=problem_responses(404, 422))
    def get_card(model: str, dataset: str) -> CardEntry:
        """What the dataset is, who may use it, what was done to it."""
        made = card(home, named(model, dataset), Holdings(home).current(model, dataset))
        return CardEntry(card=made, sentences=list(made.sentences()))

    @routes.get(
        f"{Dataset}/quality", operation_id="judgeDataset", responses=problem_responses(404, 422)
    )
    def quality(model: str, dataset: str) -> QualityReport:
        """The quality report of the current version."""
        return quality_of_dataset(home, named(model, dataset), dataset)

    @routes.get(
        f"{Dataset}/quality.html",
        operation_id="printDatasetQuality",
        response_class=HTMLResponse,
        responses=problem_responses(404, 422),
    )
    def quality_page(model: str, dataset: str) -> HTMLResponse:
        """The same as a page to be read, printed and signed."""
        return HTMLResponse(page([quality_of_dataset(home, named(model, dataset), dataset)]))

    @routes.get(
        "/policies/{model}/{dataset}",
        operation_id="getDatasetPolicy",
        responses=problem_responses(404, 422),
    )
    def get_policy(model: str, dataset: str) -> PolicyFile:
        """The policy in force; the dataset `default` is that of all without one of their own."""
        return policy_file(home, models.get(model).key, _code(dataset))

    @routes.put(
        "/policies/{model}/{dataset}",
        operation_id="setDatasetPolicy",
        responses=problem_responses(404, 409, 422),
    )
    def set_policy(model: str, dataset: str, new: PolicyText) -> PolicyFile:
        """Writes a policy; files of the inbox that it concerns are looked at anew."""
        made = write_policy(home, models.get(model).key, _code(dataset), new.text, new.former)
        desk.policy_changed(model, _code(dataset))
        return made

    return routes


def _code(dataset: str) -> str | None:
    return None if dataset == _EVERY else dataset
