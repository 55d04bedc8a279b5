"""One scan of the shelf measured: its steps carried out, and the volumes kept beside it."""

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from medmip.catalogue.atomic_file import alone, replacing, write_atomically
from medmip.catalogue.home import Home
from medmip.imaging.errors import ImagingError, Unfit
from medmip.imaging.record import ScanRecord
from medmip.imaging.settings import imaging_settings
from medmip.imaging.shelf import VOLUME, Shelf
from medmip.imaging.space import MEGABYTE, refuse_short
from medmip.imaging.volumetry import graph
from medmip.imaging.volumetry.atlas import LABELS, TABLE, Atlas
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.face import Plane, beyond_cm3
from medmip.imaging.volumetry.faceless import remove_face
from medmip.imaging.volumetry.image import load
from medmip.imaging.volumetry.record import LABELS as MARKED
from medmip.imaging.volumetry.record import (
    TISSUES,
    VOLUMES,
    MeasuredVolume,
    Quality,
    VolumesRecord,
    kept,
)
from medmip.imaging.volumetry.region import TOTALS
from medmip.imaging.volumetry.requirements import shipped_template, tools
from medmip.imaging.volumetry.setting import SETTINGS
from medmip.imaging.volumetry.steps import DEFACE, Step, StepRecord, Told, carried_out, hash_of
from medmip.imaging.volumetry.tissue_map import tissue_map


def measure(
    home: Home,
    scan: str,
    atlas: Atlas | None,
    setting: SettingName,
    told: Callable[[Told], None],
) -> VolumesRecord:
    """Measure a scan that was taken, or go on where a killed run was; the same is not done twice.

    Raises Unfit where the scan cannot be measured, ImagingError where tools are missing, NoSpace
    where a step should not be begun, OSError where the disk refuses.
    """
    shelf = Shelf(home)
    place = shelf.scans / scan
    if not (place / VOLUME).exists():
        raise ImagingError("The scan's volume is not there.", remedy="Add the scan again.")
    versions = tools()
    sources = _sources(place, atlas)
    steps = graph.graph_of(SETTINGS[setting], atlas=atlas is not None)
    work = home.imaging / "measuring" / scan
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = imaging_settings(home)
    free = settings.measuring.free_megabytes * MEGABYTE
    with alone(work):
        if not settings.keep_faces:
            refuse_short(work, free)
            remove_face(shelf, scan, sources[graph.TEMPLATE], work, versions, told)
        # Only now: what is measured is the volume without its face.
        key = _key(steps, sources, versions)
        known = kept(place)
        if known is None or known.key != key:
            records = carried_out(steps, work, sources, versions, told, free=free)
            refuse_cut(shelf.record(scan), work / "register" / graph.INSIDE)
            _keep((work / "measure" / graph.MARKED).read_bytes(), place / MARKED)
            _keep(tissue_map(work / "segment" / graph.TISSUE), place / TISSUES)
            known = VolumesRecord(
                scan=scan,
                key=key,
                setting=setting,
                atlas=atlas.record if atlas else None,
                template=hash_of(sources[graph.TEMPLATE]),
                tools=versions,
                volumes=_volumes(work / "measure" / graph.VOLUMES, atlas),
                quality=_quality(records),
                steps=tuple(records),
                labels=hash_of(place / MARKED),
                tissues=hash_of(place / TISSUES),
            )
            content = known.model_dump_json(indent=2) + "\n"
            write_atomically(place / VOLUMES, content.encode())
        shutil.rmtree(work)
    return known


def deface(home: Home, scan: str, atlas: Atlas | None, told: Callable[[Told], None]) -> None:
    """Remove the face of a scan that was taken, and measure nothing; once for each scan.

    Raises ImagingError where faces are kept or tools are missing, Unfit where no head is found,
    OSError where the disk refuses.
    """
    shelf = Shelf(home)
    if not (shelf.scans / scan / VOLUME).exists():
        raise ImagingError("The scan's volume is not there.", remedy="Add the scan again.")
    if imaging_settings(home).keep_faces:
        raise ImagingError(
            "Faces are kept here.",
            where=home.configuration.name,
            remedy="Take keep_faces out of the section [imaging] to remove them.",
        )
    versions = tools()
    template = _sources(shelf.scans / scan, atlas)[graph.TEMPLATE]
    work = home.imaging / "measuring" / scan
    work.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(work):
        remove_face(shelf, scan, template, work, versions, told)
        shutil.rmtree(work / DEFACE, ignore_errors=True)
        # What a measurement of a scan with its face had done may be there.
        with suppress(OSError):
            work.rmdir()


def _sources(place: Path, atlas: Atlas | None) -> dict[str, Path]:
    own = atlas.template if atlas else None
    found = {graph.SCAN: place / VOLUME, graph.TEMPLATE: own or shipped_template()}
    if atlas is not None:
        found |= {graph.LABELS: atlas.folder / LABELS, graph.TABLE: atlas.folder / TABLE}
    return found


def _key(steps: Sequence[Step], sources: Mapping[str, Path], versions: Mapping[str, str]) -> str:
    told = {
        "steps": [[step.name, step.version, step.settings] for step in steps],
        "sources": {name: hash_of(path) for name, path in sources.items()},
        "tools": dict(versions),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def refuse_cut(record: ScanRecord, inside: Path) -> None:
    """Raises Unfit where the brain, found more finely by now, reaches to where the face was."""
    if record.faces is None:
        return
    plane = Plane(np.array(record.faces.normal), record.faces.distance)
    cm3 = beyond_cm3(load(inside), plane)
    if cm3:
        raise Unfit(
            f"The brain reaches {cm3:.1f} cm³ into where the face was removed, and may be cut.",
            remedy=f"Remove the folder imaging/scans/{record.id}, set keep_faces in the section "
            "[imaging] of mip.toml, and add the scan again.",
        )


def _keep(volume: bytes, place: Path) -> None:
    with replacing(place) as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        packed.write(volume)


def _volumes(path: Path, atlas: Atlas | None) -> tuple[MeasuredVolume, ...]:
    found = json.loads(path.read_text("utf-8"))
    regions = atlas.regions if atlas else ()
    return (
        *(MeasuredVolume(code=code, name=TOTALS[code], cm3=found[code]) for code in TOTALS),
        *(
            MeasuredVolume(
                code=one.code, name=one.name, cm3=found[one.code], label=one.label, part=one.part
            )
            for one in regions
        ),
    )


def _quality(records: Sequence[StepRecord]) -> Quality:
    facts = {name: value for record in records for name, value in record.facts.items()}
    return Quality.model_validate({name: facts.get(name) for name in Quality.model_fields})
