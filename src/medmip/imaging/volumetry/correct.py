"""The field that the coil adds to a scan, estimated and divided out by N4."""

import math

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from medmip.imaging.volumetry.image import Image
from medmip.imaging.volumetry.itk import from_itk, to_itk

_SHRUNK_EDGE = 6.0
"""Millimetres: a coil's field is far smoother."""


def corrected(scan: Image, inside: NDArray[np.bool_], rounds: int) -> Image:
    """A scan without its bias field; inside are the voxels that the field is told by.

    The median inside becomes 100, whatever the scanner's units. rounds is the number of
    iterations on each of four levels.
    Source: Tustison et al., N4ITK, IEEE TMI 29 (2010) 1310, as in SimpleITK.
    """
    image = to_itk(scan)
    mask = to_itk(Image(inside.astype(np.float32), scan.affine), np.uint8)
    shrink = [math.ceil(_SHRUNK_EDGE / edge) for edge in scan.edges]
    n4 = SimpleITK.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations([rounds] * 4)
    n4.SetConvergenceThreshold(1e-4)
    n4.Execute(SimpleITK.Shrink(image, shrink), SimpleITK.Shrink(mask, shrink))
    field = np.exp(from_itk(n4.GetLogBiasFieldAsImage(image)))
    voxels = scan.voxels / field
    return Image((voxels * (100 / np.median(voxels[inside]))).astype(np.float32), scan.affine)


def head(scan: Image) -> NDArray[np.bool_]:
    """What is not air, by Otsu's threshold over a smoothed scan."""
    image = SimpleITK.SmoothingRecursiveGaussian(to_itk(scan), 2.0)
    return np.asarray(from_itk(SimpleITK.OtsuThreshold(image, 0, 1)) > 0)
