"""Where a version's volumes come from, in what the version keeps and what its card tells."""

from collections.abc import Iterable

from medmip.imaging.publication.looking import Found
from medmip.stewardship.measured_volumes import MeasuredVolumes


def volumes_of(found: Found, scans: str, minimum: int) -> MeasuredVolumes:
    """What is kept of a publication; scans is the hash of the list of those that were joined.

    Whoever may analyse the dataset reads it, so that counts below minimum, and those that tell
    one by subtraction, are withheld.
    """
    former, current, plan = found.done.volumes, found.current, found.plan
    measured = [scan.volumes for scan in found.joined.values()]
    atlas = measured[0].atlas
    patients = plan.patients - plan.patients_without
    by = f"the atlas {atlas.name}" if atlas else "no atlas"
    return MeasuredVolumes(
        dataset=current.dataset,
        clinical=former.clinical if former else current.source,
        clinical_version=former.clinical_version if former else current.version,
        clinical_hash=former.clinical_hash if former else current.hash,
        date=plan.date,
        window=plan.window,
        columns=plan.columns,
        atlas=atlas.name if atlas else None,
        atlas_hash=atlas.sha256 if atlas else None,
        template=measured[0].template,
        setting=measured[0].setting,
        tools=_together(record.tools for record in measured),
        scans=scans,
        done=f"{len(plan.columns)} columns measured of scans that a person accepted (setting "
        f"{measured[0].setting}, {by}), joined {plan.rule}; "
        f"{_share(patients, plan.patients, minimum)} patients have them",
    )


def _together(tools: Iterable[dict[str, str]]) -> dict[str, str]:
    """The versions of each tool, all where scans were measured by several."""
    found: dict[str, set[str]] = {}
    for one in tools:
        for name, version in one.items():
            found.setdefault(name, set()).add(version)
    return {name: ", ".join(sorted(versions)) for name, versions in sorted(found.items())}


def _share(count: int, total: int, minimum: int) -> str:
    """A count of a known total; neither it nor what is left may be few, unless it is none."""
    if count == total:
        return "all"
    if count < minimum:
        return f"fewer than {minimum}"
    return f"more than {total - minimum}" if total - count < minimum else f"{count:,}"
