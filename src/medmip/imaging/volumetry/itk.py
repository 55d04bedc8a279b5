"""Between our images and those of ITK, whose axes run to left, back and top."""

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from medmip.imaging.volumetry.image import Image

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Between RAS+ of NIfTI and LPS+ of ITK."""


def to_itk(volume: Image, kind: type[np.generic] = np.float32) -> SimpleITK.Image:
    """As an image of ITK."""
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(volume.voxels.T.astype(kind)))
    axes = (_FLIP @ volume.affine)[:3]
    image.SetSpacing(volume.edges)
    image.SetDirection((axes[:, :3] / np.array(volume.edges)).ravel().tolist())
    image.SetOrigin(axes[:, 3].tolist())
    return image


def from_itk(image: SimpleITK.Image) -> NDArray[np.float32]:
    """The voxels of an image of ITK, (i, j, k)."""
    return np.ascontiguousarray(SimpleITK.GetArrayFromImage(image).T, dtype=np.float32)


def matrix_of(transform: SimpleITK.AffineTransform) -> NDArray[np.float64]:
    """An affine transform of ITK as a (4, 4) matrix between millimetres of RAS+."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    centre = np.array(transform.GetCenter())
    matrix[:3, 3] = np.array(transform.GetTranslation()) + centre - matrix[:3, :3] @ centre
    return np.asarray(_FLIP @ matrix @ _FLIP)
