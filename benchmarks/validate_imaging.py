"""`make validate-imaging`: volumes of synthetic heads against their truth, to a page of docs."""

import csv
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from benchmarks.synthetic_heads import Anatomy, Deformation, Scan, Wilting, deformed, drawn, spoilt
from medmip.imaging.volume import Volume, write_volume
from medmip.imaging.volumetry import graph
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.correct import corrected
from medmip.imaging.volumetry.image import Image, load, read, widened
from medmip.imaging.volumetry.region import TOTALS
from medmip.imaging.volumetry.requirements import tools
from medmip.imaging.volumetry.setting import SETTINGS
from medmip.imaging.volumetry.steps import carried_out
from medmip.imaging.volumetry.tissue import classes_of, segmented

RESULTS = Path(__file__).parent / "imaging_results.json"
PAGE = Path(__file__).parent.parent / "docs" / "imaging-validation.md"
COLIN = Path("/usr/share/mricron/templates")
NUCLEI = {
    "Hippocampus": 0.1,
    "Amygdala": 0.1,
    "Caudate": 0.2,
    "Putamen": 0.35,
    "Pallidum": 0.8,
    "Thalamus": 0.5,
}
"""How far a nucleus is on the way from grey to white, in a drawn head."""
FLUID_AROUND = 3.0
"""Millimetres: the brain that comes with Colin27 ends in the fluid, often at the cortex."""
HIPPOCAMPI = ("hippocampus_l", "hippocampus_r")
TURNED = Deformation(2, turn=(-0.1, 0.05, -0.12), move=(-6, 3, -5), edges=(1, 1.1, 1.2))

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
    "**Not every mark is known to be reached yet**, so `mip imaging volumes --csv` writes nothing "
    "without `--unproven`: see below which cases are measured, and which marks they miss.",
    "",
)


@dataclass(frozen=True)
class Head:
    """The real head and its brain, the brain's tissues (1 to 3), labels, and their names."""

    head: Image
    brain: Image
    tissue: Image
    labels: Image
    names: dict[int, str]

    @property
    def nuclei(self) -> dict[int, float]:
        """The labels that count whole, and how bright they are drawn."""
        return nuclei_of(self.names)

    @property
    def anatomy(self) -> Anatomy:
        """What drawn heads are drawn from."""
        return Anatomy(self.head, self.tissue, self.labels, self.nuclei)


@dataclass(frozen=True)
class Case:
    """One scan to make and measure; drawn ones have a known truth for tissues as well."""

    name: str
    setting: SettingName
    laid: Deformation
    drawn: bool = False
    noise_seed: int = 1
    shrink: float = 0.0

    @property
    def key(self) -> str:
        return f"{self.name} {self.setting}"


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


CASES = (
    Case("real", SettingName.FAST, Deformation(1)),
    Case("drawn", SettingName.FAST, Deformation(2), drawn=True),
    Case("wilted", SettingName.FAST, Deformation(1), shrink=0.12),
    Case("retest", SettingName.FAST, TURNED, drawn=True, noise_seed=7),
    Case("real", SettingName.FULL, Deformation(1)),
    Case("wilted", SettingName.FULL, Deformation(1), shrink=0.12),
)


def nuclei_of(names: dict[int, str]) -> dict[int, float]:
    """The numbers of nuclei, and how far each is on the way from grey to white."""
    return {
        number: way
        for number, name in names.items()
        for nucleus, way in NUCLEI.items()
        if name.startswith(nucleus)
    }


def colin() -> Head:
    """Colin27 and the AAL labels, as Debian's mricron-data has them."""
    head, brain = read(COLIN / "ch2.nii.gz"), read(COLIN / "ch2bet.nii.gz")
    inside = brain.voxels > 0
    labels = np.where(inside, read(COLIN / "aal.nii.gz").voxels, 0)
    lines = [line.split() for line in (COLIN / "aal.nii.txt").read_text().splitlines()]
    names = {int(line[0]): line[1] for line in lines if len(line) > 1}
    even = corrected(brain, inside, 30).voxels
    tissue = segmented(even, inside, classes_of(even[inside])).argmax(axis=0) + 1.0
    around = widened(inside, brain.edges, FLUID_AROUND)
    tissue[~inside] = np.where(around, 1, 0)[~inside]
    tissue[np.isin(labels, list(nuclei_of(names)))] = 2
    return Head(
        head,
        brain,
        Image(tissue.astype(np.float32), head.affine),
        Image(labels.astype(np.float32), head.affine),
        names,
    )


