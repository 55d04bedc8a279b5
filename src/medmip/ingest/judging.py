"""The quality control on the way to a publication."""

from pathlib import Path

from medmip.catalogue.data_model import DataModel
from medmip.ingest.session import Session
from medmip.quality.control import NotFit, control, subject
from medmip.quality.thresholds import Thresholds
from medmip.store.snapshots import Datasets


def judged(
    session: Session,
    file: Path,
    model: DataModel,
    dataset: str,
    thresholds: Thresholds,
    datasets: Datasets,
    minimum: int,
) -> tuple[str, ...]:
    """What was found without blocking; nothing is measured where nothing is asked.

    Raises NotFit.
    """
    if thresholds == Thresholds():
        return ()
    looked = subject(datasets, file, model, dataset, file.name)
    report = control(session, looked, thresholds, datasets, minimum)
    if not report.fit:
        raise NotFit(report)
    return tuple(finding.sentence for finding in report.findings)
