"""Routes of one scan: its sheet, slices of it, and what a person decides of it."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from medmip.accounts.person import Caller
from medmip.accounts.role import Right
from medmip.catalogue.home import Home
from medmip.imaging.people import people_of
from medmip.imaging.queue.job import ScanJob
from medmip.imaging.queue.jobs import ScanJobs
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.review import LONGEST, Review, ReviewDecision, Seen, decide
from medmip.imaging.volumetry.sheet import ScanSheet, found, sheet_of
from medmip.imaging.volumetry.slice_picture import Outlines, colour_of, slice_picture
from medmip.imaging.volumetry.view import MOST_VOXELS, Plane, View, Views, brain_of
from medmip.privacy.ledger import Ledger
from medmip.web.door import Door
from medmip.web.problems import problem_responses

_NOT_KEPT = {"cache-control": "no-store"}
"""A face may be seen in a scan: neither browser nor proxy keeps a picture of it."""
_VOLUME = "application/gzip"
_Scan = Annotated[str, Path(min_length=1, max_length=100, description="Its id, as `list` has it.")]


def _bytes(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"description": description, "content": content}}


class RegionPlace(BaseModel):
    """Where a label is seen: a slice of each plane through its middle, and its colour."""

    label: int
    colour: str
    at: dict[Plane, int]


class Slices(BaseModel):
    """How many slices there are in each plane, which one is in the middle, what is outlined."""

    count: dict[Plane, int]
    middle: dict[Plane, int]
    outlines: list[Outlines]
    regions: list[RegionPlace]

    @classmethod
    def of(cls, view: View) -> "Slices":
        able = {Outlines.LABELS: view.labels, Outlines.TISSUES: view.tissues}
        return cls(
            count=_by_plane(view.grey.shape),
            middle=_by_plane(view.middle),
            outlines=[name for name, volume in able.items() if volume is not None],
            regions=[
                RegionPlace(
                    label=label,
                    colour="#{:02x}{:02x}{:02x}".format(*colour_of(label)),
                    at=_by_plane(place),
                )
                for label, place in view.places.items()
            ],
        )


class ScanAnswer(ScanSheet):
    """The sheet of a scan, and its job in the queue: None where it is not queued any more."""

    job: ScanJob | None


class ReviewOrder(BaseModel):
    """A decision, why, and what was looked at: the measurement's hash, the reviews it had."""

    model_config = ConfigDict(extra="forbid")

    decision: ReviewDecision
    reason: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    measurement: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    reviews: Annotated[int, Field(ge=0, le=10**6)]


def router(home: Home, ledger: Ledger, jobs: ScanJobs, door: Door) -> APIRouter:
    """Routes under /imaging/scans/{identity}, for those who may read patients' records."""
    routes = APIRouter(prefix="/imaging/scans/{identity}", tags=["imaging"])
    shelf, views = Shelf(home), Views()

    def reviewer(caller: Annotated[Caller, Depends(door.to(Right.MANAGE_DATA))]) -> Caller:
        """What is seen here is one patient's."""
        caller.demand(Right.READ_RECORDS)
        return caller

    Reviewer = Annotated[Caller, Depends(reviewer)]  # noqa: N806 - a type

    def seen(identity: str) -> View:
        return views.of(shelf.scans / found(shelf, identity).id)

    @routes.get("", operation_id="getScan", responses=problem_responses(404, 422))
    def sheet(_: Reviewer, identity: _Scan, response: Response) -> ScanAnswer:
        """A scan: how it was measured or why not, what is unusual about it, how it was reviewed."""
        response.headers.update(_NOT_KEPT)
        told = sheet_of(shelf, identity, partial(people_of, home))
        return ScanAnswer(**dict(told), job=jobs.of(told.scan.id))

    @routes.get("/slices", operation_id="listSlices", responses=problem_responses(404, 422))
    def slices(_: Reviewer, identity: _Scan, response: Response) -> Slices:
        """What can be seen of a scan, and where in it its regions are."""
        response.headers.update(_NOT_KEPT)
        return Slices.of(seen(identity))

    @routes.get(
        "/slices/{plane}",
        operation_id="drawSlice",
        response_class=Response,
        responses=_bytes("image/png", "Pixels alone.") | problem_responses(404, 422),
    )
    def picture(
        _: Reviewer,
        identity: _Scan,
        plane: Plane,
        at: Annotated[int, Query(ge=0, le=MOST_VOXELS, description="From left, back, bottom.")],
        outlines: Outlines = Outlines.NONE,
        only: Annotated[int | None, Query(ge=1, le=65_535, description="One label.")] = None,
    ) -> Response:
        """A slice with the outlines of labels or tissues; the patient's right is at the left."""
        drawn = slice_picture(seen(identity), plane, at, outlines, only)
        return Response(drawn, media_type="image/png", headers=_NOT_KEPT)

    @routes.get(
        "/brain",
        operation_id="getBrain",
        response_class=Response,
        responses=_bytes(_VOLUME, "NIfTI, packed.") | problem_responses(404, 422),
    )
    def brain(_: Reviewer, identity: _Scan) -> Response:
        """The brain alone, without the face, to be seen in three dimensions."""
        return Response(brain_of(seen(identity)), media_type=_VOLUME, headers=_NOT_KEPT)

    @routes.post("/reviews", operation_id="reviewScan", responses=problem_responses(404, 409, 422))
    def review(caller: Reviewer, identity: _Scan, order: ReviewOrder) -> Review:
        """Accepts or rejects a measured scan, or has it measured anew; the ledger tells of it."""
        before = Seen(order.measurement, order.reviews)
        return decide(home, ledger, identity, order.decision, order.reason, caller.name, before)

    return routes


def _by_plane(voxel: tuple[int, ...]) -> dict[Plane, int]:
    return {plane: int(voxel[plane.axis]) for plane in Plane}
