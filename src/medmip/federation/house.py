"""A site's house: its data and guard, with what its administrator lets the federation use."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from medmip.algorithms.declaration import Algorithm
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.errors import CatalogueError
from medmip.catalogue.model_store import ModelStore
from medmip.federation.approvals import Approvals
from medmip.federation.common_policy import read_common, stricter
from medmip.federation.offer import Offer, OfferedAlgorithm, OfferedDataset, OfferedModel
from medmip.federation.offering import Offering, read_offering
from medmip.federation.request import CohortRequest, Named, meaning
from medmip.federation.site import Site, Workers
from medmip.federation.site_runs import Opening
from medmip.federation.specification import CohortSpec
from medmip.federation.steering import SteeringRule
from medmip.fold.block_cache import BlockCache
from medmip.privacy.guard import Access, Guard, Refused
from medmip.privacy.ledger import EarlierCohorts, Ledger
from medmip.privacy.policy import Policy
from medmip.store.engine import Engine
from medmip.store.placed import Listing
from medmip.store.snapshots import Snapshot


@dataclass
class House:
    """What a site has; it implements the premises of runs.

    memory is what the guard remembers of earlier cohorts; steering is the rule on searches, one for
    all runs; settings is the file `site.toml`; common is that of the federation's thresholds; opens
    says whether a dataset's own policy opens it to the researchers of a federation; workers fold
    what they can, if there are any.
    """

    models: ModelStore
    datasets: Listing
    algorithms: Mapping[str, Algorithm[Any, Any]]
    engine: Engine
    cache: BlockCache
    key: bytes
    policy: Policy
    ledger: Ledger
    memory: EarlierCohorts
    steering: SteeringRule
    settings: Path
    approvals: Approvals
    software: str
    common: Path
    opens: Callable[[Snapshot], bool]
    workers: Workers | None = None
    now: Callable[[], datetime] = datetime.now

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._read: tuple[object, Offering] | None = None
        self._offered: tuple[object, bytes] | None = None

    def offering(self) -> Offering:
        """What the administrator states at this moment; raises OfferingError."""
        stamp = _stamp(self.settings)
        with self._lock:
            if self._read is None or self._read[0] != stamp:
                self._read = (stamp, read_offering(self.settings))
            return self._read[1]

    def effective(self) -> Policy:
        """The thresholds for the federation: the strictest of all that are stated.

        Raises OfferingError, PolicyError.
        """
        return stricter(self.offering().policy_over(self.policy), read_common(self.common))

    @property
    def only_masked(self) -> bool:
        return self.offering().only_masked

    def check_open(self, opening: Opening) -> str:
        offering = self.offering()
        if opening.software != self.software:
            raise Refused(
                f"the software is {self.software} here and {opening.software} at the hub",
                rule="software",
                remedy="Bring both to the same version; results of different ones may differ.",
            )
        if offering.paused:
            raise Refused("the site has paused its part in the federation", rule="paused")
        if not offering.hours.hold(self.now()):
            raise Refused(
                f"analyses run here from {offering.hours.begin:%H:%M} to "
                f"{offering.hours.end:%H:%M} on {', '.join(offering.hours.days)}",
                rule="hours",
                remedy="Run it again within these hours.",
            )
        if not opening.algorithms:
            raise Refused("no algorithm is named", rule="algorithms")
        if offering.approval == "person":
            return self.approvals.check(opening, offering.approver)
        return ""

    def algorithm(self, name: str) -> Algorithm[Any, Any]:
        if name not in self.algorithms or not self.offering().offers_algorithm(name):
            raise Refused(
                f"the site does not offer the algorithm {name[:100]}",
                rule="algorithms",
                remedy="Choose another algorithm, or ask the site's administrator.",
            )
        return self.algorithms[name]

    def site(self, asked: CohortRequest) -> tuple[CohortSpec, Site]:
        try:
            model = self.models.get(asked.model)
        except CatalogueError:
            raise Refused(f"the site has no data model {asked.model[:100]}", rule="model") from None
        spec = asked.spec(model)
        held = tuple(part for part in self._offered_of(model.key) if part.dataset in spec.datasets)
        if not held:
            raise Refused(
                "the site offers none of these datasets",
                rule="datasets",
                remedy="Look at the catalogue again: what a site offers may change.",
            )
        guard = Guard(self.effective(), self.ledger, self.memory)
        return spec, Site(self.engine, guard, held, self.cache, self.key, self.workers)

    def note(self, access: Access, refusal: Refused) -> None:
        self.ledger.record(
            access,
            statistic="request",
            verdict="refused",
            rule=refusal.rule,
            reason=refusal.what,
            suppressed=0,
        )

    def offer(self) -> bytes:
        """The site's offer as it travels, made anew where something changed."""
        offering = self.offering()
        held = self._offered_of(None)
        versions = tuple((part.model, part.dataset, part.hash) for part in held)
        stamp = (offering, self.effective(), versions)
        if self._offered is None or self._offered[0] != stamp:
            self._offered = (stamp, self._stated(offering, held).encoded())
        return self._offered[1]

    def _offered_of(self, model: str | None) -> list[Snapshot]:
        offering = self.offering()
        return [
            part
            for part in self.datasets.list(model)
            if offering.offers_dataset(part.dataset) and self.opens(part)
        ]

    def _stated(self, offering: Offering, held: list[Snapshot]) -> Offer:
        policy = self.effective()
        models = [self.models.get(key) for key in sorted({part.model for part in held})]
        hours = offering.hours
        return Offer(
            software=self.software,
            models=tuple(OfferedModel(model, meanings(model)) for model in models),
            datasets=tuple(
                OfferedDataset(
                    part.model,
                    part.dataset,
                    part.hash,
                    part.version,
                    part.synthetic,
                    _rounded(part.patients, policy.minimum_cell),
                    _rounded(part.records, policy.minimum_cell),
                    part.published.isoformat(),
                    part.variables,
                )
                for part in held
            ),
            algorithms=tuple(
                OfferedAlgorithm(name, algorithm.version)
                for name, algorithm in self.algorithms.items()
                if offering.offers_algorithm(name)
            ),
            policy=policy.model_dump_json(),
            paused=offering.paused,
            only_masked=offering.only_masked,
            approval=offering.approval,
            approver=offering.approver,
            hours=""
            if hours.begin == hours.end
            else f"{hours.begin:%H:%M} to {hours.end:%H:%M}, {', '.join(hours.days)}",
        )


@lru_cache(maxsize=64)
def meanings(model: DataModel) -> tuple[Named, ...]:
    """What makes each of a model's variables what it is."""
    return tuple(Named(code, meaning(one)) for code, one in model.all_variables.items())


def _rounded(number: int, step: int) -> int:
    return number // step * step


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
