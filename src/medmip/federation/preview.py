"""A count that the hub asks of a site while a filter is being built."""

from dataclasses import dataclass

from medmip.federation.request import CohortRequest


@dataclass(frozen=True)
class Previewing:
    """Who asks, and of which cohort."""

    user: str
    cohort: CohortRequest
