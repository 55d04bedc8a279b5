"""What `make validate-imaging` found, as a page: each mark of accuracy, and every region."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.region import TOTALS

NUCLEI = {
    "Hippocampus": 0.1,
    "Amygdala": 0.1,
    "Caudate": 0.2,
    "Putamen": 0.35,
    "Pallidum": 0.8,
    "Thalamus": 0.5,
}
"""How far a nucleus is on the way from grey to white, in a drawn head."""
HIPPOCAMPI = ("hippocampus_l", "hippocampus_r")
MEDIAN, NINETIETH, DEEP, DICE = 1.5, 5.0, 2.0, 0.95
"""The marks of a scan: at most so many per cent of error, and at least so alike."""
TOTAL, RETEST, SLOPE = 3.0, 1.5, 0.95
SECONDS = {SettingName.FAST: 120.0, SettingName.FULL: 900.0}
"""The marks of cost: 2 and 15 minutes; a scan is measured on one processor."""
GIGABYTES = {SettingName.FAST: 2.5, SettingName.FULL: 4.0}

INTRODUCTION = (
    "# How right volumes are",
    "",
    "Made by `make validate-imaging`. Scans whose volumes are known are made of the head Colin27 "
    "with the labels of AAL (Debian's mricron-data): deformed by smooth random fields of up to "
    "6 mm, turned, moved, with 3 % noise and a bias field of ± 20 %. *Real* ones keep the head's "
    "own voxels, and only labels have a truth; *drawn* ones are painted from tissues, each voxel "
    "the mean of eight points, with nuclei brighter than cortex, so that tissues have a truth as "
    "well. In *wilted* ones the hippocampi have shrunk.",
    "",
    "The template is the same head undeformed: for *real* scans its brain as it comes with "
    "Colin27, for *drawn* ones painted as they are, without noise and without mixed voxels; in "
    "drawn heads there are 3 mm of fluid around the brain, whose outline as it comes cuts it off "
    "at the cortex. A region's true grey matter is what is nearest to its label within 3 mm, as "
    "it is measured. A scan of another person is harder, and what its true volumes are nobody "
    "knows: these figures are what is reached at best.",
    "",
)


@dataclass(frozen=True)
class Result:
    """True and measured volumes by code, how alike labels are, and what measuring took.

    seconds are those of a processor, gigabytes the most memory at once.
    """

    truth: dict[str, float]
    found: dict[str, float]
    dice: dict[str, float]
    seconds: float
    gigabytes: float

    @property
    def regions(self) -> list[str]:
        """The codes of the regions, in the atlas' order."""
        return list(self.dice)

    @property
    def deep(self) -> list[str]:
        """Those of hippocampi and other deep structures."""
        return [code for code in self.dice if code.startswith(tuple(n.lower() for n in NUCLEI))]

    def errors(self, codes: Sequence[str]) -> NDArray[np.float64]:
        """In per cent of the truth."""
        return np.array([100 * (self.found[code] / self.truth[code] - 1) for code in codes])

    @property
    def alike(self) -> float:
        return float(np.median(list(self.dice.values())))


@dataclass(frozen=True)
class Shrinking:
    """A hippocampus' true and measured change, in per cent."""

    setting: SettingName
    code: str
    true: float
    seen: float

    @property
    def slope(self) -> float:
        return self.seen / self.true


def shrinkings(results: Mapping[str, Result]) -> list[Shrinking]:
    """How much of each hippocampus' loss is seen, where both scans were measured."""
    found = []
    for setting in SettingName:
        before, after = results.get(f"real {setting}"), results.get(f"wilted {setting}")
        if before and after:
            found += [
                Shrinking(
                    setting,
                    code,
                    100 * (after.truth[code] / before.truth[code] - 1),
                    100 * (after.found[code] / before.found[code] - 1),
                )
                for code in HIPPOCAMPI
            ]
    return found


def apart(results: Mapping[str, Result]) -> NDArray[np.float64] | None:
    """By how many per cent each region differs between two scans of one drawn head."""
    one, again = results.get("drawn fast"), results.get("retest fast")
    if one is None or again is None:
        return None
    before, after = (np.array([r.found[code] for code in one.regions]) for r in (one, again))
    return np.asarray(200 * abs(before - after) / (before + after))


