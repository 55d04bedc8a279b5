"""A scan as a person looks at it: its grey values, and the labels and tissues that were found."""

import gzip
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray
from scipy import ndimage

from medmip.imaging.errors import NotShown, Unfit
from medmip.imaging.shelf import VOLUME
from medmip.imaging.volumetry.image import Image, coarsened, load, read, upright
from medmip.imaging.volumetry.record import LABELS, TISSUES

MOST_VOXELS = 2**26
"""256 slices of 512 × 512; a larger volume would need more than a GiB of the server to look at."""
_KEPT = 3
_BLACK, _BRIGHT = 1.0, 99.5
"""Percentiles of what is not empty that are shown as black and as white."""
_Told = TypeVar("_Told")
_AGAIN = "Bring the file back from a backup, or remove the scan's folder and add it again."
_ANEW = "Have the scan measured anew, by redo."
_UNREADABLE = (ImageFileError, OSError, EOFError, ValueError, KeyError, zlib.error)


class Plane(StrEnum):
    """How a slice lies in the head."""

    SAGITTAL = "sagittal"
    CORONAL = "coronal"
    AXIAL = "axial"

    @property
    def axis(self) -> int:
        """The axis across the plane, of volumes whose axes run to right, front and top."""
        return list(Plane).index(self)


@dataclass(frozen=True)
class View:
    """Volumes of one shape (i, j, k) whose axes run to right, front and top; edges in millimetres.

    labels and tissues are None where none were kept, or none were found.
    """

    grey: NDArray[np.uint8]
    labels: NDArray[np.uint16] | None
    tissues: NDArray[np.uint16] | None
    edges: tuple[float, float, float]

    @cached_property
    def middle(self) -> tuple[int, int, int]:
        """The voxel in the middle of what was outlined, else of the volume."""
        found = self.tissues if self.tissues is not None else self.labels
        if found is None:
            i, j, k = self.grey.shape
            return i // 2, j // 2, k // 2
        return _rounded(ndimage.center_of_mass(found > 0))

    @cached_property
    def places(self) -> dict[int, tuple[int, int, int]]:
        """A voxel of each label, that nearest to the label's middle."""
        if self.labels is None:
            return {}
        boxes: Sequence[tuple[slice, ...] | None] = ndimage.find_objects(
            self.labels.astype(np.int32)
        )
        return {
            label: _inside(self.labels, box, label)
            for label, box in enumerate(boxes, 1)
            if box is not None
        }


def brain_of(view: View) -> bytes:
    """The brain alone as packed NIfTI: what is outside it, the face included, is black.

    The header holds the size and the edges of voxels, and nothing else. Raises NotShown where
    nobody knows what is brain.
    """
    inside = view.tissues if view.tissues is not None else view.labels
    if inside is None:
        raise NotShown("Neither tissues nor labels were kept of the scan.", remedy=_ANEW)
    place = np.diag([*view.edges, 1.0])
    brain = nib.Nifti1Image(np.where(inside > 0, view.grey, 0).astype(np.uint8), place)
    brain.header.set_xyzt_units("mm")
    return gzip.compress(brain.to_bytes(), 3, mtime=0)


class Views:
    """The scans that were looked at last, in memory; one is read at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: OrderedDict[Path, tuple[tuple[int, ...], View]] = OrderedDict()

    def of(self, scan: Path) -> View:
        """The view of a scan, by its folder; raises as `view_of`."""
        with self._lock:
            stamp = _stamp(scan)
            known = self._views.get(scan)
            if known is None or known[0] != stamp:
                self._views.pop(scan, None)
                while len(self._views) >= _KEPT:
                    self._views.popitem(last=False)
                known = self._views[scan] = (stamp, view_of(scan))
            self._views.move_to_end(scan)
            return known[1]


def view_of(scan: Path) -> View:
    """What is seen of a scan, by its folder.

    Raises NotShown where its volume is missing, damaged or too large, or where labels or tissues
    are damaged or of another volume.
    """
    path = scan / VOLUME
    if not path.exists():
        raise NotShown("The scan has no volume.", remedy=_AGAIN)
    _check_size(path)
    try:
        volume = coarsened(upright(read(path)))
    except Unfit as error:
        raise NotShown(error.what, remedy=_AGAIN) from None
    return View(
        _shades(volume.voxels),
        _outlined(scan / LABELS, volume),
        _outlined(scan / TISSUES, volume),
        volume.edges,
    )


def _check_size(path: Path) -> None:
    shape = _read(lambda: nib.Nifti1Image.from_filename(path).shape, "The scan's volume", _AGAIN)
    if np.prod(shape, dtype=float) > MOST_VOXELS:
        raise NotShown(
            f"The scan has more than {MOST_VOXELS:,} voxels, too many to be shown here.",
            remedy="Look at it with another viewer, on the server itself.",
        )


def _shades(voxels: NDArray[np.float32]) -> NDArray[np.uint8]:
    shown = voxels[voxels > 0]
    low, high = np.percentile(shown if shown.size else voxels, [_BLACK, _BRIGHT])
    scaled = (voxels - low) * np.float32(255 / max(float(high - low), 1e-6))
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)


def _outlined(path: Path, volume: Image) -> NDArray[np.uint16] | None:
    if not path.exists():
        return None
    found = _read(lambda: load(path), f"The file {path.name} of the scan", _ANEW)
    same = found.voxels.shape == volume.voxels.shape
    if not same or not np.allclose(found.affine, volume.affine, atol=1e-3):
        raise NotShown(
            f"The file {path.name} of the scan is that of another volume.",
            remedy=_ANEW,
        )
    return found.voxels.astype(np.uint16) if found.voxels.any() else None


def _read(reading: Callable[[], _Told], what: str, remedy: str) -> _Told:
    try:
        return reading()
    except _UNREADABLE:
        raise NotShown(f"{what} is damaged.", remedy=remedy) from None


def _stamp(scan: Path) -> tuple[int, ...]:
    told: list[int] = []
    for name in (VOLUME, LABELS, TISSUES):
        try:
            found = (scan / name).stat()
        except FileNotFoundError:
            told.append(0)
        else:
            told += [found.st_ino, found.st_mtime_ns, found.st_size]
    return tuple(told)


def _rounded(place: tuple[float, ...]) -> tuple[int, int, int]:
    i, j, k = (int(part) for part in np.rint(place))
    return i, j, k


def _inside(labels: NDArray[np.uint16], box: tuple[slice, ...], label: int) -> tuple[int, int, int]:
    voxels = np.argwhere(labels[box] == label)
    nearest = voxels[np.square(voxels - voxels.mean(axis=0)).sum(axis=1).argmin()]
    return _rounded(tuple(nearest + [part.start for part in box]))
