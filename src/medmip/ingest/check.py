"""What is wrong with a file, found as an import would find it."""

from pathlib import Path

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.ingest.dialect import Options
from medmip.ingest.reading import Progress, reading
from medmip.ingest.report import Report


def check(
    path: Path,
    model: DataModel,
    dataset: str | None = None,
    options: Options | None = None,
    *,
    home: Home | None = None,
    report: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """What is wrong with a file.

    dataset is what all its rows belong to; without it the file needs the column `dataset`. All
    problems are listed in the CSV file `report`, by default in the home's logs. Raises
    IngestError where the file or the options cannot be used at all.
    """
    with reading(path, model, dataset, options, home=home, progress=progress) as found:
        return found.listed(home, report)
