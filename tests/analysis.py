"""The harness of the algorithm tests, which authors have too."""

from medmip.authoring.analysis import (
    ACCESS,
    OPEN,
    Witnessed,
    analyse,
    cohort_of,
    model_of,
    parts_of,
    site_of,
)

__all__ = [
    "ACCESS",
    "OPEN",
    "Witnessed",
    "analyse",
    "cohort_of",
    "model_of",
    "parts_of",
    "site_of",
]
