"""From what was given to scans that are kept: read, chosen, freed of identifiers, judged."""

import hashlib
import os
import re
import tempfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import dcm2niix
import numpy as np
from numpy.typing import NDArray

from medmip.catalogue.home import Home
from medmip.imaging.burned_text import has_text
from medmip.imaging.convert import converted
from medmip.imaging.deidentify import deidentified, write
from medmip.imaging.errors import ImagingError, Unfit
from medmip.imaging.face_remover import FaceRemover, face_remover
from medmip.imaging.frames import single_frames
from medmip.imaging.identity import Identity
from medmip.imaging.intake import ZIP, FileKind, Found, found_below
from medmip.imaging.record import FaceRemoval, ScanRecord, TextCheck, Verdict
from medmip.imaging.rules import Rules, rules_of
from medmip.imaging.series import Series, grouped, in_order
from medmip.imaging.shelf import SLICES, VOLUME, Shelf
from medmip.imaging.sides import refuse_other_place, stored_pixels
from medmip.imaging.slice_file import SliceFile, slice_of
from medmip.imaging.volume import Volume, judge, read_volume, write_volume

_SUBJECT = re.compile(r"sub-([A-Za-z0-9]+)")
_SUFFIX = re.compile(r"(?:^|_)([A-Za-z0-9]+)\.nii(?:\.gz)?$")
_LARGEST = 2**33
"""Bytes of a NIfTI file beyond which it is no volume of a head, whatever its numbers are."""


@dataclass(frozen=True)
class Added:
    """A scan, and whether it was there already."""

    record: ScanRecord
    new: bool


def add(
    home: Home,
    paths: Sequence[Path],
    identity: Identity,
    *,
    again: bool = False,
    believe_text: bool = False,
) -> Iterator[Added]:
    """Bring in all scans below the paths; each is kept before the next is looked at.

    What was taken already stays as it is; what was not is judged anew under other rules, or where
    again says so. With believe_text a person has looked at what seems to be drawn into the pixels,
    and it names nobody. Raises ImagingError where the rules cannot be read or
    a program cannot be run, or the disk refuses; what was told of is kept all the same.
    """
    rules = rules_of(home)
    faces = face_remover(home)
    shelf = Shelf(home)
    try:
        with shelf.work() as work:
            adding = _Adding(
                shelf, rules, identity, work, again or believe_text, believe_text, faces
            )
            loose: list[SliceFile] = []
            for number, path in enumerate(paths, 1):
                if path.is_dir() or path.suffix.lower() == ZIP:
                    yield from adding.path(path, number)
                else:
                    # Files named one by one may be slices of one series.
                    loose += yield from adding.files(path, number)
            yield from adding.series(loose)
    except OSError as error:
        # Its own words would name a file.
        raise ImagingError(
            f"A file cannot be read or written: {os.strerror(error.errno or 0)}.",
            remedy="Free space in the home folder, or give MIP's account its rights; then add "
            "the scans again, those that are kept stay.",
        ) from None


