"""Atlases that a hospital has added: labels in the space of a template, with their table."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from medmip.catalogue.atomic_file import alone, sync_folder, sync_tree
from medmip.catalogue.home import Home
from medmip.errors import Conflict, NotFound
from medmip.imaging.errors import ImagingError, Unfit
from medmip.imaging.volume import Volume, write_volume
from medmip.imaging.volumetry.image import Image, read
from medmip.imaging.volumetry.region import Region, regions_of
from medmip.imaging.volumetry.steps import hash_of

LABELS, TABLE, TEMPLATE = "labels.nii.gz", "regions.csv", "template.nii.gz"
_SUFFIX = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
_HALF = 0.5


def name_of(text: str) -> str:
    """What an atlas is called: small letters, digits and hyphens; raises ImagingError."""
    name = re.sub(r"[^a-z0-9]+", "-", _SUFFIX.sub("", text).lower()).strip("-")[:64]
    if not name:
        raise ImagingError("The atlas has no name.", remedy="Give it one with --name.")
    return name


class AtlasRecord(BaseModel):
    """An atlas by its name and what it holds; template is None where it is MIP's own."""

    model_config = ConfigDict(frozen=True)

    name: str
    sha256: str
    regions: int
    template: str | None


@dataclass(frozen=True)
class Atlas:
    """The folder of one atlas."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def regions(self) -> tuple[Region, ...]:
        return regions_of(self.folder / TABLE)

    @property
    def template(self) -> Path | None:
        """The brain whose space it is in; None where that is MNI152, as MIP's own template is."""
        own = self.folder / TEMPLATE
        return own if own.exists() else None

    @property
    def record(self) -> AtlasRecord:
        own = self.template
        return AtlasRecord(
            name=self.name,
            sha256=hash_of(self.folder),
            regions=len(self.regions),
            template=hash_of(own) if own else None,
        )


class AtlasShelf:
    """The folder `imaging/atlases` of a home."""

    def __init__(self, home: Home) -> None:
        self._root = home.imaging / "atlases"

    def all(self) -> list[Atlas]:
        if not self._root.exists():
            return []
        return [Atlas(folder) for folder in sorted(self._root.iterdir()) if folder.name[0] != "."]

    def get(self, name: str) -> Atlas:
        """Raises NotFound."""
        for atlas in self.all():
            if atlas.name == name:
                return atlas
        raise NotFound(
            "There is no atlas of this name.",
            remedy="`mip imaging atlas list` shows those there are; `add` adds one.",
        )

    def chosen(self, name: str | None) -> Atlas | None:
        """The one of a name; without a name the only one, None where there is none.

        Raises NotFound, or Conflict where there are several.
        """
        if name is not None:
            return self.get(name)
        atlases = self.all()
        if len(atlases) > 1:
            raise Conflict(
                "There are several atlases.",
                remedy=f"Name one with --atlas: {', '.join(one.name for one in atlases)}.",
            )
        return atlases[0] if atlases else None

    def add(self, name: str, labels: Path, table: Path, template: Path | None) -> Atlas:
        """Keep an atlas whole, or not at all.

        Raises ImagingError where the files do not fit each other, Conflict where the name is taken.
        """
        regions = regions_of(table)
        marked = _labels(labels, regions)
        brain = None if template is None else _brain(template)
        with self._aside() as aside:
            place = self._root / name
            if place.exists():
                raise Conflict(
                    "There is an atlas of this name.",
                    remedy="Choose another with --name, or remove that one first.",
                )
            write_volume(marked, aside / LABELS)
            shutil.copyfile(table, aside / TABLE)
            if brain is not None:
                write_volume(brain, aside / TEMPLATE)
            sync_tree(aside)
            os.rename(aside, place)
            sync_folder(self._root)
        return Atlas(place)

    def remove(self, name: str) -> None:
        """Scans that were measured with it keep their volumes. Raises NotFound."""
        atlas = self.get(name)
        with self._aside() as aside:
            os.rename(atlas.folder, aside / name)
            sync_folder(self._root)

    @contextmanager
    def _aside(self) -> Iterator[Path]:
        """A folder on the same disk; what killed processes left of such folders goes."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(self._root):
            for left in self._root.glob(".aside-*"):
                shutil.rmtree(left)
            aside = Path(tempfile.mkdtemp(prefix=".aside-", dir=self._root))
            try:
                yield aside
            finally:
                shutil.rmtree(aside, ignore_errors=True)


def _labels(path: Path, regions: tuple[Region, ...]) -> Volume:
    image = _read(path, "labels")
    whole = np.rint(image.voxels)
    if np.abs(whole - image.voxels).max() > 1e-3 or whole.min() < 0 or whole.max() > 65_535:
        raise ImagingError("The atlas' labels are no whole numbers from 0 to 65535.")
    there = set(np.unique(whole).astype(int).tolist())
    lacking = [region.label for region in regions if region.label not in there]
    if lacking:
        raise ImagingError(
            f"The atlas has no voxel of label {lacking[0]}, which its table names.",
            remedy="Take the table that belongs to these labels, or remove the line.",
        )
    return Volume(whole.astype("<u2"), image.affine)


def _brain(path: Path) -> Volume:
    image = _read(path, "template")
    if image.voxels.min() < 0 or (image.voxels > 0).mean() > _HALF:
        raise ImagingError(
            "The template is no brain on an empty ground.",
            remedy="Give a T1-weighted brain without its skull, 0 everywhere around it.",
        )
    return Volume(image.voxels, image.affine)


def _read(path: Path, what: str) -> Image:
    try:
        return read(path)
    except Unfit as unfit:
        raise ImagingError(f"The atlas' {what} cannot be used: {unfit.what}") from None