def missed(results: Mapping[str, Result], wanted: Sequence[str]) -> list[str]:
    """The marks that are not met, or not known to be, each in words."""
    found = [f"{key}: not measured" for key in wanted if key not in results]

    def judge(what: str, value: float, mark: float, *, least: bool = False) -> None:
        if not (value >= mark if least else value <= mark):
            found.append(f"{what}: {value:.3g}, mark {mark:g}")

    for key, one in results.items():
        setting = SettingName(key.split()[1])
        wrong = abs(one.errors(one.regions))
        judge(f"{key}, median error in %", float(np.median(wrong)), MEDIAN)
        judge(f"{key}, 90th percentile in %", float(np.percentile(wrong, 90)), NINETIETH)
        judge(f"{key}, deep in %", float(np.median(abs(one.errors(one.deep)))), DEEP)
        judge(f"{key}, Dice", one.alike, DICE, least=True)
        judge(f"{key}, seconds", one.seconds, SECONDS[setting])
        judge(f"{key}, GB", one.gigabytes, GIGABYTES[setting])
        for code, name in TOTALS.items():
            if code in one.truth:
                judge(f"{key}, {name} in %", float(abs(one.errors([code]))[0]), TOTAL)
    for shrunk in shrinkings(results):
        judge(f"{shrunk.setting}, slope of {shrunk.code}", shrunk.slope, SLOPE, least=True)
    retest = apart(results)
    if retest is not None:
        judge("retest in %", float(np.median(retest)), RETEST)
    return found


def written(
    results: Mapping[str, Result], wanted: Sequence[str], tools: Mapping[str, str]
) -> Iterator[str]:
    """The page, line by line, of the cases that were measured; wanted are all there are."""
    yield from INTRODUCTION
    lacking = missed(results, wanted)
    if lacking:
        yield f"**Not every mark is met**: {'; '.join(lacking)}."
    else:
        yield "**Every mark below is met.**"
    if not results:
        return
    yield from _scans(results)
    yield from _totals(results)
    yield from _shrinking(results)
    yield from _regions(results)
    yield f"\nTools: {', '.join(f'{name} {number}' for name, number in tools.items())}."


def _scans(results: Mapping[str, Result]) -> Iterator[str]:
    yield (
        "\n| scan | setting | median error | 90th percentile | deep: median | median signed error "
        "| Dice, median | processor, s | memory, GB |"
    )
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for key, found in results.items():
        wrong, of_deep = found.errors(found.regions), found.errors(found.deep)
        yield (
            f"| {key.replace(' ', ' | ')} | {np.median(abs(wrong)):.2f} % "
            f"| {np.percentile(abs(wrong), 90):.2f} % | {np.median(abs(of_deep)):.2f} % "
            f"| {np.median(wrong):+.2f} % | {found.alike:.3f} "
            f"| {found.seconds:.0f} | {found.gigabytes:.1f} |"
        )
    yield (
        f"\nMarks: median at most {MEDIAN:g} %, 90th percentile {NINETIETH:g} %, deep {DEEP:g} %, "
        f"Dice at least {DICE:g}; fast 2 minutes on two processors and "
        f"{GIGABYTES[SettingName.FAST]:g} GB, full 15 minutes and "
        f"{GIGABYTES[SettingName.FULL]:g} GB. A scan is measured on one processor."
    )


def _totals(results: Mapping[str, Result]) -> Iterator[str]:
    told = {key: one for key, one in results.items() if set(TOTALS) <= set(one.truth)}
    if told:
        yield "\n## Totals of drawn heads\n"
        yield "| scan | total | truth, cm³ | measured | error |\n|---|---|---:|---:|---:|"
        for key, one in told.items():
            for code, name in TOTALS.items():
                yield (
                    f"| {key} | {name} | {one.truth[code]:.1f} | {one.found[code]:.1f} "
                    f"| {one.errors([code])[0]:+.1f} % |"
                )
        yield f"\nMark: within {TOTAL:g} %."
    retest = apart(results)
    if retest is not None:
        yield (
            "\nThe same head measured again (other noise, turned, voxels of 1 × 1.1 × 1.2 mm) "
            f"differs by {np.median(retest):.2f} % in the median region, "
            f"{np.percentile(retest, 90):.2f} % in the 90th percentile; mark {RETEST:g} % in the "
            "median."
        )


def _shrinking(results: Mapping[str, Result]) -> Iterator[str]:
    found = shrinkings(results)
    if found:
        yield "\n## A hippocampus that shrinks\n"
        yield "| setting | hippocampus | true change | measured | slope |\n|---|---|---:|---:|---:|"
        for one in found:
            yield (
                f"| {one.setting} | {one.code} | {one.true:.1f} % | {one.seen:.1f} % "
                f"| {one.slope:.3f} |"
            )
        yield f"\nMark: a slope of at least {SLOPE:g}."


def _regions(results: Mapping[str, Result]) -> Iterator[str]:
    yield "\n## Every region\n"
    yield f"| region | {' | '.join(results)} | Dice, {' | Dice, '.join(results)} |"
    yield "|---|" + "---:|" * (2 * len(results))
    for code in next(iter(results.values())).regions:
        told = [f"{which.errors([code])[0]:+.1f} %" for which in results.values()]
        told += [f"{which.dice[code]:.3f}" for which in results.values()]
        yield f"| {code} | {' | '.join(told)} |"
