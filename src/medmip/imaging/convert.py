"""DICOM to NIfTI by dcm2niix, in a process with bounds of time, memory and disk."""

import os
import resource
import subprocess
from pathlib import Path

import dcm2niix

from medmip.imaging.bounds import bound, die_with_parent
from medmip.imaging.errors import ImagingError, Unfit
from medmip.imaging.volume import Volume, read_volume

SECONDS = 600
_MEMORY = 8 * 2**30
_FILE = 8 * 2**30


def converted(folder: Path, work: Path) -> Volume:
    """The one volume of a folder of slices; work is an empty folder for what is made.

    What the program says is told to nobody. Raises Unfit where it makes no volume or several,
    ImagingError where it cannot be run.
    """
    # b n: no sidecar, ba y: no identifiers; z n: unpacked; m y: one volume; f: a fixed name.
    options = ["-b", "n", "-ba", "y", "-z", "n", "-m", "y", "-f", "volume", "-o", str(work)]
    try:
        done = subprocess.run(  # noqa: S603  the program that MIP requires
            [dcm2niix.bin, *options, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(work)},
            preexec_fn=_bounded,
        )
    except subprocess.TimeoutExpired:
        raise Unfit(f"The conversion to NIfTI took over {SECONDS} seconds.") from None
    except OSError:
        raise ImagingError(
            "dcm2niix, which converts DICOM to NIfTI, cannot be run.",
            remedy="Install MIP anew; its requirements bring dcm2niix.",
        ) from None
    made = sorted(work.glob("*.nii"))
    if not made:
        raise Unfit(f"dcm2niix cannot convert the series (exit code {done.returncode}).")
    if len(made) > 1:
        raise Unfit("dcm2niix makes several volumes of the series: its slices do not fit.")
    return read_volume(made[0])


def _bounded() -> None:
    bound(resource.RLIMIT_AS, _MEMORY)
    bound(resource.RLIMIT_FSIZE, _FILE)
    bound(resource.RLIMIT_CORE, 0)
    # Else it would go on writing a patient's images where MIP was killed and cleared up.
    die_with_parent()
