"""Scans as a review finds them: the small invented head, its true labels, tissues and volumes."""

import gzip
from functools import cache

import nibabel as nib
import numpy as np

from medmip.catalogue.home import Home
from medmip.imaging.record import ScanRecord, Verdict
from medmip.imaging.shelf import VOLUME, Shelf
from medmip.imaging.volume import write_volume
from medmip.imaging.volumetry.atlas import AtlasRecord
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.record import (
    LABELS,
    TISSUES,
    VOLUMES,
    MeasuredVolume,
    Quality,
    VolumesRecord,
)
from medmip.imaging.volumetry.region import TOTALS
from medmip.imaging.volumetry.steps import StepRecord, hash_of
from tests.imaging.brain import TABLE, affine, axes, head, kinds

_TISSUE_OF_KIND = np.array([0, 0, 0, 1, 2, 3, 2, 1])
_REGIONS = [line.split(",") for line in TABLE.splitlines()[1:]]
ATLAS = AtlasRecord(name="small", sha256="a" * 64, regions=len(_REGIONS), template="b" * 64)


@cache
def drawn():
    """A noisy head, its volumes, and the kind and label of each voxel."""
    return *head(noise=2.0), *kinds(*axes())


def reviewable(home: Home, name: str, *, patient=None, change=None, atlas=True, seed=0, key="k"):
    """Keeps a scan that waits for its review; change multiplies volumes by code. Its folder."""
    volume, truth, kind, label = drawn()
    shelf = Shelf(home)
    record = ScanRecord(
        id=name,
        verdict=Verdict.TAKEN,
        rules="",
        source="NIfTI file",
        files=1,
        patient=patient or f"pseudonym-{name}",
        acquired="2020-02-03",
        shape=volume.voxels.shape,
        voxel=volume.edges,
    )
    with shelf.work() as work:
        shelf.put(record, work, lambda folder: write_volume(volume, folder / VOLUME))
    folder = shelf.scans / name
    if atlas:
        keep(label, folder / LABELS)
    keep(_TISSUE_OF_KIND[kind], folder / TISSUES)
    cm3 = {code: value * (change or {}).get(code, 1) for code, value in truth.items()}
    measured = VolumesRecord(
        scan=name,
        key=key,
        setting=SettingName.FAST,
        atlas=ATLAS if atlas else None,
        template="t",
        tools={"nibabel": "5"},
        volumes=volumes(cm3, atlas=atlas),
        quality=Quality(
            snr=20 + seed / 10,
            cnr=6 + seed / 20,
            likeness=0.95,
            efc=0.5 + seed / 1000,
            fber=400 + seed,
        ),
        steps=(step("correct", {}), step("segment", {"snr": 20.0, "cnr": 6.0})),
        labels=hash_of(folder / LABELS) if atlas else "",
        tissues=hash_of(folder / TISSUES),
    )
    (folder / VOLUMES).write_text(measured.model_dump_json())
    return folder


def volumes(cm3, *, atlas):
    totals = [MeasuredVolume(code=code, name=TOTALS[code], cm3=cm3[code]) for code in TOTALS]
    regions = [
        MeasuredVolume(code=code, name=name, cm3=cm3[code], label=int(label), part=part)
        for label, code, name, part in (_REGIONS if atlas else [])
    ]
    return (*totals, *regions)


def step(name, facts):
    return StepRecord(
        name=name, version=1, inputs="1" * 64, outputs="2" * 64, facts=facts, seconds=1.5
    )


def keep(voxels, path):
    image = nib.Nifti1Image(voxels.astype(np.uint16), affine())
    path.write_bytes(gzip.compress(image.to_bytes(), mtime=0))
