"""The two settings by which scans are measured, quickly or with a finer registration."""

from dataclasses import dataclass

from medmip.imaging.volumetry.align import Warp
from medmip.imaging.volumetry.choice import SettingName


@dataclass(frozen=True)
class Setting:
    """extract warps for the brain's outline, register for its regions; rounds are those of N4."""

    extract: Warp
    register: Warp
    rounds: int


SETTINGS = {
    SettingName.FAST: Setting(
        extract=Warp(edge=3, rounds=(20, 10), smooth=2, radius=2),
        register=Warp(edge=2, rounds=(60, 60, 30), smooth=2.5, radius=3),
        rounds=30,
    ),
    SettingName.FULL: Setting(
        extract=Warp(edge=3, rounds=(20, 10), smooth=2, radius=2),
        register=Warp(edge=1.25, rounds=(60, 60, 60, 20), smooth=2.5, radius=3),
        rounds=50,
    ),
}
