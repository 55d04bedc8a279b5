"""How much a head moved during a scan, as far as one volume tells: blurred edges, ghosts in air."""

import numpy as np
from numpy.typing import NDArray

_AIR_AT_LEAST = 1000
"""Voxels, below which nothing is said of air: some scanners empty it."""


def entropy_focus(voxels: NDArray[np.floating]) -> float:
    """The entropy focus criterion: 0 where one voxel has all energy, 1 where all have the same.

    Movement spreads what belongs to one place over others, by which it rises; so it does with
    noise. Voxels that are 0 are left out, so that an emptied face does not count. E = −Σ b ln b
    with b = |x| / √Σ x², over the most that so many voxels can have.
    Source: Atkinson et al., Automatic correction of motion artifacts in magnetic resonance images
    using an entropy focus criterion, IEEE TMI 16 (1997) 903; over its maximum as in MRIQC
    (Esteban et al., PLoS ONE 12 (2017) e0184661).
    """
    values = np.abs(voxels[voxels != 0]).astype(np.float64)
    if values.size < 2:
        return 0.0
    shares = values / np.sqrt((values**2).sum())
    most = np.sqrt(values.size) * np.log(np.sqrt(values.size))
    return float(-(shares * np.log(shares)).sum() / most)


def head_to_air(voxels: NDArray[np.floating], head: NDArray[np.bool_]) -> float | None:
    """The mean energy of a head over that of the air around it; None where no air was kept.

    Ghosts of a head that moved lie in the air, by which it falls; so it does with noise.
    Source: the foreground-background energy ratio of Shehzad et al., The Preprocessed Connectomes
    Project quality assessment protocol, Frontiers in Neuroscience (2015).
    """
    air = voxels[~head & (voxels != 0)].astype(np.float64)
    if air.size < _AIR_AT_LEAST or not head.any():
        return None
    return float((voxels[head].astype(np.float64) ** 2).mean() / (air**2).mean())
