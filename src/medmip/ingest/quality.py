"""Quality reports of files before they are published, and of published datasets."""

from functools import partial
from pathlib import Path

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.ingest.dialect import Options
from medmip.ingest.errors import NotClean
from medmip.ingest.identity import guarded, let_go, policy_in_force
from medmip.ingest.prepare import prepare
from medmip.ingest.publish import Read, kept_datasets
from medmip.ingest.reading import reading
from medmip.ingest.session import Session
from medmip.ingest.work import work_folder
from medmip.privacy.policy import site_policy
from medmip.privacy.site_key import site_key
from medmip.quality.control import Subject, control, subject
from medmip.quality.report import QualityReport
from medmip.stewardship.applied import pseudonyms_of
from medmip.stewardship.patients import KEY
from medmip.store.snapshots import Datasets


def quality_of_file(
    home: Home,
    path: Path,
    model: DataModel,
    dataset: str | None = None,
    options: Options | None = None,
    *,
    through: Read | None = None,
) -> list[QualityReport]:
    """The report of each dataset in a file, as it would be published; nothing is.

    Bad rows are counted and left out. through is another way to the rows than the file's own, as
    by a mapping. Raises NotClean where the file as a whole cannot be used,
    AnonymisationError, DatasetPolicyError, IngestError.
    """
    datasets, minimum = Datasets(home), site_policy(home).minimum_cell
    go = let_go(policy_in_force(home, model.key, dataset))
    through = through or partial(reading, path, model, dataset, options, let_go=go)
    reports = []
    with through(home=home, also=[home.datasets], progress=None) as read:
        codes = read.report.datasets
        found = guarded(read, [policy_in_force(home, model.key, code) for code in codes])
        if found.session is None or found.report.blocked:
            raise NotClean(found.report)
        counts = {str(kind): count for kind, count in found.report.counts().items()}
        for code in kept_datasets(found.session, found.columns, dataset):
            policy = policy_in_force(home, model.key, code)
            under = pseudonyms_of(datasets, model, code)
            done = prepare(found, model, code, policy, site_key(home, KEY), under)
            looked = subject(datasets, done.file, model, code, path.name)
            report = control(found.session, looked, policy.quality, datasets, minimum)
            reports.append(report.model_copy(update={"problems": counts}))
    return reports


def quality_of_dataset(home: Home, model: DataModel, dataset: str) -> QualityReport:
    """The report of a dataset's current version, compared with the one before it."""
    datasets = Datasets(home)
    current = datasets.current(model.key, dataset)
    earlier = [
        version
        for version in datasets.versions(model.key, dataset)
        if version.version < current.version
    ]
    others = {
        other.dataset: other.path for other in datasets.list(model.key) if other.dataset != dataset
    }
    former = (earlier[-1].version, earlier[-1].path) if earlier else None
    looked = Subject(current.path, model, dataset, current.source, current.version, former, others)
    policy = policy_in_force(home, model.key, dataset, synthetic=current.synthetic)
    with work_folder(home) as work:
        session = Session(work, "512MB", [home.datasets])
        try:
            minimum = site_policy(home).minimum_cell
            return control(session, looked, policy.quality, datasets, minimum)
        finally:
            session.close()
