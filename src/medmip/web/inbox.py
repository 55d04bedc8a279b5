"""Routes of the drop folder: what lies in it, how it is read, and its publication."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from medmip.accounts.person import Caller
from medmip.accounts.role import Right
from medmip.errors import NotFound
from medmip.harmonise.coverage import Coverage, coverage
from medmip.harmonise.mapping_file import SHIPPED, shipped_mapping
from medmip.harmonise.suggestion import Suggestion, suggest
from medmip.inbox.desk import Desk
from medmip.inbox.identifiers import decide
from medmip.inbox.item import Choice, Item
from medmip.inbox.quality import quality_of_item
from medmip.inbox.reading_plan import ReadingPlan, chosen_for
from medmip.ingest.query import QueryResult, query
from medmip.quality.page import page
from medmip.quality.report import QualityReport
from medmip.stewardship.policy_file import ColumnDecision
from medmip.web.door import Door
from medmip.web.problems import problem_responses

_Model = Annotated[str, Field(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class InboxEntry(Item):
    """An item of the inbox, and what is being done with it.

    separable says that its problems are those of rows, which can be set aside.
    """

    step: str = ""
    fraction: float | None = None
    separable: bool = False

    @classmethod
    def of(cls, desk: Desk, item: Item) -> "InboxEntry":
        step, fraction = desk.step(item.name) or ("", None)
        told = {name: getattr(item, name) for name in Item.model_fields}
        separable = bool(item.problems) and not item.blocked
        return cls(**told, step=step, fraction=fraction, separable=separable)


class PublicationOrder(_Body):
    """What is to be done with bad rows, and with a version that differs by few patients."""

    quarantine: bool = False
    allow_small_change: bool = False


class SuggestionRequest(_Body):
    """The model that a mapping is wanted for, and the files that it may read besides."""

    model: _Model
    others: Annotated[tuple[str, ...], Field(max_length=100)] = ()


class CoverageRequest(_Body):
    """A choice that is tried, and how many rows are shown before and after."""

    choice: Choice
    sample: Annotated[int, Field(ge=0, le=100)] = 0


class InboxQuery(_Body):
    """One SELECT over the inbox's files, each a table."""

    sql: Annotated[str, Field(min_length=1, max_length=20_000)]
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class Decisions(_Body):
    """What is done with columns that may tell who a patient is."""

    decisions: Annotated[list[ColumnDecision], Field(min_length=1, max_length=1000)]


class MappingEntry(BaseModel):
    """A mapping that comes with MIP."""

    name: str
    label: str
    description: str
    files: tuple[str, ...]
    yaml: str


