"""What is wrong with a file, found as an import would find it."""

from pathlib import Path

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.ingest.dialect import Options
from medmip.ingest.identity import guarded, let_go, policy_in_force
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
    problems are listed in the CSV file `report`, by default in the home's logs. The home's policy
    for the dataset says what may name a patient; without a home the strict one does. Raises
    IngestError where the file or the options cannot be used at all, DatasetPolicyError.
    """
    stated = policy_in_force(home, model.key, dataset)
    with reading(
        path, model, dataset, options, home=home, let_go=let_go(stated), progress=progress
    ) as read:
        codes = read.report.datasets
        found = guarded(read, [policy_in_force(home, model.key, code) for code in codes])
        return found.listed(home, report)
