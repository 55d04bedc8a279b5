"""From a dropped file to a published dataset: detect, read strictly, check, publish."""

from medmip.ingest.check import check
from medmip.ingest.dialect import Dialect, Options
from medmip.ingest.errors import IngestError, NotClean, SmallChange
from medmip.ingest.publish import import_file
from medmip.ingest.report import Kind, Problem, Report

__all__ = [
    "Dialect",
    "IngestError",
    "Kind",
    "NotClean",
    "Options",
    "Problem",
    "Report",
    "SmallChange",
    "check",
    "import_file",
]
