"""When statistics that steer a search may leave a site: only into totals that tell of no one.

They hold counts below the policy's minimum, so that no single site's may ever be seen: not by
the hub, and not by comparing totals of different sets of sites.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Protocol

import numpy as np
from sqlalchemy import Engine, insert, select

from medmip.federation.run_keys import FEWEST
from medmip.fold.statistic import Statistic, field_kinds
from medmip.privacy.guard import Access, Refused, Witness
from medmip.store.state import steered

Sites = frozenset[str]
RULE = "steering"


class SteeredSets(Protocol):
    """Remembers of which sites' totals of steering statistics have been made for a cohort."""

    def of(self, cohort: str) -> Sequence[Sites]: ...

    def remember(self, cohort: str, sites: Sites) -> None:
        """Keeps a set; one that is known already is left as it is."""


class SteeringRule:
    """Lets steering statistics leave, or refuses; tells the witness of refusals."""

    def __init__(self, sets: SteeredSets, witness: Witness) -> None:
        self._sets = sets
        self._witness = witness
        self._one_by_one = threading.Lock()

    def in_clear(self, access: Access, statistic: type[Statistic], *, consent: bool) -> None:
        """Raises Refused where a statistic steers, and would be shown to the hub.

        consent is what the policy says of this: `steering_in_clear`.
        """
        if steers(statistic) and not consent:
            self._refuse(
                access,
                statistic,
                "This analysis looks at counts too small to be shown, and may only run where "
                f"secure aggregation hides them among at least {FEWEST} hospitals",
                f"Choose datasets of at least {FEWEST} hospitals, or another algorithm; the "
                "hospital's policy may allow it (`steering_in_clear`).",
            )

    def without_records(self, access: Access, statistic: type[Statistic]) -> None:
        """Raises Refused where a statistic steers and this site has no record for it.

        Its zeros would let a total pass as of more sites than it is.
        """
        if steers(statistic):
            self._refuse(
                access,
                statistic,
                "This site has no records in a part of the cohort, and the others' counts are too "
                "small to be shown without it",
                "Widen the filter, or leave this site's datasets out.",
            )

    def aggregated(
        self, access: Access, statistic: type[Statistic], sites: Collection[str]
    ) -> None:
        """Raises Refused where a statistic steers and its total over these sites would tell.

        It would where a combination of totals for the cohort rests on fewer than three sites.
        """
        if not steers(statistic):
            return
        chosen = frozenset(sites)
        with self._one_by_one:
            earlier = self._sets.of(access.cohort)
            if chosen in earlier:
                return
            if tells_of_few([*earlier, chosen]):
                self._refuse(
                    access,
                    statistic,
                    "The same cohort was searched before with nearly the same hospitals; comparing "
                    "the two would tell of one or two of them",
                    "Run it with the same hospitals as before, or with other patients.",
                )
            self._sets.remember(access.cohort, chosen)

    def _refuse(self, access: Access, statistic: type[Statistic], what: str, remedy: str) -> None:
        self._witness.record(
            access,
            statistic=statistic.__name__,
            verdict="refused",
            rule=RULE,
            reason=what,
            suppressed=0,
        )
        raise Refused(what, rule=RULE, remedy=remedy)


def steers(statistic: type[Statistic]) -> bool:
    """Whether a field of a statistic steers a search."""
    return any(kind.steers for kind in field_kinds(statistic).values())


def tells_of_few(sets: Sequence[Sites]) -> bool:
    """Whether sums and differences of totals over these sets rest on one or two sites only.

    A combination of totals adds up each site with a weight: a vector in the row space of the
    table of sets by sites. One that vanishes on all sites but a few and not on site i exists just
    where the column of i is no combination of the columns of all but those few.
    """
    everyone = sorted(frozenset().union(*sets))
    columns = [tuple(float(site in chosen) for chosen in sets) for site in everyone]
    kinds = Counter(columns)
    for column, members in kinds.items():
        # Sites that were always together shelter each other where they are three or more.
        if members >= FEWEST:
            continue
        others = [other for other in kinds if other != column]
        if not _spanned(column, others):
            return True
        if members == 1:
            for alone in others:
                rest = [other for other in others if other != alone]
                if kinds[alone] == 1 and not _spanned(column, rest):
                    return True
    return False


def _spanned(column: tuple[float, ...], others: Sequence[tuple[float, ...]]) -> bool:
    if not others:
        return False
    table = np.array(others)
    rank = np.linalg.matrix_rank(table)
    return bool(np.linalg.matrix_rank(np.vstack([table, column])) == rank)


class KeptSets:
    """The sets in the state database, for good."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, cohort: str) -> Sequence[Sites]:
        query = select(steered.c.sites).where(steered.c.cohort == cohort)
        with self._engine.connect() as connection:
            return [frozenset(sites) for sites in connection.execute(query).scalars()]

    def remember(self, cohort: str, sites: Sites) -> None:
        names = sorted(sites)
        row = {
            "cohort": cohort,
            "sites_hash": hashlib.sha256(json.dumps(names).encode()).hexdigest(),
            "sites": names,
        }
        query = select(steered.c.cohort).where(
            steered.c.cohort == cohort, steered.c.sites_hash == row["sites_hash"]
        )
        with self._engine.begin() as connection:
            if connection.execute(query).first() is None:
                connection.execute(insert(steered), [row])
