"""Publishing an item of the inbox, by a person's order or by what the datasets' policies allow."""

from datetime import datetime
from pathlib import Path

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.harmonise.publishing import harmonise
from medmip.inbox.item import Item, Order, PublishedVersion
from medmip.inbox.reading_plan import ReadingPlan
from medmip.inbox.recognition import is_harmonised
from medmip.ingest.publish import Imported, bring_in
from medmip.ingest.reading import Progress
from medmip.stewardship.policy import stated_policy

BY_ITSELF = "inbox"
"""Who published what no person did."""


def may_publish_itself(home: Home, item: Item) -> bool:
    """Whether a clean item is published without a click.

    It is harmonized_clinical_data.csv, or was published from the inbox before; and the stated
    policy of every dataset in it says so. Raises DatasetPolicyError.
    """
    if item.choice is None or not item.datasets:
        return False
    if not (item.published or is_harmonised(item.name)):
        return False
    if item.published and item.published[-1].stamp == item.stamp:
        return False
    policies = [stated_policy(home, item.choice.model, code) for code in item.datasets]
    return all(policy is not None and policy.publication.automatic for policy in policies)


def publish(
    home: Home, item: Item, model: DataModel, order: Order, progress: Progress | None = None
) -> Imported:
    """Make an item the new version of its datasets; see ingest.publish.bring_in."""
    plan = ReadingPlan(home, item, model)
    if plan.mapping is None:
        return bring_in(
            home,
            plan.path,
            model,
            plan.dataset,
            plan.options,
            quarantine=order.quarantine,
            allow_small_change=order.allow_small_change,
            synthetic=plan.choice.synthetic,
            progress=progress,
        )
    return harmonise(
        home,
        plan.paths,
        plan.mapping,
        model,
        plan.dataset,
        plan.options,
        quarantine=order.quarantine,
        allow_small_change=order.allow_small_change,
        synthetic=plan.choice.synthetic,
        progress=progress,
    )


def publications(
    imported: Imported, item: Item, order: Order, at: datetime
) -> tuple[PublishedVersion, ...]:
    """What is kept of a publication beside the item."""
    return tuple(
        PublishedVersion(
            model=snapshot.model,
            dataset=snapshot.dataset,
            version=snapshot.version,
            patients=snapshot.patients,
            records=snapshot.records,
            at=at,
            stamp=order.stamp,
            choice=item.choice.hash if item.choice else "",
            user=order.user,
        )
        for snapshot in imported.snapshots
    )


def name_of(path: Path | None) -> str | None:
    """The name of a file of quarantined rows."""
    return None if path is None else path.name
