"""What can go wrong with a scan; never with a patient's value or the name of a file."""

from typing import ClassVar

from medmip.errors import MipError


class ImagingError(MipError):
    """Rules, a path or a program that scans need is not as it must be."""

    title: ClassVar[str] = "Scans cannot be brought in"
    status: ClassVar[int] = 422


class Unfit(ImagingError):
    """A scan, or what was given as one, that is not taken; what says why."""

    title: ClassVar[str] = "The scan is not taken"


class NotShown(ImagingError):
    """A scan that is kept and cannot be looked at; what says why."""

    title: ClassVar[str] = "The scan cannot be shown"


class NoSpace(ImagingError):
    """The disk has too little room to begin a step; it is begun once there is."""

    title: ClassVar[str] = "The disk is nearly full"
