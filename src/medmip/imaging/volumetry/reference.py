"""How far a scan's numbers lie from those of the site's accepted scans, measured alike."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.stats import theilslopes

from medmip.imaging.people import Person
from medmip.imaging.volumetry.adjustment import Comparable, robust_slopes
from medmip.imaging.volumetry.record import MeasuredVolume, Quality, VolumesRecord
from medmip.imaging.volumetry.region import Part

AT_LEAST = 10
"""Scans, below which nobody is told to be far from them."""
AT_MOST = 200
"""The newest scans, of which a slope takes all pairs."""
FAR = 3.5
"""Of a robust z. Source: Iglewicz & Hoaglin, How to Detect and Handle Outliers, 1993."""
UNEVEN = 40.0
"""Percent of the mean of both sides: one side is half as large again as the other."""
_EVEN = (Part.NUCLEUS, Part.WHOLE, Part.WHITE)
"""Parts whose sides are alike in every atlas; those of cortex and ventricles often are not: of a
healthy head by AAL, seven cortical regions are further apart."""
_SIZE = "tiv"
_NORMAL = 1.4826
"""The standard deviation of a normal distribution over its median absolute deviation."""
_SIDES = ("left", "right")
_WORSE_WHEN_HIGH = ("efc",)


class Flag(StrEnum):
    """Why a volume asks for a look."""

    FAR = "far from the reference"
    UNEVEN = "left and right differ"
    EMPTY = "nothing found"


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class JudgedVolume(_Told):
    """A volume and what is unusual about it.

    z is its distance from the reference, of regions adjusted for intracranial volume; asymmetry
    is 100 · 2 (left − right) / (left + right), and asymmetry_z its distance. None where unknown.
    """

    code: str
    name: str
    cm3: float
    label: int | None
    z: float | None
    asymmetry: float | None
    asymmetry_z: float | None
    flags: tuple[Flag, ...]


class Judgement(_Told):
    """The volumes and quality measures of one scan beside those of the reference.

    scans is how many these were; with fewer than needed there is no z. quality is z by measure,
    flagged the measures that are far on their bad side. like is the number of scans, of those, by
    which volumes were adjusted for age and sex, 0 where they were not.
    """

    scans: int
    needed: int
    volumes: tuple[JudgedVolume, ...]
    quality: dict[str, float | None]
    flagged: tuple[str, ...]
    like: int


def alike(one: VolumesRecord, other: VolumesRecord) -> bool:
    """Whether two scans were measured by the same atlas, template, setting and steps."""
    return _way(one) == _way(other)


def judged(
    record: VolumesRecord,
    reference: Sequence[VolumesRecord],
    person: Person | None = None,
    others: Sequence[Person | None] = (),
) -> Judgement:
    """Each volume of a scan beside those of a reference, whose scans are measured alike.

    person is whose scan it is, others whose those of the reference are, in its order; where enough
    is known volumes are adjusted for age and sex too.
    """
    used = [_Numbers.of(other) for other in reference[:AT_MOST]]
    own = _Numbers.of(record)
    like = None
    if person is not None and len(others) == len(reference):
        comparable = Comparable(person, others[:AT_MOST])
        like = comparable if comparable.is_enough else None

    def of_its_age(code: str) -> float | None:
        assert like is not None
        pairs = [(used[row].cm3.get(code), used[row].size) for row in like.rows]
        value = own.cm3.get(code)
        if value is None or any(volume is None for volume, _ in pairs):
            return None
        values, sizes = np.array(pairs, np.float64).T
        sized = code != _SIZE
        design = np.column_stack([like.design, sizes]) if sized else like.design
        place = np.append(like.own, own.size) if sized else like.own
        slopes = robust_slopes(design, values)
        return robust_z(value - float(slopes @ place), values - design @ slopes)

    def distance(of: Callable[["_Numbers"], float | None], *, adjusted: bool) -> float | None:
        pairs = [(value, other.size) for other in used if (value := of(other)) is not None]
        value = of(own)
        if value is None or len(pairs) < AT_LEAST:
            return None
        values, sizes = np.array(pairs).T
        if adjusted and np.ptp(sizes) > 0:
            slope = float(theilslopes(values, sizes)[0])
            return robust_z(value - slope * own.size, values - slope * sizes)
        return robust_z(value, values)

    def one(volume: MeasuredVolume) -> JudgedVolume:
        code = volume.code
        if like is not None:
            z = of_its_age(code)
        else:
            z = distance(lambda numbers: numbers.cm3.get(code), adjusted=code != _SIZE)
        tilt = own.asymmetry(code)
        tilt_z = distance(lambda numbers: numbers.asymmetry(code), adjusted=False)
        flags = []
        if volume.cm3 <= 0:
            flags.append(Flag.EMPTY)
        elif z is not None and abs(z) > FAR:
            flags.append(Flag.FAR)
        if _is_uneven(tilt, tilt_z, volume.part):
            flags.append(Flag.UNEVEN)
        return JudgedVolume(
            code=code,
            name=volume.name,
            cm3=volume.cm3,
            label=volume.label,
            z=z,
            asymmetry=tilt,
            asymmetry_z=tilt_z,
            flags=tuple(flags),
        )

    quality = {name: distance(_measure(name), adjusted=False) for name in Quality.model_fields}
    return Judgement(
        scans=len(used),
        needed=AT_LEAST,
        volumes=tuple(one(volume) for volume in record.volumes),
        quality=quality,
        flagged=tuple(name for name, z in quality.items() if z is not None and _bad(name, z)),
        like=0 if like is None else len(like.rows),
    )


def robust_z(value: float, others: NDArray[np.float64]) -> float | None:
    """The distance from the median in units of 1.4826 median absolute deviations.

    None where more than half of the others are the same.
    """
    middle = float(np.median(others))
    spread = _NORMAL * float(np.median(np.abs(others - middle)))
    return (value - middle) / spread if spread > 0 else None


class _Numbers:
    """One scan's numbers by code."""

    def __init__(self, cm3: Mapping[str, float], quality: Quality) -> None:
        self.cm3 = cm3
        self.quality = quality
        self.size = cm3.get(_SIZE, 0.0)

    @classmethod
    def of(cls, record: VolumesRecord) -> "_Numbers":
        return cls({one.code: one.cm3 for one in record.volumes}, record.quality)

    def asymmetry(self, code: str) -> float | None:
        """Of a region that has another side, in percent; None of another, or of empty ones."""
        side = next((side for side in _SIDES if code.startswith(side)), None)
        if side is None:
            return None
        rest = code.removeprefix(side)
        left, right = (self.cm3.get(f"{one}{rest}") for one in _SIDES)
        if left is None or right is None or left + right <= 0:
            return None
        return 200 * (left - right) / (left + right)


def _bad(name: str, z: float) -> bool:
    return (z if name in _WORSE_WHEN_HIGH else -z) > FAR


def _measure(name: str) -> Callable[[_Numbers], float | None]:
    def of(numbers: _Numbers) -> float | None:
        value: float | None = getattr(numbers.quality, name)
        return value

    return of


def _is_uneven(tilt: float | None, z: float | None, part: Part | None) -> bool:
    if tilt is None:
        return False
    if z is not None:
        return abs(z) > FAR
    return part in _EVEN and abs(tilt) > UNEVEN


def _way(record: VolumesRecord) -> tuple[object, ...]:
    atlas = record.atlas.sha256 if record.atlas else None
    steps = tuple((step.name, step.version) for step in record.steps)
    return atlas, record.template, record.setting, steps
