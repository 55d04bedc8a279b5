"""Accepted scans as BIDS derivatives: segmentations and volumes, never an image with a face.

Source: Brain Imaging Data Structure 1.10.0, Derivatives and Sessions file.
"""

import csv
import io
import json
import os
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

from medmip.catalogue.atomic_file import alone, sync_folder, sync_tree
from medmip.catalogue.home import Home
from medmip.errors import Conflict
from medmip.imaging.errors import ImagingError
from medmip.imaging.publication.accepted import Accepted, accepted_scans, alike, refuse_changed
from medmip.imaging.publication.columns import numbers_of
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.proof import refuse_unproven
from medmip.imaging.volumetry.record import LABELS
from medmip.imaging.volumetry.steps import hash_of
from medmip.privacy.guard import Access
from medmip.privacy.ledger import Ledger

_VERSION = "1.10.0"
_SCANS = "scans"
"""What file names in Sources call the hospital's own scans, which stay there."""
_QUALITY = {
    "snr": "White matter's mean over its width",
    "cnr": "Distance of white from grey matter over white matter's width",
    "likeness": "Correlation with the template after registration",
    "efc": "Entropy focus criterion of the scan, which rises with movement",
    "fber": "Mean energy of the head over that of the air, which falls with movement",
}
_README = """\
# Regional brain volumes

Segmentations and volumes of T1-weighted scans, measured by MIP inside the hospital. Only scans
are here that a person has looked at and accepted. The scans themselves are not: a face can be
made of them. Participants have the keyed pseudonyms of the hospital's datasets; each session is a
scan, and sessions have no dates, but the days since the participant's first.

`*_sessions.tsv` has the volumes, in cm3 of the scan's own space, and `sessions.json` what each
column means; `*_dseg.nii.gz` has the regions in that space. What it was made with, and from what,
stands in the JSON beside it. These are data of single persons: where they may go, the hospital's
rules say, and for the regions the atlas' licence.
"""


def export_bids(
    home: Home,
    folder: Path,
    ledger: Ledger,
    by: str,
    *,
    atlas: str | None = None,
    setting: SettingName | None = None,
    unproven: bool = False,
) -> int:
    """Write all accepted scans into a new folder, whole or not at all; how many there are.

    by is who asked, for the ledger. Raises Conflict where the folder is there already, scans were
    measured differently or reviewed meanwhile, or there is none; ImagingError where volumes are
    not proved or a file of labels was changed; OSError where the disk refuses.
    """
    refuse_unproven(allowed=unproven)
    shelf = Shelf(home)
    scans = alike(accepted_scans(shelf).accepted, atlas, setting)
    if not scans:
        raise Conflict(
            "No accepted scan is there to export.",
            remedy="`mip imaging review` shows how scans stand.",
        )
    folder = folder.absolute()
    _refuse_place(home, folder)
    with alone(folder.parent):
        _refuse_there(folder)
        for left in folder.parent.glob(f".{folder.name}.*.partial"):
            shutil.rmtree(left)
        aside = Path(
            tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent)
        )
        try:
            _write(aside, shelf, scans)
            sync_tree(aside)
            with alone(shelf.scans):
                refuse_changed(shelf, scans)
                _refuse_there(folder)
                ledger.record(
                    Access(user=by, experiment="", algorithm=""),
                    statistic="scan export",
                    verdict="released",
                    rule="",
                    reason=f"{len(scans)} accepted scans as BIDS derivatives",
                    suppressed=0,
                )
                os.rename(aside, folder)
            sync_folder(folder.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return len(scans)


def _refuse_place(home: Home, folder: Path) -> None:
    if not folder.parent.is_dir():
        raise ImagingError(
            "The folder to write into has no place to be.",
            where=str(folder),
            remedy="Make the folder above it first.",
        )
    if folder.resolve().is_relative_to(home.path.resolve()):
        raise ImagingError(
            "The folder to write into is in MIP's own home.",
            where=str(folder),
            remedy="Name one elsewhere.",
        )


def _refuse_there(folder: Path) -> None:
    if folder.exists() or folder.is_symlink():
        raise Conflict(
            "There is something of this name, and nothing is written over.",
            where=str(folder),
            remedy="Name a new folder.",
        )


def _write(root: Path, shelf: Shelf, scans: Sequence[Accepted]) -> None:
    people: dict[str, list[Accepted]] = defaultdict(list)
    for scan in scans:
        people[f"sub-{scan.record.patient}"].append(scan)
    _json(root / "dataset_description.json", _description(scans))
    (root / "README.md").write_text(_README, "utf-8")
    _table(root / "participants.tsv", ["participant_id"], [[name] for name in sorted(people)])
    told = {"participant_id": {"Description": "The patient's keyed pseudonym"}}
    _json(root / "participants.json", told)
    codes = _volumes(root, scans[0])
    for name, own in sorted(people.items()):
        place = root / name
        place.mkdir()
        rows = []
        for scan, days in _in_order(own):
            numbers = numbers_of(scan.volumes)
            rows.append([_session(scan), days, *(_number(numbers.get(code)) for code in codes)])
        _table(place / f"{name}_sessions.tsv", ["session_id", "days", *codes], rows)
        for scan in own:
            if scan.volumes.atlas is not None:
                _segmentation(place, shelf, scan, name)
    regions = [one for one in scans[0].volumes.volumes if one.label is not None]
    if regions:
        rows = [[str(one.label), one.name, one.code] for one in regions]
        _table(root / f"{_seg(scans[0])}_dseg.tsv", ["index", "name", "code"], rows)
        told = {
            "code": {"Description": "The common data element, a column of the tables of sessions"}
        }
        _json(root / f"{_seg(scans[0])}_dseg.json", told)


def _description(scans: Sequence[Accepted]) -> dict[str, object]:
    tools = sorted({item for scan in scans for item in scan.volumes.tools.items()})
    return {
        "Name": "Regional brain volumes",
        "BIDSVersion": _VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "MIP",
                "Version": version("medmip"),
                "Description": f"mip imaging measure, setting {scans[0].volumes.setting}",
            },
            *({"Name": name, "Version": number} for name, number in tools),
        ],
        "SourceDatasets": [{"URL": f"urn:mip:{_SCANS}"}],
        "DatasetLinks": {_SCANS: f"urn:mip:{_SCANS}"},
    }