@dataclass(frozen=True)
class _Adding:
    shelf: Shelf
    rules: Rules
    identity: Identity
    work: Path
    again: bool
    believe_text: bool
    faces: FaceRemover | None

    def path(self, path: Path, number: int) -> Iterator[Added]:
        slices = yield from self.files(path, number)
        yield from self.series(slices)

    def files(self, path: Path, number: int) -> Generator[Added, None, list[SliceFile]]:
        """What is no slice of a series is brought in; returns the slices, which wait for others."""
        slices: list[SliceFile] = []
        try:
            found = list(found_below(path, self._folder()))
            if all(file.kind is FileKind.OTHER for file in found):
                raise Unfit("It holds no DICOM and no NIfTI file.")
        except Unfit as unfit:
            # Nothing to keep: what was given is told of by its place in the command alone.
            yield Added(self._verdict(f"path {number}", f"path {number}", 0, unfit), new=True)
            return slices
        for file in found:
            if file.kind is FileKind.DICOM:
                try:
                    images = single_frames(file.path, self._folder)
                    slices += [slice_of(image, self.rules.attributes) for image in images]
                except Unfit as unfit:
                    yield self._kept(self._verdict(_digest(file.path), "DICOM file", 1, unfit))
            elif file.kind is FileKind.NIFTI:
                yield self._nifti(file)
        return slices

    def series(self, slices: Sequence[SliceFile]) -> Iterator[Added]:
        for series in grouped(slices):
            yield self._series(series)

    def _series(self, series: Series) -> Added:
        scan = self.identity.scan(series.content)
        if known := self.shelf.known(scan, self.rules.hash, again=self.again):
            return Added(known, new=False)
        count = len(series.files)
        reason = self.rules.reason_against(series.first.attributes)
        try:
            if reason is not None:
                raise _LeftOut(f"It was not chosen: {reason}.")
            return self._taken(scan, in_order(series))
        except Unfit as unfit:
            return self._kept(self._verdict(series.content, "DICOM series", count, unfit))

    def _taken(self, scan: str, slices: Sequence[SliceFile]) -> Added:
        code, date = slices[0].patient[0], slices[0].date
        freed = self._folder()
        seen: list[tuple[SliceFile, NDArray[np.number] | None]] = []
        for number, one in enumerate(slices, 1):
            image = deidentified(one.path, self.identity, code)
            compressed = image.file_meta.TransferSyntaxUID.is_compressed
            write(image, freed / f"{number:04d}.dcm")
            # Every eighth and the ends, of which one that is all the same tells nothing.
            if number % 8 == 1 or number == len(slices):
                seen.append((one, stored_pixels(image, compressed=compressed)))
        volume = converted(freed, self._folder())
        if sorted(volume.voxels.shape) != sorted((*slices[0].shape, len(slices))):
            raise Unfit("The converted volume is not of the size of its slices.")
        refuse_other_place(volume, seen)
        if problems := judge(volume, self.rules.quality):
            raise Unfit(" ".join(problems))
        text = self._text_in(volume)
        moved = self.identity.date(code, date)

        file, faces = self._faceless(volume)

        def fill(folder: Path) -> None:
            file.rename(folder / VOLUME)
            # They show the same face. A compressed stream may hold comments, and its voxels are
            # in the volume.
            if faces is None and not compressed:
                freed.rename(folder / SLICES)

        record = ScanRecord(
            id=scan,
            verdict=Verdict.TAKEN,
            rules=self.rules.hash,
            source="DICOM series",
            files=len(slices),
            patient=self.identity.patient(code),
            acquired=f"{moved[:4]}-{moved[4:6]}-{moved[6:]}" if moved else None,
            moved=self.identity.dates_move_at_most if moved else None,
            shape=volume.voxels.shape,
            voxel=tuple(round(edge, 4) for edge in volume.edges),
            converter=f"dcm2niix {dcm2niix.__version__}",
            text=text,
            faces=faces,
        )
        self.shelf.put(record, self.work, fill)
        return Added(record, new=True)

    def _nifti(self, file: Found) -> Added:
        digest = _digest(file.path)
        code = _subject(file.name)
        kind = _SUFFIX.search(file.name.name)
        suffix = kind[1] if kind else ""
        # The same voxels under two codes are two scans.
        content = f"{digest} {code} {suffix}"
        scan = self.identity.scan(content)
        if known := self.shelf.known(scan, self.rules.hash, again=self.again):
            return Added(known, new=False)
        try:
            if code is None:
                raise Unfit(
                    "The file's name does not say whose scan it is.",
                    remedy="Name it as BIDS does: sub-CODE_T1w.nii.gz.",
                )
            if suffix != "T1w":
                raise _LeftOut("It was not chosen: its name does not end in _T1w, as BIDS has it.")
            if file.path.stat().st_size > _LARGEST:
                raise Unfit(f"The file is larger than {_LARGEST / 2**30:.0f} GiB.")
            volume = read_volume(file.path)
            if problems := judge(volume, self.rules.quality):
                raise Unfit(" ".join(problems))
            text = self._text_in(volume)
            written, faces = self._faceless(volume)
        except Unfit as unfit:
            return self._kept(self._verdict(content, "NIfTI file", 1, unfit))
        record = ScanRecord(
            id=scan,
            verdict=Verdict.TAKEN,
            rules=self.rules.hash,
            source="NIfTI file",
            files=1,
            patient=self.identity.patient(code),
            shape=volume.voxels.shape,
            voxel=tuple(round(edge, 4) for edge in volume.edges),
            text=text,
            faces=faces,
        )

        def fill(folder: Path) -> None:
            written.rename(folder / VOLUME)

        self.shelf.put(record, self.work, fill)
        return Added(record, new=True)

    def _faceless(self, volume: Volume) -> tuple[Path, FaceRemoval | None]:
        """The volume as a file that may be kept, and how its face was removed."""
        file = self._folder() / VOLUME
        if self.faces is None:
            write_volume(volume, file)
            return file, None
        return file, self.faces.keep(volume, file)

    def _text_in(self, volume: Volume) -> TextCheck:
        if self.believe_text:
            return TextCheck.BELIEVED
        if has_text(volume):
            raise Unfit(
                "Something is drawn into its pixels, at one place in most slices, as burned-in "
                "text is, which may name the patient.",
                remedy="Look at it. If it names nobody, add it again with --believe-text; else "
                "export the scan without annotations.",
            )
        return TextCheck.NONE_FOUND

    def _verdict(self, content: str, source: str, files: int, unfit: Unfit) -> ScanRecord:
        left = isinstance(unfit, _LeftOut)
        return ScanRecord(
            id=self.identity.scan(content),
            verdict=Verdict.LEFT if left else Verdict.REFUSED,
            rules=self.rules.hash,
            reason=f"{unfit.what} {unfit.remedy}" if unfit.remedy else unfit.what,
            source=source,
            files=files,
        )

    def _kept(self, record: ScanRecord) -> Added:
        if known := self.shelf.known(record.id, self.rules.hash, again=self.again):
            return Added(known, new=False)
        self.shelf.put(record, self.work)
        return Added(record, new=True)

    def _folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.work))


class _LeftOut(Unfit):
    """A whole scan of a kind that is not wanted."""


def _subject(name: PurePosixPath) -> str | None:
    for part in reversed(name.parts):
        if match := _SUBJECT.match(part):
            return match[1]
    return None


def _digest(path: Path) -> str:
    """Tells a file by its content; one that is refused for its size by that and its beginning."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > _LARGEST:
            return hashlib.sha256(b"%d %b" % (size, file.read(2**20))).hexdigest()
        return hashlib.file_digest(file, "sha256").hexdigest()
