"""Where scans are kept: each appears whole, with its record, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from medmip.catalogue.atomic_file import alone, sync_folder
from medmip.catalogue.home import Home
from medmip.imaging.record import ScanRecord, Verdict

RECORD = "scan.json"
VOLUME = "t1.nii.gz"
SLICES = "dicom"


class Shelf:
    """The folder `imaging/scans` of a home: a folder for each scan, named by its id."""

    def __init__(self, home: Home) -> None:
        self.scans = home.imaging / "scans"
        self._work = home.path / "work" / "imaging"

    @contextmanager
    def work(self) -> Iterator[Path]:
        """An empty folder on the same disk; whoever adds is alone, and clears what was left."""
        for folder in (self.scans.parent, self.scans, self._work):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(self._work):
            self._clear()
            try:
                yield self._work
            finally:
                self._clear()

    def records(self) -> list[ScanRecord]:
        """All that is kept, in the order of the ids."""
        files = sorted(self.scans.glob(f"*/{RECORD}"))
        return [ScanRecord.model_validate_json(file.read_bytes()) for file in files]

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

    def put(self, record: ScanRecord, fill: Callable[[Path], None] = lambda _: None) -> None:
        """Keep a record and what fill writes into its folder; only inside `work`.

        All is written aside, synced, and appears by one rename. Raises OSError where the disk
        refuses, and then nothing is kept.
        """
        aside = Path(tempfile.mkdtemp(prefix="put-", dir=self._work))
        fill(aside)
        (aside / RECORD).write_text(record.model_dump_json(indent=2) + "\n", "utf-8")
        for folder, _, names in os.walk(aside):
            for name in names:
                _sync_file(Path(folder, name))
            sync_folder(Path(folder))
        if (self.scans / record.id).exists():
            os.rename(self.scans / record.id, self._work / f"former-{record.id}")
        os.rename(aside, self.scans / record.id)
        sync_folder(self.scans)

    def _clear(self) -> None:
        for left in self._work.iterdir():
            shutil.rmtree(left)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
