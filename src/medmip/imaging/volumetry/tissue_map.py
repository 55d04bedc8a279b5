"""Which tissue prevails in each voxel, for people who look; volumes are counted by fractions."""

from enum import IntEnum
from pathlib import Path

import nibabel as nib
import numpy as np

from medmip.imaging.volumetry.image import load


class TissueLabel(IntEnum):
    """The number of a tissue in the map; 0 is outside the brain."""

    FLUID = 1
    GREY = 2
    WHITE = 3


def tissue_map(fractions: Path) -> bytes:
    """A NIfTI volume of `TissueLabel`, from the fractions (i, j, k, 3) that `segment` wrote."""
    image = load(fractions)
    prevailing = image.voxels.argmax(axis=-1).astype(np.uint8) + np.uint8(1)
    prevailing[~image.voxels.any(axis=-1)] = 0
    written = nib.Nifti1Image(prevailing, image.affine)
    written.header.set_xyzt_units("mm", "sec")
    return bytes(written.to_bytes())
