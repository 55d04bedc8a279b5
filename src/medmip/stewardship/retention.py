"""Former versions that a dataset's policy keeps no longer, removed with a row in the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from medmip.catalogue.home import Home
from medmip.privacy.guard import Access
from medmip.privacy.ledger import Ledger
from medmip.stewardship.applied import applied_to
from medmip.stewardship.patients import forget
from medmip.stewardship.policy import Retention, stated_policy
from medmip.store.snapshots import Datasets, Snapshot


@dataclass(frozen=True)
class Outdated:
    """The versions of one dataset that its policy keeps no longer; never the current one."""

    current: Snapshot
    versions: tuple[Snapshot, ...]


def outdated(home: Home, now: datetime) -> list[Outdated]:
    """What the policies in force keep no longer, by dataset; raises DatasetPolicyError."""
    datasets = Datasets(home)
    found = []
    for current in datasets.list():
        policy = stated_policy(home, current.model, current.dataset)
        if policy is None:
            continue
        versions = datasets.versions(current.model, current.dataset)
        old = beyond(versions, current, policy.retention, now)
        if old:
            found.append(Outdated(current, tuple(old)))
    return found


def beyond(
    versions: Sequence[Snapshot], current: Snapshot, retention: Retention, now: datetime
) -> list[Snapshot]:
    """The versions that a rule keeps no longer, oldest first.

    The newest so many versions are kept, and those that are not older than so many days; one
    that breaks either limit goes, but never the current one, nor the newest, whose number would
    else be given again.
    """
    newest = sorted(versions, key=lambda version: version.version, reverse=True)
    many = newest[retention.versions :] if retention.versions is not None else []
    old = [
        version
        for version in newest
        if retention.days is not None and now - version.published > timedelta(days=retention.days)
    ]
    stays = {current.version, newest[0].version}
    gone = {version.version for version in [*many, *old]} - stays
    return [version for version in versions if version.version in gone]


def remove_outdated(home: Home, ledger: Ledger, user: str, now: datetime) -> list[Outdated]:
    """Remove them, each dataset's written in the ledger first; raises StoreError."""
    done = outdated(home, now)
    datasets = Datasets(home)
    for each in done:
        numbers = ", ".join(str(version.version) for version in each.versions)
        ledger.record(
            Access(
                user=user,
                experiment="",
                algorithm="",
                snapshots={each.current.dataset: each.current.hash},
            ),
            statistic="retention",
            verdict="removed",
            rule="retention",
            reason=f"{each.current.model} {each.current.dataset}: version {numbers}",
            suppressed=0,
        )
        model, dataset = each.current.model, each.current.dataset
        datasets.forget(model, dataset, [version.version for version in each.versions])
        kept = [applied_to(version) for version in datasets.versions(model, dataset)]
        tables = {done.patients_table for done in kept if done and done.patients_table}
        forget(home, model, dataset, tables)
    return done
