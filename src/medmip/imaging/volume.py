"""NIfTI volumes: read within bounds, judged, and written with nothing but voxels and axes."""

import gzip
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from medmip.imaging.errors import Unfit
from medmip.imaging.rules import Quality

MAXIMUM_VOXELS = 2**29
"""A volume of 512 slices of 1,024 × 1,024, four bytes each when read: 2 GiB."""
_UNREADABLE = (
    ImageFileError,
    HeaderDataError,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    ArithmeticError,
    MemoryError,
    zlib.error,
)


@dataclass(frozen=True)
class Volume:
    """voxels is (i, j, k), float32 or integer; affine is (4, 4), to millimetres, RAS+."""

    voxels: NDArray[np.generic]
    affine: NDArray[np.float64]

    @property
    def edges(self) -> tuple[float, float, float]:
        """The lengths of a voxel's edges, in millimetres."""
        first, second, third = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(first), float(second), float(third)


def read_volume(path: Path) -> Volume:
    """A 3D volume; raises Unfit where the file is damaged, 4D, empty, without place, or NaN."""
    try:
        if not path.stat().st_size:
            raise Unfit("The file is empty.")
        image = nib.Nifti1Image.from_filename(path)
        shape = tuple(image.shape)
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        _check_shape(shape)
        _check_place(image)
        slope = image.header.get_slope_inter()
        plain = slope[0] in (None, 1.0) and slope[1] in (None, 0.0)
        kept = image.get_data_dtype()
        voxels = np.asanyarray(image.dataobj).reshape(shape)
    except _UNREADABLE:
        raise Unfit("The file is truncated or corrupt: it cannot be read as NIfTI.") from None
    if not np.isfinite(voxels).all():
        raise Unfit("The volume holds values that are not numbers (NaN or infinite).")
    if voxels.min() == voxels.max():
        raise Unfit("The volume is empty: all voxels are the same.")
    whole = plain and kept in (np.dtype("u1"), np.dtype("<i2"), np.dtype("<u2"))
    return Volume(voxels if whole else voxels.astype(np.float32), np.array(image.affine))


def _check_shape(shape: tuple[int, ...]) -> None:
    if 0 in shape or len(shape) < 3:
        raise Unfit("The volume is of zero size, or flat.")
    if len(shape) > 3:
        raise Unfit("The volume is 4D: a series of volumes, not one.")
    if np.prod(shape, dtype=float) > MAXIMUM_VOXELS:
        raise Unfit(f"The volume has more than {MAXIMUM_VOXELS:,} voxels.")


def _check_place(image: nib.Nifti1Image) -> None:
    header = image.header
    if not int(header["sform_code"]) and not int(header["qform_code"]):
        raise Unfit("The volume does not tell left from right: it has neither sform nor qform.")
    _refuse_other_axes(header)
    affine = image.affine
    if affine is None or not np.isfinite(affine).all():
        raise Unfit("The axes of the volume are not told in numbers.")
    if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise Unfit("The axes of the volume lie in one plane.")


def _refuse_other_axes(header: nib.Nifti1Header) -> None:
    """Raises Unfit where a NIfTI file's sform and qform tell of other sides."""
    if not int(header["sform_code"]) or not int(header["qform_code"]):
        return
    directions = []
    for affine in (header.get_sform(), header.get_qform()):
        axes = np.asarray(affine, np.float64)[:3, :3]
        directions.append(axes / np.maximum(np.linalg.norm(axes, axis=0), 1e-12))
    if ((directions[0] * directions[1]).sum(axis=0) < 0).any():
        raise Unfit(
            "Its headers disagree on its sides: an axis of the sform runs against that of the "
            "qform.",
            remedy="Convert it anew from DICOM: left and right may be exchanged.",
        )


_NO_VOXEL = 10
"""So many times longer than may be is no scanner's voxel, but one in other units."""


def judge(volume: Volume, quality: Quality) -> tuple[str, ...]:
    """What is not good enough about a volume, a sentence each; none where all is."""
    edges, shape = np.array(volume.edges), np.array(volume.voxels.shape)
    extent = edges * shape
    found: list[str] = []
    if shape.min() < quality.slices_at_least:
        found.append(f"It has {shape.min()} slices, fewer than {quality.slices_at_least}.")
    if edges.max() > quality.voxel_at_most:
        unit = ": the unit may be wrong" if edges.max() > _NO_VOXEL * quality.voxel_at_most else ""
        found.append(
            f"Its voxels are {edges.max():.2f} mm long, over {quality.voxel_at_most} mm{unit}."
        )
    if edges.min() < quality.voxel_at_least:
        found.append(
            f"Its voxels are {edges.min():.2f} mm short, under {quality.voxel_at_least} mm: "
            "the unit may be wrong."
        )
    if edges.max() > quality.edges_ratio_at_most * edges.min():
        found.append(f"Its voxels are over {quality.edges_ratio_at_most} times longer than wide.")
    if extent.min() < quality.extent_at_least:
        found.append(f"It covers {extent.min():.0f} mm, under {quality.extent_at_least:.0f} mm.")
    if extent.max() > quality.extent_at_most:
        found.append(f"It covers {extent.max():.0f} mm, over {quality.extent_at_most:.0f} mm.")
    cosines = np.abs(volume.affine[:3, :3] / edges)
    tilt = float(np.degrees(np.arccos(np.clip(cosines.max(axis=0), 0, 1))).max())
    if tilt > quality.tilt_at_most:
        found.append(f"It is tilted by {tilt:.0f} degrees, over {quality.tilt_at_most:.0f}.")
    square = (volume.affine[:3, :3] / edges).T @ (volume.affine[:3, :3] / edges)
    if np.abs(square - np.eye(3)).max() > 0.01:
        found.append("Its axes are not at right angles: the scanner's gantry was tilted.")
    return tuple(found)


def write_volume(volume: Volume, path: Path) -> None:
    """Write a .nii.gz of voxels and axes: no text, no extension, no time, no name inside."""
    image = nib.Nifti1Image(volume.voxels, volume.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(volume.affine, code=1)
    image.set_qform(volume.affine, code=1)
    with path.open("xb") as file:
        with gzip.GzipFile("", "wb", compresslevel=4, fileobj=file, mtime=0) as packed:
            packed.write(image.to_bytes())
        file.flush()
        os.fsync(file.fileno())