def made(case: Case, head: Head) -> Scan:
    """The scan of a case, with noise of 3 % and a field of ± 20 %."""
    codes = {code_of(name): number for number, name in head.names.items()}
    laid = case.laid
    if case.shrink:
        wilting = tuple(Wilting.of(head.labels, codes[one], case.shrink) for one in HIPPOCAMPI)
        laid = replace(laid, wilting=wilting)
    scan = drawn(head.anatomy, laid) if case.drawn else deformed(head.head, head.labels, laid)
    return spoilt(scan, case.noise_seed, 0.03, 0.2)


def code_of(name: str) -> str:
    return name.lower()


def table(head: Head, path: Path, *, whole: bool) -> None:
    """The atlas' table; where tissues have no truth, all that is labelled counts."""
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["label", "code", "name", "part"])
        for number, name in head.names.items():
            part = "whole" if whole else "nucleus" if number in head.nuclei else "grey"
            lines.writerow([number, code_of(name), name, part])


def result(case: Case) -> Result:
    """Make, measure and compare one scan."""
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    head = colin()
    scan = made(case, head)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, image in (
            ("scan", scan.volume),
            ("brain", head.anatomy.painted if case.drawn else head.brain),
        ):
            write_volume(Volume(image.voxels, image.affine), folder / f"{label}.nii.gz")
        marked = Volume(head.labels.voxels.astype("<u2"), head.labels.affine)
        write_volume(marked, folder / "labels.nii.gz")
        table(head, folder / "regions.csv", whole=not case.drawn)
        sources = {
            graph.SCAN: folder / "scan.nii.gz",
            graph.TEMPLATE: folder / "brain.nii.gz",
            graph.LABELS: folder / "labels.nii.gz",
            graph.TABLE: folder / "regions.csv",
        }
        work = folder / "work"
        work.mkdir()
        # A process of its own: what the making of the scan needs does not count.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            cost = pool.submit(worked, case.setting, sources, work).result()
        return compared(head, scan, work / "measure", cost)


def worked(setting: SettingName, sources: dict[str, Path], work: Path) -> tuple[float, float]:
    """Measure a scan; the processor's seconds and the most gigabytes that it took."""
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    begun = time.process_time()
    carried_out(
        graph.graph_of(SETTINGS[setting], atlas=True), work, sources, tools(), lambda _: None
    )
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return time.process_time() - begun, most / 1e9


def compared(head: Head, scan: Scan, measured: Path, cost: tuple[float, float]) -> Result:
    """What was measured beside the truth."""
    found = json.loads((measured / graph.VOLUMES).read_text("utf-8"))
    there = load(measured / graph.MARKED).voxels.astype(int)
    truth = {}
    dice = {}
    for number, cm3 in scan.labels.items():
        code = code_of(head.names[number])
        truth[code] = scan.grey[number] if scan.grey else cm3
        mine, true = there == number, scan.marked == number
        dice[code] = 2 * float((mine & true).sum()) / float(mine.sum() + true.sum())
    if scan.tissue:
        fluid, grey, white = scan.tissue
        truth |= dict(zip(TOTALS, (fluid + grey + white, fluid, grey, white), strict=True))
    return Result(truth, found, dice, *cost)


def errors(one: Result, codes: list[str]) -> NDArray[np.float64]:
    """In per cent of the truth."""
    return np.array([100 * (one.found[code] / one.truth[code] - 1) for code in codes])