def router(desk: Desk, door: Door) -> APIRouter:
    """Routes under /inbox and /mappings, for data managers."""
    routes = APIRouter(tags=["inbox"])
    Manager = Annotated[Caller, Depends(door.to(Right.MANAGE_DATA))]  # noqa: N806 - a type
    Reader = Annotated[Caller, Depends(door.to(Right.READ_RECORDS))]  # noqa: N806

    def told(item: Item) -> InboxEntry:
        return InboxEntry.of(desk, item)

    def planned(name: str, choice: Choice | None = None) -> ReadingPlan:
        item = desk.get(name)
        if choice is not None:
            for other in choice.others:
                desk.get(other)
            item = item.model_copy(update={"choice": choice})
        if item.gone:
            raise NotFound(f"{name} is no longer in the inbox.", remedy="Put it there again.")
        model = desk.models.get(chosen_for(item).model)
        return ReadingPlan(desk.home, item, model)

    @routes.get("/inbox", operation_id="listInbox")
    def list_items(_: Manager) -> list[InboxEntry]:
        """Everything in the inbox, and what was published from it and is gone."""
        return [told(item) for item in desk.items()]

    @routes.post("/inbox-query", operation_id="queryInbox", responses=problem_responses(422))
    def ask(question: InboxQuery, _: Reader) -> QueryResult:
        """Asks files by SQL before any import; the answer holds patients' values."""
        home = desk.home
        return query([home.inbox], question.sql, home=home, limit=question.limit)

    @routes.get("/inbox/{name}", operation_id="getInboxItem", responses=problem_responses(404))
    def get(name: str, _: Manager) -> InboxEntry:
        """One item with every problem found."""
        return told(desk.get(name))

    @routes.delete(
        "/inbox/{name}",
        operation_id="forgetInboxItem",
        status_code=204,
        responses=problem_responses(404, 409),
    )
    def forget(name: str, _: Manager) -> None:
        """Takes an item that is gone off the list; what was published stays."""
        desk.forget(name)

    @routes.put(
        "/inbox/{name}/choice",
        operation_id="chooseForInboxItem",
        status_code=202,
        responses=problem_responses(404, 409, 422),
    )
    def choose(name: str, choice: Choice, _: Manager) -> InboxEntry:
        """Says how it is read; it is looked at anew."""
        return told(desk.choose(name, choice))

    @routes.delete(
        "/inbox/{name}/choice",
        operation_id="unchooseForInboxItem",
        status_code=202,
        responses=problem_responses(404, 409),
    )
    def unchoose(name: str, _: Manager) -> InboxEntry:
        """Lets names and columns say how it is read."""
        return told(desk.choose(name, None))

    @routes.post(
        "/inbox/{name}/look",
        operation_id="lookAtInboxItem",
        status_code=202,
        responses=problem_responses(404, 409),
    )
    def look(name: str, _: Manager) -> InboxEntry:
        """Looks at it anew, as after a change of a policy."""
        return told(desk.look_again(name))

    @routes.post(
        "/inbox/{name}/publication",
        operation_id="publishInboxItem",
        status_code=202,
        responses=problem_responses(404, 409, 422),
    )
    def publish(name: str, order: PublicationOrder, caller: Manager) -> InboxEntry:
        """Asks for its publication; the item tells how that ends."""
        return told(desk.order(name, caller.name, **order.model_dump()))

    @routes.post(
        "/inbox/{name}/suggestion",
        operation_id="suggestMapping",
        responses=problem_responses(404, 422),
    )
    def suggestion(name: str, wanted: SuggestionRequest, _: Manager) -> Suggestion:
        """A mapping proposed from names, labels, units and values, each with its score."""
        paths = [desk.home.inbox / desk.get(one).name for one in (name, *wanted.others)]
        return suggest(paths, desk.models.get(wanted.model), home=desk.home)

    @routes.post(
        "/inbox/{name}/coverage",
        operation_id="checkMapping",
        responses=problem_responses(404, 422),
    )
    def check(name: str, asked: CoverageRequest, caller: Manager) -> Coverage:
        """What a mapping fills and does not know; sample rows are for readers of records."""
        if asked.sample:
            caller.demand(Right.READ_RECORDS)
        plan = planned(name, asked.choice)
        if plan.mapping is None:
            raise NotFound("No mapping is given.", remedy="Send one, by name or as YAML.")
        return coverage(
            plan.paths,
            plan.mapping,
            plan.model,
            plan.dataset,
            plan.options,
            sample=asked.sample,
            home=desk.home,
        )

    @routes.post(
        "/inbox/{name}/decisions",
        operation_id="decideColumns",
        status_code=202,
        responses=problem_responses(404, 409, 422),
    )
    def decided(name: str, made: Decisions, _: Manager) -> InboxEntry:
        """Writes into the policy what is done with columns, and looks at what that concerns."""
        item = desk.get(name)
        targets = decide(desk.home, item, made.decisions)
        for code in targets:
            desk.policy_changed(item.choice.model if item.choice else "", code)
        return told(desk.get(name))

    @routes.get(
        "/inbox/{name}/quality",
        operation_id="judgeInboxItem",
        responses=problem_responses(404, 422),
    )
    def quality(name: str, _: Manager) -> list[QualityReport]:
        """The quality report of each dataset in it, as it would be published."""
        return quality_of_item(planned(name))

    @routes.get(
        "/inbox/{name}/quality.html",
        operation_id="printInboxQuality",
        response_class=HTMLResponse,
        responses=problem_responses(404, 422),
    )
    def quality_page(name: str, _: Manager) -> HTMLResponse:
        """The same as a page to be read, printed and signed."""
        return HTMLResponse(page(quality_of_item(planned(name))))

    @routes.get(
        "/inbox/{name}/problems",
        operation_id="listInboxProblems",
        response_class=FileResponse,
        responses=problem_responses(404)
        | {200: {"description": "Every problem", "content": {"text/csv": {}}}},
    )
    def problems(name: str, _: Manager) -> FileResponse:
        """Every problem with its row and column, as CSV; no patient's value is in it."""
        listed = desk.get(name).listed
        file = desk.home.logs / listed if listed else None
        if file is None or not file.is_file():
            raise NotFound(f"No problems of {name} are listed.")
        return FileResponse(file, media_type="text/csv", filename=file.name)

    @routes.get("/mappings", operation_id="listMappings")
    def mappings(_: Manager) -> list[MappingEntry]:
        """The mappings that come with MIP, each whole."""
        found = []
        for name in SHIPPED:
            shipped = shipped_mapping(name)
            found.append(
                MappingEntry(
                    name=name,
                    label=shipped.mapping.name,
                    description=shipped.mapping.description,
                    files=tuple(source.file for source in shipped.mapping.sources.values()),
                    yaml=shipped.content.decode(),
                )
            )
        return found

    return routes
