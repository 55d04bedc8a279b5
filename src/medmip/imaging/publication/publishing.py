"""Accepted volumes published with the clinical rows, through the checks of any publication."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medmip.anonymise.generalise import Generalised, carry_out, plan
from medmip.anonymise.settings import Anonymisation
from medmip.anonymise.step import Step
from medmip.anonymise.transform import ages
from medmip.catalogue.atomic_file import alone, write_atomically
from medmip.catalogue.home import Home
from medmip.errors import Conflict, MipError
from medmip.imaging.publication.accepted import refuse_changed
from medmip.imaging.publication.joining import joined
from medmip.imaging.publication.looking import Found, look
from medmip.imaging.publication.plan import PublicationPlan
from medmip.imaging.publication.provenance import volumes_of
from medmip.imaging.publication.wish import Wish
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.proof import refuse_unproven
from medmip.ingest.judging import judged
from medmip.ingest.session import Session
from medmip.ingest.small_change import refuse_small_change
from medmip.privacy.guard import Access
from medmip.privacy.ledger import Ledger
from medmip.privacy.policy import site_policy
from medmip.stewardship.applied import Applied, applied_to
from medmip.stewardship.patients import carry
from medmip.stewardship.policy import DatasetPolicy, stated_policy
from medmip.stewardship.policy_file import write_policy
from medmip.store.errors import UnknownDataset
from medmip.store.placed import refuse_placed
from medmip.store.snapshots import Datasets, Snapshot, file_hash


@dataclass(frozen=True)
class Ready:
    """What is left to do: the file that will be published, and what is kept with it."""

    file: Path
    applied: Applied
    listed: bytes


def planned(home: Home, wish: Wish) -> PublicationPlan:
    """What a publication would do; refusal tells why it would not be done as it is asked for.

    Everything is done but the publishing. Raises as `look` does.
    """
    found = look(home, wish)
    try:
        refuse_unproven(allowed=wish.unproven)
        with _ready(home, wish, found):
            return found.plan
    except MipError as error:
        return found.plan.model_copy(update={"refusal": str(error)})


def publish(home: Home, wish: Wish, ledger: Ledger, by: str) -> tuple[PublicationPlan, Snapshot]:
    """Publish a new version of the dataset, wholly or not at all, written in the ledger first.

    by is who asked. Raises as `look` does; ImagingError where volumes are not proved or do not fit
    the data model, Conflict where columns are there already or something changed meanwhile,
    SmallChange, NotFit, AnonymisationError, StoreError, OSError where the disk refuses.
    """
    refuse_unproven(allowed=wish.unproven)
    found = look(home, wish)
    shelf = Shelf(home)
    with _ready(home, wish, found) as ready:
        _keep(home, ready.listed)
        _take_along(home, wish, found)
        # Nobody decides about a scan between the last look at it and the publication.
        with alone(shelf.scans):
            refuse_changed(shelf, found.joined.values())
            ledger.record(
                Access(
                    user=by,
                    experiment="",
                    algorithm="",
                    snapshots={wish.code: file_hash(ready.file)},
                ),
                statistic="scan publication",
                verdict="published",
                rule="",
                reason=f"{found.model.key} {wish.code}: volumes joined to {wish.dataset} version "
                f"{found.current.version}, list {_digest(ready.listed)[:16]}",
                suppressed=0,
            )
            (snapshot,) = Datasets(home).publish_all(
                {wish.code: ready.file},
                found.model.key,
                f"{ready.applied.volumes.clinical if ready.applied.volumes else ''}, with volumes",
                found.current.synthetic,
                move=True,
                applied={wish.code: ready.applied.model_dump_json()},
                upon=found.current,
            )
    return found.plan, snapshot


@contextmanager
def _ready(home: Home, wish: Wish, found: Found) -> Iterator[Ready]:
    """The new version, checked as any other is: columns, model, privacy, quality."""
    _refuse_mixing(home, wish, found)
    policy = _policy(home, wish, found)
    guards = site_policy(home)
    datasets = Datasets(home)
    with joined(home, found, wish.code) as (session, file):
        steps, generalised = _alike(session, file, found, policy.anonymisation)
        earlier = _versions(datasets, found.model.key, wish.code)
        if not wish.small_change:
            refuse_small_change(
                session, file, earlier, found.model, wish.code, guards.minimum_patients
            )
        findings = judged(
            session, file, found.model, wish.code, policy.quality, datasets, guards.minimum_cell
        )
        listed = _listed(found)
        volumes = volumes_of(found, _digest(listed), guards.minimum_cell)
        former = found.done.volumes
        kept = [step for step in found.done.steps if not former or step.done != former.done]
        applied = found.done.model_copy(
            update={
                "policy": policy,
                "steps": (*kept, Step(column=None, done=volumes.done), *steps),
                "generalised": generalised,
                "findings": findings,
                "volumes": volumes,
            }
        )
        yield Ready(file, applied, listed)


def _refuse_mixing(home: Home, wish: Wish, found: Found) -> None:
    plan = found.plan
    refuse_placed(home, found.model.key, wish.code)
    if not plan.joined:
        raise Conflict(
            f"No accepted scan joins a row of {wish.dataset}.",
            remedy="Were the scans added with --dataset, and reviewed? The plan tells the counts.",
        )
    if not plan.columns:
        raise Conflict(f"{found.model.key} has no place for anything that was measured.")
    if (plan.replaced or plan.gone) and not wish.replace:
        raise Conflict(
            f"{wish.dataset} has columns of what was measured already: "
            f"{', '.join([*plan.replaced, *plan.gone])}.",
            remedy="Ask for them to be replaced (--replace), and they give way wholly; values "
            "are never mixed.",
        )
    if wish.code == wish.dataset:
        return
    for version in _versions(Datasets(home), found.model.key, wish.code):
        done = applied_to(version)
        if done is None or done.volumes is None or done.volumes.dataset != wish.dataset:
            raise Conflict(
                f"{wish.code} is a dataset of its own, not made of {wish.dataset} and volumes.",
                remedy="Choose another name.",
            )


def _policy(home: Home, wish: Wish, found: Found) -> DatasetPolicy:
    """The one in force, which must make the rows anonymous as it did when they were published."""
    own = home.dataset_policy(found.model.key, wish.code).exists()
    ruling = wish.code if own else wish.dataset
    policy = stated_policy(home, found.model.key, ruling) or DatasetPolicy()
    if _apart_from_k(policy) != _apart_from_k(found.done.policy):
        raise Conflict(
            f"The policy of {ruling} makes rows anonymous otherwise than when version "
            f"{found.current.version} of {wish.dataset} was published.",
            remedy="Import the clinical rows anew, then join the volumes.",
        )
    return policy


def _apart_from_k(policy: DatasetPolicy) -> Anonymisation:
    """What can be done to an imported file alone; patients are made alike anew each time."""
    return policy.anonymisation.model_copy(update={"k_anonymity": None})


def _alike(
    session: Session, file: Path, found: Found, settings: Anonymisation
) -> tuple[tuple[Step, ...], Generalised | None]:
    """Make patients look alike with their volumes too, where the policy asks for it."""
    rule = settings.k_anonymity
    if rule is None:
        return (), None
    caps = dict.fromkeys(ages(settings, found.model), settings.oldest_age + 1.0)
    made = plan(session, file, found.model, rule, caps)
    target = file.with_name(f"{file.stem}.generalised.parquet")
    carry_out(session, file, target, made, longitudinal=found.model.longitudinal)
    target.rename(file)
    if not made.steps and found.done.generalised is not None:
        return (), found.done.generalised
    return made.steps, made.generalised


def _listed(found: Found) -> bytes:
    """Every scan that was joined, with the hashes of its measurement and its labels."""
    scans = [
        {"scan": scan.record.id, "volumes": scan.digest, "labels": scan.volumes.labels}
        for scan in sorted(found.joined.values(), key=lambda one: one.record.id)
    ]
    return (json.dumps(scans, indent=1) + "\n").encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _keep(home: Home, listed: bytes) -> None:
    folder = home.imaging / "publications"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(folder / f"{_digest(listed)}.json", listed)


def _take_along(home: Home, wish: Wish, found: Found) -> None:
    """What another dataset of the same patients needs of this one: its policy, the way back."""
    if wish.code == wish.dataset:
        return
    key, own = found.model.key, home.dataset_policy(found.model.key, wish.dataset)
    if own.exists() and not home.dataset_policy(key, wish.code).exists():
        write_policy(home, key, wish.code, own.read_text("utf-8"))
    if found.done.patients_table is not None:
        carry(home, key, key, wish.dataset, found.done.patients_table, wish.code)


def _versions(datasets: Datasets, model: str, code: str) -> list[Snapshot]:
    try:
        return datasets.versions(model, code)
    except UnknownDataset:
        return []