def written(results: dict[str, Result]) -> Iterator[str]:
    """The page, line by line, of the cases that were measured."""
    one, again = results.get("drawn fast"), results.get("retest fast")
    regions = list(next(iter(results.values())).dice)
    deep = [code for code in regions if code.startswith(tuple(n.lower() for n in NUCLEI))]
    yield from INTRODUCTION
    yield (
        "| scan | setting | median error | 90th percentile | deep: median | median signed error "
        "| Dice, median | processor, s | memory, GB |"
    )
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for key, found in results.items():
        wrong, of_deep = errors(found, regions), errors(found, deep)
        yield (
            f"| {key.replace(' ', ' | ')} | {np.median(abs(wrong)):.1f} % "
            f"| {np.percentile(abs(wrong), 90):.1f} % | {np.median(abs(of_deep)):.1f} % "
            f"| {np.median(wrong):+.1f} % | {np.median(list(found.dice.values())):.3f} "
            f"| {found.seconds:.0f} | {found.gigabytes:.1f} |"
        )
    yield "\nMarks: median at most 1.5 %, 90th percentile 5 %, deep 2 %, Dice 0.95."
    missing = [f"{case.key}" for case in CASES if case.key not in results]
    if missing:
        yield f"\nNot measured yet: {', '.join(missing)}."
    if one:
        yield "\n## Totals of a drawn head\n"
        yield "| total | truth, cm³ | measured | error |\n|---|---:|---:|---:|"
        for code, name in TOTALS.items():
            yield (
                f"| {name} | {one.truth[code]:.1f} | {one.found[code]:.1f} "
                f"| {errors(one, [code])[0]:+.1f} % |"
            )
        yield "\nMark: within 3 %."
    if one and again:
        before, after = (np.array([r.found[code] for code in regions]) for r in (one, again))
        apart = 200 * abs(before - after) / (before + after)
        yield (
            "\nThe same head measured again (other noise, turned, voxels of 1 × 1.1 × 1.2 mm) "
            f"differs by {np.median(apart):.1f} % in the median region, "
            f"{np.percentile(apart, 90):.1f} % in the 90th percentile; mark 1.5 % in the median."
        )
    yield from shrinking(results)
    yield "\n## Every region\n"
    yield f"| region | {' | '.join(results)} | Dice, {' | Dice, '.join(results)} |"
    yield "|---|" + "---:|" * (2 * len(results))
    for code in regions:
        told = [f"{errors(which, [code])[0]:+.1f} %" for which in results.values()]
        told += [f"{which.dice[code]:.3f}" for which in results.values()]
        yield f"| {code} | {' | '.join(told)} |"
    yield f"\nTools: {', '.join(f'{name} {number}' for name, number in tools().items())}."


def shrinking(results: dict[str, Result]) -> Iterator[str]:
    """How much of a hippocampus' loss is seen."""
    settings = [one for one in SettingName if {f"real {one}", f"wilted {one}"} <= set(results)]
    if not settings:
        return
    yield "\n## A hippocampus that shrinks\n"
    yield "| setting | hippocampus | true change | measured | slope |\n|---|---|---:|---:|---:|"
    for setting in settings:
        before, after = results[f"real {setting}"], results[f"wilted {setting}"]
        for code in HIPPOCAMPI:
            true = 100 * (after.truth[code] / before.truth[code] - 1)
            seen = 100 * (after.found[code] / before.found[code] - 1)
            yield f"| {setting} | {code} | {true:.1f} % | {seen:.1f} % | {seen / true:.3f} |"
    yield "\nMark: a slope of at least 0.95."


def kept() -> dict[str, Result]:
    """The results of the last run of each case."""
    if not RESULTS.exists():
        return {}
    told = json.loads(RESULTS.read_text("utf-8"))
    return {case.key: Result(**told[case.key]) for case in CASES if case.key in told}


def keep(case: Case, found: Result) -> None:
    """Keep a result, and write the page of all that there are."""
    RESULTS.write_text(
        json.dumps(
            {key: asdict(one) for key, one in (kept() | {case.key: found}).items()}, indent=1
        )
        + "\n",
        "utf-8",
    )
    PAGE.write_text("\n".join(written(kept())) + "\n", "utf-8")


def main() -> None:
    """Measure the cases that are named, else all, two at a time; each is kept as it is done."""
    if not COLIN.is_dir():
        sys.exit("It needs Debian's package mricron-data: apt-get install mricron-data")
    os.nice(19)
    cases = [case for case in CASES if not sys.argv[1:] or case.key in sys.argv[1:]]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn, max_tasks_per_child=1) as pool:
        for case, found in zip(cases, pool.map(result, cases), strict=True):
            keep(case, found)


if __name__ == "__main__":
    main()
