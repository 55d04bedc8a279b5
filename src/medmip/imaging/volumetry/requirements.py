"""What measuring computes with, which is not installed with MIP unless it is asked for."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from medmip.imaging.errors import ImagingError

_EXTRA = ("dipy", "nilearn", "SimpleITK")
_TEMPLATE = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


def tools() -> dict[str, str]:
    """The version of every tool that volumes depend on; raises ImagingError where one lacks."""
    try:
        return {name.lower(): version(name) for name in (*_EXTRA, "nibabel", "numpy", "scipy")}
    except PackageNotFoundError:
        raise ImagingError(
            f"Volumes cannot be measured: {', '.join(_EXTRA)} are not all installed.",
            remedy="Install MIP with its extra `imaging`: pip install 'medmip[imaging]'.",
        ) from None


def shipped_template() -> Path:
    """The MNI152 brain (ICBM 2009a, nonlinear, symmetric) that nilearn brings."""
    found = find_spec("nilearn")
    if found is not None and found.submodule_search_locations:
        path = Path(found.submodule_search_locations[0]) / _TEMPLATE
        if path.exists():
            return path
    raise ImagingError(
        "The template brain of nilearn is not there.",
        remedy="Install MIP's extra `imaging` anew, or add an atlas with its own --template.",
    )
