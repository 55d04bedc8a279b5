"""Importing: a clean file, or its clean rows, becomes a new version of each of its datasets."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.variable import DATASET
from medmip.ingest.dialect import Options
from medmip.ingest.errors import IngestError, NotClean
from medmip.ingest.identity import AS_IT_IS, guarded, let_go, policy_in_force
from medmip.ingest.judging import judged
from medmip.ingest.prepare import KEPT, prepare
from medmip.ingest.quarantine import set_aside
from medmip.ingest.reading import Progress, Reading, reading
from medmip.ingest.report import Report
from medmip.ingest.sealing import sealed_patients
from medmip.ingest.session import Session
from medmip.ingest.small_change import refuse_small_change
from medmip.ingest.staging import Column
from medmip.privacy.policy import Policy, site_policy
from medmip.privacy.site_key import site_key
from medmip.stewardship.applied import Applied, pseudonyms_of
from medmip.stewardship.patients import KEY
from medmip.stewardship.policy import DatasetPolicy
from medmip.store.placed import refuse_placed
from medmip.store.snapshots import Datasets, Snapshot


class Read(Protocol):
    """A way to the rows of a model."""

    def __call__(
        self, *, home: Home, also: Sequence[Path], progress: Progress | None
    ) -> AbstractContextManager[Reading]:
        """The rows read and audited; see ingest.reading."""


@dataclass(frozen=True)
class Imported:
    """What an import did; quarantined is the file that holds the rows set aside, if any."""

    snapshots: tuple[Snapshot, ...]
    report: Report
    quarantined: Path | None


def import_file(
    home: Home,
    path: Path,
    model: DataModel,
    dataset: str | None = None,
    options: Options | None = None,
    quarantine: bool = False,
    progress: Progress | None = None,
    *,
    anonymised: bool = True,
) -> list[Snapshot]:
    """Publish a clean file as the new version of its datasets; see bring_in for what is raised.

    With anonymised off nothing is done to its cells: for a home that nobody else looks into.
    """
    imported = bring_in(
        home,
        path,
        model,
        dataset,
        options,
        quarantine=quarantine,
        progress=progress,
        stated=None if anonymised else AS_IT_IS,
    )
    return [*imported.snapshots]


def bring_in(
    home: Home,
    path: Path,
    model: DataModel,
    dataset: str | None = None,
    options: Options | None = None,
    *,
    quarantine: bool = False,
    allow_small_change: bool = False,
    synthetic: bool = False,
    report: Path | None = None,
    policy: Policy | None = None,
    stated: DatasetPolicy | None = None,
    progress: Progress | None = None,
    through: Read | None = None,
    origin: str = "",
) -> Imported:
    """Read, check, anonymise and publish a file, every dataset in it or none.

    Each dataset's own policy says how, or stated where it is given; of a file that may hold
    several, columns may be dropped by the policy of all. quarantine sets bad rows aside instead
    of refusing the file. Raises NotClean with the report; NotFit where the quality control finds
    what the policy does not allow; SmallChange where a dataset differs from an earlier version by
    fewer patients than the site's minimum, unless allow_small_change; DatasetPolicyError;
    AnonymisationError; IngestError; StoreError.

    through is another way to the rows than the file's own, as by a mapping; origin is where they
    come from, where that is not the file.
    """
    home.prepare()
    guards = policy or site_policy(home)
    minimum, cell = guards.minimum_patients, guards.minimum_cell
    told = progress or (lambda _step, _done: None)

    def in_force(code: str | None) -> DatasetPolicy:
        return stated or policy_in_force(home, model.key, code, synthetic=synthetic)

    through = through or partial(
        reading, path, model, dataset, options, let_go=let_go(in_force(dataset))
    )
    with through(home=home, also=[home.datasets], progress=progress) as read:
        told("Looking for identifiers", None)
        found = guarded(read, [in_force(code) for code in read.report.datasets])
        listed = found.listed(home, report)
        if listed.problems and (listed.blocked or not quarantine):
            raise NotClean(listed)
        if found.session is None:
            raise IngestError("The file holds no table.", where=path.name)
        aside = set_aside(found, home) if listed.problems else None
        datasets = Datasets(home)
        key = site_key(home, KEY)
        ready: dict[str, pa.Table | Path] = {}
        applied: dict[str, str] = {}
        for code in kept_datasets(found.session, found.columns, dataset):
            refuse_placed(home, model.key, code)
            told(f"Writing {code}", None)
            ruled = in_force(code)
            under = pseudonyms_of(datasets, model, code)
            done = prepare(found, model, code, ruled, key, under)
            earlier = _versions(datasets, model, code)
            if not allow_small_change:
                refuse_small_change(found.session, done.file, earlier, model, code, minimum)
            told(f"Judging {code}", None)
            findings = judged(found.session, done.file, model, code, ruled.quality, datasets, cell)
            table = sealed_patients(found.session, home, key, model.key, code, done)
            ready[code] = done.file
            applied[code] = Applied(
                policy=ruled,
                steps=done.steps,
                generalised=done.generalised,
                patients_table=table,
                findings=findings,
                pseudonyms="" if under == model.code else under,
            ).model_dump_json()
        if not ready:
            raise IngestError(
                "No row is left to publish.",
                where=path.name,
                remedy=f"All rows were set aside in {aside}." if aside else None,
            )
        told("Publishing", None)
        snapshots = datasets.publish_all(
            ready,
            model.key,
            origin or listed.file,
            synthetic,
            move=True,
            applied=applied,
            mapping=found.mapping,
        )
    return Imported(snapshots, listed, aside)


def kept_datasets(session: Session, columns: Sequence[Column], dataset: str | None) -> list[str]:
    """The datasets that have a row which breaks no rule."""
    cell = next((column.sql for column in columns if column.name == DATASET), None)
    if cell is None:
        count = session.number(f"SELECT count(*) FROM {KEPT}")  # noqa: S608
        return [str(dataset)] if count else []
    rows = session.rows(f"SELECT DISTINCT {cell} FROM {KEPT} ORDER BY 1")  # noqa: S608
    return [str(code) for (code,) in rows]


def _versions(datasets: Datasets, model: DataModel, code: str) -> list[Snapshot]:
    published = {snapshot.dataset for snapshot in datasets.list(model.key)}
    return datasets.versions(model.key, code) if code in published else []
