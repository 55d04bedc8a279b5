"""`make validate-imaging`: volumes of synthetic heads against their truth, to a page of docs."""

import csv
import hashlib
import json
import multiprocessing
import os
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK

import medmip.imaging.shipped
from benchmarks.imaging_page import HIPPOCAMPI, NUCLEI, Result, missed, written
from benchmarks.synthetic_heads import Anatomy, Deformation, Scan, Wilting, deformed, drawn, spoilt
from medmip.catalogue.atomic_file import alone, write_atomically
from medmip.imaging.volume import Volume, write_volume
from medmip.imaging.volumetry import graph
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.correct import corrected
from medmip.imaging.volumetry.image import Image, load, read, save, widened
from medmip.imaging.volumetry.proof import MARKS, Proof
from medmip.imaging.volumetry.region import TOTALS, regions_of
from medmip.imaging.volumetry.requirements import tools
from medmip.imaging.volumetry.setting import SETTINGS
from medmip.imaging.volumetry.steps import Step, Told, carried_out, hash_of
from medmip.imaging.volumetry.tissue import classes_of, segmented

RESULTS = Path(__file__).parent / "imaging_results"
"""A file for each case."""
WORK = Path(__file__).parent.parent / ".artefacts" / "validate-imaging"
"""Scans and the steps of those that are being measured."""
HEADS = Path(__file__).parent / "synthetic_heads.py"
MARKED = "marked.nii"
PROOF = Path(medmip.imaging.shipped.__file__).parent / MARKS
"""What the gate of `mip imaging` goes by."""
PAGE = Path(__file__).parent.parent / "docs" / "imaging-validation.md"
COLIN = Path("/usr/share/mricron/templates")
FLUID_AROUND = 3.0
"""Millimetres: the brain that comes with Colin27 ends in the fluid, often at the cortex."""
TURNED = Deformation(2, turn=(-0.1, 0.05, -0.12), move=(-6, 3, -5), edges=(1, 1.1, 1.2))


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


def prepared(case: Case) -> Path:
    """The folder of a case's scan, atlas and truth, made once for all settings.

    truth.json has the volumes in cm³ by code, marked.nii the label of each voxel.
    """
    folder = WORK / case.name
    folder.mkdir(parents=True, exist_ok=True)
    told = f"{hash_of(HEADS)} {case.laid} {case.drawn} {case.noise_seed} {case.shrink}"
    with alone(folder):
        if (folder / "made").exists() and (folder / "made").read_text("utf-8") == told:
            return folder
        head = colin()
        scan = made(case, head)
        for label, image in (
            ("scan", scan.volume),
            ("brain", head.anatomy.painted if case.drawn else head.brain),
        ):
            write_volume(Volume(image.voxels, image.affine), folder / f"{label}.nii.gz")
        marked = Volume(head.labels.voxels.astype("<u2"), head.labels.affine)
        write_volume(marked, folder / "labels.nii.gz")
        table(head, folder / "regions.csv", whole=not case.drawn)
        save(Image(scan.marked.astype(np.float32), scan.volume.affine), folder / MARKED, np.uint16)
        write_atomically(folder / "truth.json", json.dumps(truth(head, scan)).encode())
        write_atomically(folder / "made", told.encode())
    return folder


def truth(head: Head, scan: Scan) -> dict[str, float]:
    """The true volumes by code, in cm³, of regions and, where they are known, of totals."""
    labels = scan.grey or scan.labels
    found = {code_of(head.names[number]): labels[number] for number in scan.labels}
    if scan.tissue:
        fluid, grey, white = scan.tissue
        found |= dict(zip(TOTALS, (fluid + grey + white, fluid, grey, white), strict=True))
    return found


def result(case: Case) -> Result:
    """Make, measure and compare one scan; what was done before a stop is not repeated."""
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    folder = prepared(case)
    work = folder / case.setting
    work.mkdir(exist_ok=True)
    # A process of its own: what the making of the scan needs does not count.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        cost = pool.submit(worked, case.setting, folder, work).result()
    return compared(folder, work / "measure", cost)


