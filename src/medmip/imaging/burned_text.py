"""Text that was burned into pixels, looked for: what is drawn at one place in most slices.

A console that burns a patient's name into images writes it at one place and in one brightness
into every slice. Of a head nothing is so: along any direction tissue begins, changes and ends, and
air is noise. So a column of voxels through the slices that has one bright value in more than half
of them is drawn; columns that fill a large patch, as of a bottle or of padding, are not.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medmip.imaging.volume import Volume

VERSION = 1
_BRIGHT = 0.1
"""Of the range from air to the brightest tissue: what is fainter nobody can read."""
_SAME = 0.02
"""Of that range: as much as lossy compression changes a stroke."""
_BROADEST = 9
"""Pixels of the broadest stroke."""
_STROKE = 4
"""Pixels of the smallest stroke."""
_HOLES = 3
"""Pixels from a column that is the same to one that belongs to its patch."""
_LEAST = 12
"""Pixels of all strokes together; a letter of the smallest font has more."""


def has_text(volume: Volume) -> bool:
    """Whether text, or anything else in thin strokes, is drawn into most slices of a volume.

    Slices are looked at along each of the three axes. Text that is in less than half of them, or
    that lies elsewhere in each, is not found.
    """
    voxels: NDArray[np.number] = np.asarray(volume.voxels)
    air, top = np.percentile(voxels[::2, ::2, ::2].astype(np.float32), [25, 99.9]).tolist()
    span = max(top - air, float(np.finfo(np.float32).tiny))
    return any(
        int(_strokes(voxels, axis, air, span).sum()) >= _LEAST for axis in range(voxels.ndim)
    )


def _strokes(voxels: NDArray[np.number], axis: int, air: float, span: float) -> NDArray[np.bool_]:
    """Where, in the plane across an axis, thin strokes of one brightness go through the slices."""
    slices = np.moveaxis(voxels, axis, 0)
    # What is the same in more than half of the slices is their median.
    usual = np.median(slices, axis=0)
    same = np.zeros(usual.shape, np.int64)
    for one in slices:
        same += np.abs(one - usual) <= _SAME * span
    drawn = (2 * same > len(slices)) & (usual - air > _BRIGHT * span)
    if not drawn.any():
        return np.zeros(usual.shape, np.bool_)
    # In a patch with noise some columns vary more, and are as bright all the same.
    away, nearest = ndimage.distance_transform_edt(~drawn, return_indices=True)
    alike = np.abs(usual - usual[tuple(nearest)]) <= 2 * _SAME * span
    square = np.ones((_BROADEST + 1, _BROADEST + 1), bool)
    whole = ndimage.binary_opening(alike & (away <= _HOLES), square)
    patches = ndimage.binary_dilation(whole, square)
    # Strokes hang together; columns of even tissue that are the same by chance do not.
    numbers, _ = ndimage.label(drawn & ~patches, np.ones((3, 3)))
    sizes = np.bincount(numbers.ravel())
    sizes[0] = 0
    return np.asarray(sizes[numbers] >= _STROKE, np.bool_)
