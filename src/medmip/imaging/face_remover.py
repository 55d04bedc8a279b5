"""The face taken out of a volume before it is kept; what it computes with is an optional part."""

from dataclasses import dataclass
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.imaging.errors import ImagingError
from medmip.imaging.record import FaceRemoval
from medmip.imaging.settings import imaging_settings
from medmip.imaging.volume import Volume, write_volume
from medmip.imaging.volumetry.requirements import shipped_template, tools


@dataclass(frozen=True)
class FaceRemover:
    """Removes faces by a template brain, with tools of these versions."""

    template: Path
    tools: dict[str, str]

    def keep(self, volume: Volume, place: Path) -> FaceRemoval:
        """Write a volume without its face; raises Unfit where no head is found or it is turned."""
        import SimpleITK  # noqa: PLC0415 - an optional part

        from medmip.imaging.volumetry import faceless  # noqa: PLC0415

        # Sums in several threads come out in several orders.
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        without, facts = faceless.without_face(volume, self.template)
        write_volume(without, place)
        return faceless.removal(facts, place, self.template, self.tools)


def face_remover(home: Home) -> FaceRemover | None:
    """What removes faces here; None where the home keeps them.

    Raises SettingsError, or ImagingError where faces must go and the tools for it lack.
    """
    if imaging_settings(home).keep_faces:
        return None
    try:
        return FaceRemover(shipped_template(), tools())
    except ImagingError as error:
        raise ImagingError(
            f"No scan is kept with its face, and faces cannot be removed: {error.what}",
            remedy=f"{error.remedy} Or, where faces may be kept, set keep_faces in the section "
            "[imaging] of mip.toml.",
        ) from None
