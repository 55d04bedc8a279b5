"""Left and right, front and back, top and bottom: whether all that tells of them agrees.

Nobody can see in a brain that it is mirrored, so what tells of its sides is compared: the slices'
directions with the letters beside them, and the slices with the volume that was made of them.
`volume` compares the two sets of axes of a NIfTI file.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from medmip.imaging.errors import Unfit
from medmip.imaging.slice_file import SliceFile
from medmip.imaging.volume import Volume

_TO_RAS = np.diag([-1.0, -1.0, 1.0])
"""DICOM's axes run to left, back and top (PS3.3, C.7.6.2), NIfTI's to right, front and top."""
_LETTERS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "H": (2, 1), "F": (2, -1)}
"""Axis and sense of the letters of Patient Orientation (PS3.3, C.7.6.1.1.1)."""
_SURELY = 0.3
"""The cosine from which a direction surely runs along an axis."""
_OFF = 0.25
"""Of a voxel: how far a pixel may lie from the middle of its voxel."""
_ALIKE = 0.999
"""The least correlation of a slice with the voxels where it lies, which hold the same numbers."""
_EXPORT = (
    "Left and right may be exchanged: export it anew, from where it came first, and add it with "
    "--again."
)


def refuse_other_letters(slices: Sequence[SliceFile]) -> None:
    """Raises Unfit where letters, as R and L at an image's edges, and directions do not agree."""
    for one in slices:
        for letters, direction in zip(
            one.letters, (one.orientation[:3], one.orientation[3:]), strict=False
        ):
            known = _LETTERS.get(letters[:1])
            if known is None:
                continue
            axis, sense = known
            # The first letter names the axis that a direction is nearest to.
            if direction[axis] * sense < -_SURELY:
                raise Unfit(
                    "Its headers disagree on its sides: the letters of its images and the "
                    "directions of their rows and columns are opposite.",
                    remedy=_EXPORT,
                )


def stored_pixels(image: Dataset, *, compressed: bool) -> NDArray[np.number] | None:
    """The numbers (rows, columns) of an image in plain little-endian pixels; else None."""
    kinds = {(8, 0): "u1", (8, 1): "i1", (16, 0): "<u2", (16, 1): "<i2"}
    kind = kinds.get((int(image.BitsAllocated), int(image.PixelRepresentation)))
    if compressed or kind is None:
        return None
    count = int(image.Rows) * int(image.Columns)
    numbers = np.frombuffer(image.PixelData, kind, count)
    return np.asarray(numbers.reshape(int(image.Rows), int(image.Columns)))


def refuse_other_place(
    volume: Volume, pixels: Sequence[tuple[SliceFile, NDArray[np.number] | None]]
) -> None:
    """Raises Unfit where slices do not lie in a volume where their headers say.

    pixels (rows, columns) are None where they are compressed; then their place alone is compared.
    """
    back = np.linalg.inv(volume.affine)
    for one, values in pixels:
        rows, columns = np.indices(one.shape)
        across, down = np.array(one.orientation[:3]), np.array(one.orientation[3:])
        points = (
            np.array(one.position)
            + columns[..., None] * one.pixel_spacing[1] * across
            + rows[..., None] * one.pixel_spacing[0] * down
        ) @ _TO_RAS
        places = points @ back[:3, :3].T + back[:3, 3]
        nearest = np.rint(places).astype(int)
        outside = (nearest < 0).any() or (nearest >= volume.voxels.shape).any()
        if outside or np.abs(places - nearest).max() > _OFF:
            raise _misplaced()
        if values is None or values.min() == values.max():
            continue
        there = volume.voxels[tuple(np.moveaxis(nearest, -1, 0))].astype(np.float64)
        alike = np.corrcoef(there.ravel(), values.astype(np.float64).ravel())[0, 1]
        # A picture whose dark is told as bright may be turned into the usual.
        if not abs(alike) >= _ALIKE:
            raise _misplaced()


def _misplaced() -> Unfit:
    return Unfit(
        "The converted volume and its slices disagree on where they lie; left and right may be "
        "exchanged.",
        remedy="Export the scan as uncompressed DICOM and add that; report it, with the version of "
        "dcm2niix.",
    )
