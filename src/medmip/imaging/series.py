"""Files grouped into series by their UIDs, and whether a series is one whole volume."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from medmip.imaging.errors import Unfit
from medmip.imaging.sides import refuse_other_letters
from medmip.imaging.slice_file import SliceFile

_SAME_DIRECTION = 1e-3
"""Largest difference of direction cosines; scanners write them with six digits or so."""
_SAME_LENGTH = 1e-3
"""Millimetres."""
_EVEN = 0.1
"""Largest deviation of a distance between slices, as a share of it."""


@dataclass(frozen=True)
class Series:
    """The files of one series, each instance once, in the order of their names."""

    files: tuple[SliceFile, ...]

    @property
    def content(self) -> str:
        """A digest of what the files hold, whatever their names and order."""
        digests = "".join(sorted(file.digest for file in self.files))
        return hashlib.sha256(digests.encode()).hexdigest()

    @property
    def first(self) -> SliceFile:
        return self.files[0]


def grouped(files: Iterable[SliceFile]) -> list[Series]:
    """The series of the files; a file that was given twice counts once."""
    series: dict[str, dict[str, SliceFile]] = {}
    for file in files:
        series.setdefault(file.series, {}).setdefault(file.digest, file)
    return [Series(tuple(members.values())) for members in series.values()]


def in_order(series: Series) -> tuple[SliceFile, ...]:
    """The slices of a series along the normal of their plane.

    Raises Unfit where the series is not one whole volume of one patient.
    """
    files = series.files
    _one_patient(files)
    for file in files:
        if file.problem:
            raise Unfit(_sentence(file.problem))
    if len({file.instance for file in files}) != len(files):
        raise Unfit("Two different images have the same UID.")
    if len(files) < 2:
        raise Unfit("It is a single image, not a volume.")
    _one_geometry(files)
    refuse_other_letters(files)
    normal = np.cross(files[0].orientation[:3], files[0].orientation[3:])
    depth = np.array([np.dot(file.position, normal) for file in files])
    order = np.argsort(depth, kind="stable")
    _whole(np.diff(depth[order]), files)
    return tuple(files[index] for index in order)


def _one_patient(files: Sequence[SliceFile]) -> None:
    if len({file.patient for file in files}) > 1:
        raise Unfit("The series mixes several patients.", remedy="Export it anew.")
    if not files[0].patient[0]:
        raise Unfit("The series names no patient's code.", remedy="Export it with its Patient ID.")


def _one_geometry(files: Sequence[SliceFile]) -> None:
    first = files[0]
    if any(len(file.position) != 3 or len(file.orientation) != 6 for file in files):
        raise Unfit("The place of its images in space is not told.")
    row, column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    lengths = np.array([row @ row - 1, column @ column - 1, row @ column])
    if np.abs(lengths).max() > 1e-2:
        raise Unfit("The orientation of its images is not a right angle of unit length.")
    if not all(_alike(file.orientation, first.orientation, _SAME_DIRECTION) for file in files):
        raise Unfit("Its images differ in orientation.")
    if len(first.pixel_spacing) != 2 or min(first.pixel_spacing) <= 0:
        raise Unfit("The size of its pixels is not told.")
    if not all(_alike(file.pixel_spacing, first.pixel_spacing, _SAME_LENGTH) for file in files):
        raise Unfit("Its images differ in the size of their pixels.")
    if len({file.shape for file in files}) > 1:
        raise Unfit("Its images differ in rows or columns.")


def _whole(steps: np.ndarray, files: Collection[SliceFile]) -> None:
    if (steps < _SAME_LENGTH).any():
        raise Unfit("It holds several images of one place: it is 4D, or several volumes.")
    usual = float(np.median(steps))
    uneven = np.abs(steps / usual - 1) > _EVEN
    if uneven.any():
        missing = steps[uneven] / usual
        if (np.abs(missing - np.round(missing)) <= _EVEN).all():
            lost = int(np.round(missing - 1).sum())
            raise Unfit(f"{lost} slice{'s are' if lost > 1 else ' is'} missing inside the volume.")
        raise Unfit("The distances between its slices differ.")
    stated = {file.images for file in files if file.images is not None}
    if len(stated) == 1 and (lost := stated.pop() - len(files)) > 0:
        raise Unfit(f"{lost} slice{'s are' if lost > 1 else ' is'} missing at the volume's ends.")


def _alike(one: Sequence[float], other: Sequence[float], most: float) -> bool:
    return len(one) == len(other) and bool(np.abs(np.subtract(one, other)).max() <= most)


def _sentence(problem: str) -> str:
    return f"{problem[0].upper()}{problem[1:]}."