def _segmentation(place: Path, shelf: Shelf, scan: Accepted, name: str) -> None:
    """The regions in the scan's space, with what they were made of and with."""
    labels = shelf.scans / scan.record.id / LABELS
    if hash_of(labels) != scan.volumes.labels:
        raise ImagingError(
            "The file of labels is not the one that was measured.",
            where=f"scan {scan.record.id}",
            remedy="Have the scan measured anew: mip imaging review … --redo",
        )
    session, record = _session(scan), scan.volumes
    folder = place / session / "anat"
    folder.mkdir(parents=True)
    stem = f"{name}_{session}_{_seg(scan)}_dseg"
    shutil.copyfile(labels, folder / f"{stem}.nii.gz")
    source = f"bids:{_SCANS}:{name}/{session}/anat/{name}_{session}_T1w.nii.gz"
    told = {
        "Description": "Regions of the brain in the scan's own space",
        "Sources": [source],
        "SpatialReference": source,
        "Manual": False,
        "MIP": {
            "Setting": record.setting,
            "Atlas": record.atlas.model_dump() if record.atlas else None,
            "Template": record.template,
            "Tools": record.tools,
            "Quality": record.quality.model_dump(exclude_none=True),
            "Measurement": scan.digest,
            "Labels": record.labels,
        },
    }
    _json(folder / f"{stem}.json", told)


def _volumes(root: Path, scan: Accepted) -> list[str]:
    """The codes of what was measured, which are the same for all scans, and what they mean."""
    since = "Days since the participant's first scan; n/a where the scan has no date"
    meaning: dict[str, object] = {"days": {"Description": since, "Units": "day"}}
    for one in scan.volumes.volumes:
        meaning[one.code] = {"Description": one.name, "Units": "cm^3"}
    meaning |= {code: {"Description": text} for code, text in _QUALITY.items()}
    _json(root / "sessions.json", meaning)
    return [code for code in meaning if code != "days"]


def _session(scan: Accepted) -> str:
    return f"ses-{_label(scan.record.id)}"


def _seg(scan: Accepted) -> str:
    return f"seg-{_label(scan.atlas or '')}"


def _label(text: str) -> str:
    """Letters and digits, of which alone BIDS makes a label."""
    return re.sub(r"[^A-Za-z0-9]", "", text)


def _in_order(scans: Sequence[Accepted]) -> list[tuple[Accepted, str]]:
    """A participant's scans, oldest first, with the days since the first; never a date.

    Dates that moved by different rules are not compared.
    """
    days = [date.fromisoformat(told) for scan in scans if (told := scan.record.acquired)]
    same_rule = len({scan.record.moved for scan in scans}) == 1
    found = []
    for scan in scans:
        told = scan.record.acquired
        dated = told is not None and same_rule
        since = str((date.fromisoformat(str(told)) - min(days)).days) if dated else "n/a"
        found.append((scan, since))
    return sorted(found, key=lambda one: (one[0].record.acquired or "", one[0].record.id))


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.6f}"


def _json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")


def _table(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    text = io.StringIO()
    lines = csv.writer(text, delimiter="\t", lineterminator="\n")
    lines.writerow(names)
    lines.writerows(rows)
    path.write_text(text.getvalue(), "utf-8")