def worked(setting: SettingName, folder: Path, work: Path) -> tuple[float, float]:
    """Measure a scan; the processor's seconds and the most gigabytes that it took."""
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    sources = {
        graph.SCAN: folder / "scan.nii.gz",
        graph.TEMPLATE: folder / "brain.nii.gz",
        graph.LABELS: folder / "labels.nii.gz",
        graph.TABLE: folder / "regions.csv",
    }
    spent = work / "spent.json"
    costs = json.loads(spent.read_text("utf-8")) if spent.exists() else {}
    begun = time.process_time()

    def told(one: Told) -> None:
        nonlocal begun
        if one.record is not None and one.anew:
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            costs[one.name] = (time.process_time() - begun, most / 1e9)
            write_atomically(spent, json.dumps(costs).encode())
        begun = time.process_time()

    carried_out(graph.graph_of(SETTINGS[setting], atlas=True), work, sources, tools(), told)
    seconds, gigabytes = zip(*costs.values(), strict=True)
    return sum(seconds), max(gigabytes)


def compared(folder: Path, measured: Path, cost: tuple[float, float]) -> Result:
    """What was measured beside the truth."""
    truth = json.loads((folder / "truth.json").read_text("utf-8"))
    found = json.loads((measured / graph.VOLUMES).read_text("utf-8"))
    there = load(measured / graph.MARKED).voxels.astype(int)
    true = load(folder / MARKED).voxels.astype(int)
    dice = {}
    for region in regions_of(folder / "regions.csv"):
        if region.code in truth:
            mine, its = there == region.label, true == region.label
            dice[region.code] = 2 * float((mine & its).sum()) / float(mine.sum() + its.sum())
    return Result(truth, found, dice, *cost)


def needed(step: Step, every: Sequence[Step]) -> set[str]:
    """The names of the steps that a step rests on, by itself or by others."""
    earlier = {one.name: one for one in every}
    return set(step.needs).union(*(needed(earlier[name], every) for name in step.needs))


def fingerprint(case: Case) -> str:
    """What a result depends on besides the heads: the case, steps, their settings and tools."""
    every = graph.graph_of(SETTINGS[case.setting], atlas=True)
    volumes = next(step for step in every if step.name == "measure")
    steps = [step for step in every if step is volumes or step.name in needed(volumes, every)]
    told = {
        "case": asdict(case),
        "steps": [[step.name, step.version, step.settings] for step in steps],
        "tools": tools(),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def kept() -> dict[str, Result]:
    """The results of the cases that were measured as they would be now, by key."""
    found = {}
    for case in CASES:
        place = RESULTS / f"{case.key.replace(' ', '-')}.json"
        if place.exists():
            told = json.loads(place.read_text("utf-8"))
            if told.pop("fingerprint") == fingerprint(case):
                found[case.key] = Result(**told)
    return found


def keep(case: Case, found: Result) -> None:
    """Keep a result in a file of its own, whole or not at all."""
    RESULTS.mkdir(exist_ok=True)
    content = json.dumps({"fingerprint": fingerprint(case)} | asdict(found), indent=1) + "\n"
    write_atomically(RESULTS / f"{case.key.replace(' ', '-')}.json", content.encode())
    shutil.rmtree(WORK / case.name / case.setting)


def page() -> str:
    """The page of all that is kept."""
    return "\n".join(written(kept(), [case.key for case in CASES], tools())) + "\n"


def proof() -> Proof:
    """Which marks are missed by what is kept, as the steps are now."""
    return Proof(missed=tuple(missed(kept(), [case.key for case in CASES])))


def main() -> None:
    """Measure the cases that are named, else those that are not kept; write the page and the
    proof that is shipped.

    Two at a time; each is kept as soon as it is done, and so is each step of one that is not, so
    that a run that was stopped goes on where it was.
    """
    named = set(sys.argv[1:])
    unknown = named - {case.key for case in CASES}
    if unknown:
        sys.exit(f"No case: {', '.join(unknown)}. There are {[case.key for case in CASES]}.")
    os.nice(19)
    there = kept()
    cases = [case for case in CASES if (case.key in named if named else case.key not in there)]
    if cases and not COLIN.is_dir():
        sys.exit("It needs Debian's package mricron-data: apt-get install mricron-data")
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn, max_tasks_per_child=1) as pool:
        begun = {pool.submit(result, case): case for case in cases}
        for done in as_completed(begun):
            keep(begun[done], done.result())
            PAGE.write_text(page(), "utf-8")
            print(f"{begun[done].key}: measured", flush=True)
    PAGE.write_text(page(), "utf-8")
    found = proof()
    write_atomically(PROOF, (found.model_dump_json(indent=1) + "\n").encode())
    for one in found.missed:
        print(one)


if __name__ == "__main__":
    main()
