"""Two versions of a published dataset compared, in a session of their own."""

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.ingest.session import Session
from medmip.ingest.work import work_folder
from medmip.privacy.policy import site_policy
from medmip.stewardship.diff import Diff, diff
from medmip.store.errors import UnknownDataset
from medmip.store.snapshots import Datasets


def difference(home: Home, model: DataModel, dataset: str, before: int, after: int) -> Diff:
    """What changed from one version to another; raises UnknownDataset, naming the versions."""
    versions = {version.version: version for version in Datasets(home).versions(model.key, dataset)}
    for number in (before, after):
        if number not in versions:
            raise UnknownDataset(
                f"{model.key} {dataset} has no version {number}.",
                remedy=f"Its versions are {', '.join(map(str, versions))}.",
            )
    minimum = site_policy(home).minimum_cell
    with work_folder(home) as work:
        session = Session(work, "512MB", [home.datasets])
        try:
            return diff(session, model, versions[before], versions[after], minimum)
        finally:
            session.close()
