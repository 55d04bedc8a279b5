"""How far volumes are proved, and the one gate that keeps what is not from datasets."""

from medmip.imaging.errors import ImagingError

UNPROVEN = (
    "Volumes do not meet every mark of accuracy yet: `full` has not been measured (docs: How right "
    "volumes are)"
)


def refuse_unproven(*, allowed: bool) -> None:
    """Raises ImagingError, unless a person allows unproven volumes for a trial."""
    if not allowed:
        raise ImagingError(
            f"{UNPROVEN}, so that a dataset should not rest on them",
            remedy="For a trial of your own: add --unproven.",
        )
