"""How far volumes are proved, and the one gate that keeps what is not from datasets."""

from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict

from medmip.imaging.errors import ImagingError

MARKS = "marks.json"
"""The file, shipped with MIP, that `make validate-imaging` writes."""
_TOLD = 3


class Proof(BaseModel):
    """What `make validate-imaging` found: the marks of accuracy that are missed, in words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    missed: tuple[str, ...]


@cache
def proof() -> Proof:
    """The proof of the volumes that this version of MIP measures."""
    path = files("medmip.imaging.shipped").joinpath(MARKS)
    return Proof.model_validate_json(path.read_text("utf-8"))


def unproven() -> str | None:
    """Which marks are missed, the first of them, in a sentence; None where all are met."""
    missed = proof().missed
    if not missed:
        return None
    more = f"; and {len(missed) - _TOLD} more" if len(missed) > _TOLD else ""
    return (
        f"Volumes do not meet every mark of accuracy yet: {'; '.join(missed[:_TOLD])}{more} "
        "(docs: How right volumes are)"
    )


def refuse_unproven(*, allowed: bool) -> None:
    """Raises ImagingError where marks are missed, unless a person allows it for a trial."""
    why = unproven()
    if why is not None and not allowed:
        raise ImagingError(
            f"{why}, so that a dataset should not rest on them",
            remedy="For a trial of your own: add --unproven.",
        )
