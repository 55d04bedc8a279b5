"""Routes of experiments among people: stars, tags, sharing, comments, running again."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from medmip.accounts.dataset_reader import reader_of
from medmip.accounts.errors import NotAllowed
from medmip.accounts.person import Caller
from medmip.accounts.role import Right
from medmip.errors import Conflict
from medmip.experiments.comments import Comment
from medmip.experiments.difference import Difference, difference
from medmip.experiments.service import ExperimentService
from medmip.experiments.sharing import Colleague, Sharing
from medmip.web.door import Door
from medmip.web.experiment_view import ExperimentView, may_share
from medmip.web.problems import problem_responses
from medmip.web.schemas import NewComment, NewSharing, NewStar, SeenExperiment


def router(service: ExperimentService, door: Door) -> APIRouter:
    """Routes under /experiments/{identity}, and /experiment-tags and /colleagues."""
    routes = APIRouter(tags=["experiments"])
    Analyst = Annotated[Caller, Depends(door.to(Right.ANALYSE))]  # noqa: N806 - a type
    Somebody = Annotated[Caller, Depends(door.caller)]  # noqa: N806
    view = ExperimentView(service, door)

    @routes.put(
        "/experiments/{identity}/star",
        operation_id="starExperiment",
        status_code=204,
        responses=problem_responses(404, 422),
    )
    def star(identity: str, new: NewStar, caller: Analyst) -> None:
        """Marks an experiment for oneself, or takes the mark back; nobody else sees it."""
        service.get(identity, caller)
        service.stars.give(identity, caller.name, starred=new.starred)

    @routes.get("/experiment-tags", operation_id="listExperimentTags")
    def tags(caller: Analyst) -> list[str]:
        """The tags of the experiments that one sees."""
        return service.experiments.tags(caller)

    @routes.put(
        "/experiments/{identity}/sharing",
        operation_id="shareExperiment",
        responses=problem_responses(403, 404, 409, 422),
    )
    def share(identity: str, new: NewSharing, caller: Somebody) -> Sharing:
        """Shares an experiment's results, for its author or an administrator; the journal has it.

        Whom it is shared with get no right to the data that it was made from.
        """
        # An administrator shares what somebody has left behind, and need not see it for that.
        manages = caller.may(Right.ADMINISTER)
        if not manages:
            caller.demand(Right.ANALYSE)
        experiment = service.get(identity, None if manages else caller)
        if not may_share(experiment, caller):
            raise NotAllowed(
                "The experiment is another person's", remedy="Ask its author to share it."
            )
        if door.doorman.open:
            raise Conflict(
                "Nobody logs in here, so there is nobody to share with",
                remedy="Everybody who reaches this server sees the experiment already.",
            )
        return service.sharing.share(
            identity, caller.name, everybody=new.everybody, persons=new.persons
        )

    @routes.get("/colleagues", operation_id="findColleagues", responses=problem_responses(422))
    def colleagues(
        caller: Analyst, search: Annotated[str, Query(min_length=2, max_length=100)]
    ) -> list[Colleague]:
        """Up to 20 persons to share with, by a part of their names."""
        return service.sharing.colleagues(search.replace("\0", ""), caller.name)

    @routes.get(
        "/experiments/{identity}/comments",
        operation_id="listComments",
        responses=problem_responses(404),
    )
    def comments(identity: str, caller: Analyst) -> list[Comment]:
        """What was said of an experiment, the oldest first."""
        service.get(identity, caller)
        return service.comments.of(identity)

    @routes.post(
        "/experiments/{identity}/comments",
        operation_id="addComment",
        status_code=201,
        responses=problem_responses(404, 409, 422),
    )
    def comment(identity: str, new: NewComment, caller: Analyst) -> Comment:
        """Says something of an experiment to all who may see it."""
        service.get(identity, caller)
        return service.comments.add(identity, caller.name, new.text)

    @routes.delete(
        "/experiments/{identity}/comments/{comment}",
        operation_id="removeComment",
        status_code=204,
        responses=problem_responses(403, 404),
    )
    def remove(identity: str, comment: str, caller: Analyst) -> None:
        """Takes a comment of one's own back."""
        service.get(identity, caller)
        service.comments.remove(identity, comment, caller.name)

    @routes.post(
        "/experiments/{identity}/rerun",
        operation_id="rerunExperiment",
        status_code=202,
        responses=problem_responses(404, 422),
    )
    def rerun(identity: str, response: Response, caller: Analyst) -> SeenExperiment:
        """Asks the same again of the datasets' present versions, by one's own right to them."""
        former = service.get(identity, caller)
        reader = reader_of(caller)
        made = service.submit(
            former.request, former.name, caller.name, reader=reader, origin=former.id
        )
        response.headers["Location"] = f"/api/v1/experiments/{made.id}"
        return view.seen(made, caller)

    @routes.get(
        "/experiments/{identity}/difference",
        operation_id="compareExperiments",
        responses=problem_responses(404, 409, 422),
    )
    def compare(
        identity: str,
        caller: Analyst,
        other: Annotated[str | None, Query(max_length=100)] = None,
    ) -> Difference:
        """An experiment beside the one of which it asks again, or beside the other one named."""
        after = service.get(identity, caller)
        former = other or after.origin
        if former is None:
            raise Conflict(
                "The experiment asks nothing again", remedy="Name the other one to compare with."
            )
        return difference(service.get(former, caller), after)

    return routes
