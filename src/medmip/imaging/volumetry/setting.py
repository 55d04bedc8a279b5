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
        register=Warp(edge=1.5, rounds=(40, 30, 15), smooth=3, radius=2),
        rounds=30,
    ),
    SettingName.FULL: Setting(
        extract=Warp(edge=3, rounds=(20, 10), smooth=2, radius=2),
        register=Warp(edge=1.25, rounds=(40, 40, 30, 20), smooth=3.5, radius=2),
        rounds=50,
    ),
}
