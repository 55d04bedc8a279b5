"""The quality report of an item of the inbox, as it would be published."""

from medmip.harmonise.publishing import through_mapping
from medmip.inbox.reading_plan import ReadingPlan
from medmip.ingest.quality import quality_of_file
from medmip.quality.report import QualityReport


def quality_of_item(plan: ReadingPlan) -> list[QualityReport]:
    """The report of each dataset of an item; see ingest.quality.quality_of_file."""
    through = None
    if plan.mapping is not None:
        through = through_mapping(plan.paths, plan.mapping, plan.model, plan.dataset, plan.options)
    return quality_of_file(
        plan.home, plan.path, plan.model, plan.dataset, plan.options, through=through
    )
