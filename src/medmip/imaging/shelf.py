"""Where scans are kept: each appears whole, with its record, or not at all."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medmip.catalogue.atomic_file import alone, sync_folder, sync_tree, write_atomically
from medmip.catalogue.home import Home
from medmip.catalogue.own_folder import own_folder
from medmip.imaging.record import ScanRecord, Verdict

RECORD = "scan.json"
VOLUME = "t1.nii.gz"
SLICES = "dicom"


class Shelf:
    """The folder `imaging/scans` of a home: a folder for each scan, named by its id."""

    def __init__(self, home: Home) -> None:
        self.scans = home.imaging / "scans"
        self._work = home.work

    @contextmanager
    def work(self) -> Iterator[Path]:
        """An empty folder on the same disk; whoever adds is alone, and others wait."""
        for folder in (self.scans.parent, self.scans):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with own_folder(self._work, "scans-") as work, alone(self.scans):
            yield work

    def records(self) -> list[ScanRecord]:
        """All that is kept, in the order of the ids."""
        return list(_read(sorted(self.scans.glob(f"*/{RECORD}"))))

    def newest(self) -> list[Path]:
        """The folders of all scans, those brought in last first."""
        aged = []
        for file in self.scans.glob(f"*/{RECORD}"):
            # What is judged anew just now has another folder in a moment.
            with suppress(FileNotFoundError):
                aged.append((file.stat().st_mtime_ns, file))
        return [file.parent for _, file in sorted(aged, reverse=True)]

    def find(self, scan: str) -> ScanRecord | None:
        """The record of an id, that is told among the folders' names and never used as a path."""
        folder = next((one for one in self.scans.glob("*/") if one.name == scan), None)
        return None if folder is None else record_in(folder)

    def page(
        self, verdict: Verdict | None, limit: int, offset: int
    ) -> tuple[int, list[ScanRecord]]:
        """How many are kept, of one verdict where it is told, and some of them, newest first."""
        files = [folder / RECORD for folder in self.newest()]
        if verdict is None:
            return len(files), list(_read(files[offset : offset + limit]))
        found = [record for record in _read(files) if record.verdict is verdict]
        return len(found), found[offset : offset + limit]

    def known(self, scan: str, rules: str, *, again: bool = False) -> ScanRecord | None:
        """The record of an id; None where there is none, or other rules were against the scan.

        again makes light of every verdict against a scan.
        """
        file = self.scans / scan / RECORD
        if not file.exists():
            return None
        record = ScanRecord.model_validate_json(file.read_bytes())
        if record.verdict is Verdict.TAKEN:
            return record
        return record if record.rules == rules and not again else None

    def record(self, scan: str) -> ScanRecord:
        """The record of a scan; raises FileNotFoundError where there is none."""
        return ScanRecord.model_validate_json((self.scans / scan / RECORD).read_bytes())

    def amend(self, record: ScanRecord) -> None:
        """Replace the record of a scan; it keeps its age, by which scans are shown."""
        file = self.scans / record.id / RECORD
        former = file.stat()
        write_atomically(file, _written(record))
        os.utime(file, ns=(former.st_atime_ns, former.st_mtime_ns))

    def put(
        self, record: ScanRecord, work: Path, fill: Callable[[Path], None] = lambda _: None
    ) -> None:
        """Keep a record and what fill writes into its folder; work is the folder of `work`.

        All is written aside, synced, and appears by one rename. Raises OSError where the disk
        refuses, and then nothing is kept.
        """
        aside = Path(tempfile.mkdtemp(prefix="put-", dir=work))
        fill(aside)
        (aside / RECORD).write_bytes(_written(record))
        sync_tree(aside)
        if (self.scans / record.id).exists():
            os.rename(self.scans / record.id, work / f"former-{record.id}")
        os.rename(aside, self.scans / record.id)
        sync_folder(self.scans)


def record_in(folder: Path) -> ScanRecord | None:
    """The record of a scan by its folder; None where none is kept there."""
    return next(_read([folder / RECORD]), None)


def _written(record: ScanRecord) -> bytes:
    return f"{record.model_dump_json(indent=2)}\n".encode()


def _read(files: Iterable[Path]) -> Iterator[ScanRecord]:
    for file in files:
        with suppress(FileNotFoundError):
            yield ScanRecord.model_validate_json(file.read_bytes())
