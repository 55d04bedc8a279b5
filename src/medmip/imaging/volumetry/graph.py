"""The steps from a scan to volumes: inspect, correct, extract, register, segment, measure."""

import json
from dataclasses import asdict

import numpy as np

from medmip.imaging.errors import Unfit
from medmip.imaging.volumetry.align import MARGIN, Places, warped
from medmip.imaging.volumetry.correct import corrected, head
from medmip.imaging.volumetry.extract import extracted, likeness
from medmip.imaging.volumetry.image import (
    Image,
    coarsened,
    load,
    points_of,
    read,
    sampled,
    save,
    upright,
    widened,
)
from medmip.imaging.volumetry.measure import LabelMap, Tissue, measured
from medmip.imaging.volumetry.motion import entropy_focus, head_to_air
from medmip.imaging.volumetry.region import regions_of
from medmip.imaging.volumetry.setting import Setting
from medmip.imaging.volumetry.steps import Facts, Given, Step
from medmip.imaging.volumetry.tissue import classes_of, segmented

SCAN, TEMPLATE, LABELS, TABLE = "scan", "template", "labels", "table"
CORRECTED, INSIDE, AFFINE = "corrected.nii", "inside.nii", "affine.json"
PLACES, TISSUE, MEANS, MARKED = "places.nii", "tissue.nii", "means.json", "marked.nii"
VOLUMES = "volumes.json"
BRAINS = (500.0, 2600.0)
"""Intracranial volumes, in cm³, beyond which no head of a person is."""
LIKE_AT_LEAST = 0.5
"""The correlation with the template below which a registration has failed."""
_RIM = 4.0
"""Millimetres about the brain that was found first, within which its final border may lie."""


def graph_of(setting: Setting, *, atlas: bool) -> tuple[Step, ...]:
    """The steps by a setting; without an atlas the totals alone are measured."""

    def inspect(given: Given) -> Facts:
        scan = read(given.sources[SCAN])
        air = head_to_air(scan.voxels, head(scan))
        return {"efc": entropy_focus(scan.voxels)} | ({} if air is None else {"fber": air})

    def correct(given: Given) -> Facts:
        scan = coarsened(upright(read(given.sources[SCAN])))
        save(corrected(scan, head(scan), setting.rounds), given.folder / CORRECTED)
        return {}

    def extract(given: Given) -> Facts:
        scan = load(given.needed["correct"] / CORRECTED)
        brain = extracted(scan, read(given.sources[TEMPLATE]), setting.extract)
        cm3 = brain.inside.sum() * np.prod(scan.edges) / 1000
        if not BRAINS[0] <= cm3 <= BRAINS[1]:
            raise _no_brain(f"a brain of {cm3:.0f} cm³ would be in it")
        save(Image(brain.inside.astype(np.float32), scan.affine), given.folder / INSIDE, np.uint8)
        (given.folder / AFFINE).write_text(json.dumps(brain.to_scan.tolist()), "utf-8")
        return {"first_intracranial_cm3": cm3}

    def register(given: Given) -> Facts:
        scan = load(given.needed["correct"] / CORRECTED)
        first = load(given.needed["extract"] / INSIDE)
        to_scan = np.array(json.loads((given.needed["extract"] / AFFINE).read_text("utf-8")))
        template = read(given.sources[TEMPLATE])
        wide = widened(first.voxels > 0, scan.edges, _RIM)
        places = warped(scan, template, first.voxels > 0, to_scan, setting.register)
        near = places.of(points_of(scan.affine, np.argwhere(wide)))
        mask = Image((template.voxels > 0).astype(np.float32), template.affine)
        within = sampled(mask, near) > 0.5
        inside = np.zeros(scan.voxels.shape, np.float32)
        inside[wide] = within
        alike = likeness(scan, inside > 0, template, near[within])
        if not alike >= LIKE_AT_LEAST:
            raise _no_brain(f"it is like the template by {alike:.2f}")
        save(Image(places.places, places.affine), given.folder / PLACES)
        save(Image(inside, scan.affine), given.folder / INSIDE, np.uint8)
        return {"likeness": alike}

    def segment(given: Given) -> Facts:
        scan = load(given.needed["correct"] / CORRECTED)
        inside = load(given.needed["register"] / INSIDE).voxels > 0
        even = corrected(scan, inside, setting.rounds)
        classes = classes_of(even.voxels[inside])
        if not classes.are_apart:
            raise Unfit(
                "Grey and white matter cannot be told apart: the scan has too little contrast, or "
                "does not show a head."
            )
        tissue = segmented(even.voxels, inside, classes)
        save(Image(np.moveaxis(tissue, 0, -1), scan.affine), given.folder / TISSUE)
        fluid, grey, white = (float(mean) for mean in classes.means)
        noise = float(classes.widths[2])
        (given.folder / MEANS).write_text(json.dumps([fluid, grey, white]), "utf-8")
        return {
            "fluid_mean": fluid,
            "grey_mean": grey,
            "white_mean": white,
            "noise": noise,
            "snr": white / noise,
            "cnr": (white - grey) / noise,
        }

    def measure(given: Given) -> Facts:
        tissue = load(given.needed["segment"] / TISSUE)
        inside = load(given.needed["register"] / INSIDE).voxels > 0
        labels = None
        if atlas:
            kept = load(given.needed["register"] / PLACES)
            labels = LabelMap(
                read(given.sources[LABELS]),
                regions_of(given.sources[TABLE]),
                Places(kept.voxels, kept.affine),
            )
        means = json.loads((given.needed["segment"] / MEANS).read_text("utf-8"))
        found = measured(Tissue(tissue, np.array(means)), inside, labels)
        (given.folder / VOLUMES).write_text(json.dumps(found.cm3), "utf-8")
        save(Image(found.marked, tissue.affine), given.folder / MARKED, np.uint16)
        return {}

    def described(*parts: object) -> dict[str, object]:
        return {"parts": parts, "margin": MARGIN}

    return (
        Step("inspect", 1, inspect, (SCAN,)),
        Step("correct", 1, correct, (SCAN,), (), described(setting.rounds)),
        Step("extract", 3, extract, (TEMPLATE,), ("correct",), described(asdict(setting.extract))),
        Step(
            "register",
            3,
            register,
            (TEMPLATE,),
            ("correct", "extract"),
            described(asdict(setting.register), _RIM),
        ),
        Step("segment", 1, segment, (), ("correct", "register"), described(setting.rounds)),
        Step(
            "measure",
            2,
            measure,
            (LABELS, TABLE) if atlas else (),
            ("register", "segment"),
            described(atlas),
        ),
    )


def _no_brain(why: str) -> Unfit:
    return Unfit(
        f"The scan does not look like a head: {why}.",
        remedy="Look at it: it may show another part of the body, or its axes may be told wrong.",
    )
