"""A small invented head of 5 mm voxels: skull, fluid, cortex, white matter, ventricles, nuclei."""

import numpy as np

from medmip.imaging.volume import Volume, write_volume

EDGE = 5.0
SHAPE = (38, 44, 36)
FLUID, GREY, WHITE, NUCLEI, SCALP, BONE = 30.0, 70.0, 100.0, 80.0, 120.0, 8.0
TABLE = (
    "label,code,name,part\n"
    "1,left_cortex,Left cortex,grey\n2,right_cortex,Right cortex,grey\n"
    "3,left_white,Left white matter,white\n4,right_white,Right white matter,white\n"
    "5,left_nucleus,Left nucleus,nucleus\n6,right_nucleus,Right nucleus,nucleus\n"
    "7,ventricles,Ventricles,fluid\n"
)
_FINE = 4


def axes(shape=SHAPE, fine=1):
    """Millimetres to the right, front and top of the middle, of points that divide each voxel."""
    places = [(np.arange(n * fine) + 0.5) / fine - n / 2 for n in shape]
    return np.meshgrid(*(place * EDGE for place in places), indexing="ij")


def affine(shape=SHAPE):
    found = np.diag([EDGE, EDGE, EDGE, 1.0])
    found[:3, 3] = [-(n - 1) / 2 * EDGE for n in shape]
    return found


def kinds(x, y, z, *, shrink=1.0):
    """0 air, 1 bone, 2 scalp, 3 fluid, 4 grey, 5 white, 6 nucleus, 7 ventricle, and the label.

    shrink is the nuclei's size along each axis.
    """
    lobes = 1 + 0.05 * np.cos(5 * np.arctan2(y, x + 1e-9)) + 0.04 * np.sin(0.12 * z)
    radius = np.sqrt((x / 66) ** 2 + ((y + 0.1 * z) / 82) ** 2 + (z / 62) ** 2)
    cortex = radius * lobes
    kind = np.zeros(x.shape, np.uint8)
    for number, border in ((2, 1.26), (1, 1.16), (3, 1.08)):
        kind[radius < border] = number
    kind[cortex < 0.99] = 4
    kind[cortex < 0.76] = 5
    for side in (-1, 1):
        away = ((x - side * 26) / 13) ** 2 + ((y - 12) / 19) ** 2 + ((z - 2) / 14) ** 2
        kind[away < shrink**2] = 6
        away = ((x - side * 10) / 9) ** 2 + ((y + 8) / 26) ** 2 + ((z - 14) / 9) ** 2
        kind[away < 1] = 7
    right = x > 0
    label = np.select(
        [kind == 4, kind == 5, kind == 6, kind == 7], [1 + right, 3 + right, 5 + right, 7], 0
    )
    return kind, label.astype(np.uint16)


VALUES = np.array([0, BONE, SCALP, FLUID, GREY, WHITE, NUCLEI, FLUID])


def meaned(values):
    shape = [part for n in values.shape for part in (n // _FINE, _FINE)]
    return values.reshape(shape).mean(axis=(1, 3, 5))


def head(*, noise=0.0, bias=0.0, seed=0, bend=0.0, shrink=1.0):
    """A scan, and the true volumes in cm³ by the codes of the table and of the totals."""
    x, y, z = axes(fine=_FINE)
    u = x + bend * np.sin(y / 40), y + bend * np.cos(z / 35), z + bend * np.sin(x / 45)
    kind, label = kinds(*u, shrink=shrink)
    voxels = meaned(VALUES[kind])
    unit = (EDGE / _FINE) ** 3 / 1000
    names = [line.split(",")[1] for line in TABLE.splitlines()[1:]]
    truth = {name: float((label == number).sum() * unit) for number, name in enumerate(names, 1)}
    truth |= {
        "tiv": float((kind > 2).sum() * unit),
        "csfglobal": float(np.isin(kind, [3, 7]).sum() * unit),
        "greymattertotal": float(np.isin(kind, [4, 6]).sum() * unit),
        "whitemattertotal": float((kind == 5).sum() * unit),
    }
    random = np.random.default_rng(seed)
    x, y, z = axes()
    voxels = voxels * (1 + bias * np.sin(x / 60 + y / 90 + z / 70))
    if noise:
        voxels = np.hypot(voxels + random.normal(0, noise, SHAPE), random.normal(0, noise, SHAPE))
    return Volume((voxels * 7).astype(np.float32), affine()), truth


def template():
    """The brain without its skull, and its labels."""
    kind, _ = kinds(*axes(fine=_FINE))
    inside, label = kinds(*axes())
    voxels = meaned(np.where(kind > 2, VALUES[kind], 0))
    return (
        Volume(np.where(inside > 2, voxels, 0).astype(np.float32), affine()),
        Volume(label, affine()),
    )


def write_atlas(folder):
    """Files of an atlas; returns labels, table and template."""
    brain, labels = template()
    paths = folder / "labels.nii.gz", folder / "regions.csv", folder / "brain.nii.gz"
    write_volume(labels, paths[0])
    paths[1].write_text(TABLE)
    write_volume(brain, paths[2])
    return paths
