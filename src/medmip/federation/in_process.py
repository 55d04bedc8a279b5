"""Cohorts of sites whose records are folded in this process."""

from collections.abc import Mapping, Sequence

from medmip.federation.member import LocalMember
from medmip.federation.site import Part, Site, previewed
from medmip.federation.specification import CohortSpec
from medmip.federation.transport import Watcher, opened
from medmip.fold.cohort import Cohort
from medmip.privacy.guard import Access


def open_cohort(
    sites: Sequence[Site], spec: CohortSpec, access: Access, watcher: Watcher | None = None
) -> Cohort:
    """The cohort of a request, once every site's guard has let it in; raises Refused."""
    return opened([LocalMember(Part.of(site, spec, access)) for site in sites], spec, watcher)


def preview_cohort(
    sites: Sequence[Site], spec: CohortSpec, access: Access
) -> dict[str, int | None]:
    """About how many patients each dataset has in a cohort that is still being built.

    Rounded down by every site's guard; None where fewer than the minimum.
    """
    return together(spec, [previewed(site, spec, access) for site in sites])


def together(spec: CohortSpec, told: Sequence[Mapping[str, int | None]]) -> dict[str, int | None]:
    """What several sites told of their datasets; None where one of them may not tell."""
    total: dict[str, int | None] = dict.fromkeys(spec.datasets, 0)
    for part in told:
        for dataset, count in part.items():
            before = total[dataset]
            total[dataset] = None if before is None or count is None else before + count
    return total
