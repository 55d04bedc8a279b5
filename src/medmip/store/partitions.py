"""Published versions divided into partitions, all of a patient's records in the same.

They are made when a version is first folded by a cluster, in a folder that its workers read, and
are named by the version's hash, so that nothing of them is ever stale. A version's folder appears
whole or not at all; whoever publishes or removes a version need not know whether it is there.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medmip.catalogue.atomic_file import alone, sync_folder, write_atomically
from medmip.catalogue.home import Home
from medmip.store.engine_settings import engine_settings
from medmip.store.errors import StoreError
from medmip.store.parquet import COMPRESSION, PATIENT_COLUMN
from medmip.store.published import Snapshot

IntArray = NDArray[np.int64]
MANIFEST = "manifest.json"
_PARTIAL = ".partial"
_ROWS_AT_ONCE = 65_536
_ODD = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: Knuth, The Art of Computer Programming 3, 6.4."""


@dataclass(frozen=True, slots=True)
class StoredPartition:
    """One partition's file, below the folder of all; sha256 is that of its content."""

    file: str
    sha256: str
    records: int


class Partitions:
    """The partitions of a folder, each version's of about so many records."""

    def __init__(self, folder: Path, records: int) -> None:
        self.folder = folder
        self._records = records

    def of(self, snapshot: Snapshot) -> tuple[StoredPartition, ...]:
        """A version's partitions, in their order, made where they are not there.

        Raises StoreError where they cannot be made, or their list is damaged.
        """
        name = f"{snapshot.hash}-{self._count(snapshot)}"
        manifest = self.folder / name / MANIFEST
        try:
            if not manifest.exists():
                self._make(snapshot, name)
            content = json.loads(manifest.read_bytes())
            parts = tuple(StoredPartition(**part) for part in content["partitions"])
        except OSError as error:
            raise StoreError(
                f"{snapshot.dataset} cannot be divided for the cluster: {error.strerror}.",
                where=str(self.folder),
                remedy="See that the folder is there, may be written, and has room.",
            ) from None
        except (ValueError, KeyError, TypeError):
            parts = ()
        if sum(part.records for part in parts) != snapshot.records:
            raise StoreError(
                f"The list of the partitions of {snapshot.dataset} is damaged.",
                where=str(manifest),
                remedy="Delete its folder; it is made anew.",
            )
        return parts

    def places(self, snapshot: Snapshot) -> IntArray:
        """The partition of each of a version's records, (records,)."""
        column = pq.read_table(snapshot.path, columns=[PATIENT_COLUMN]).column(0)
        return _places(column.to_numpy(), self._count(snapshot))

    def _count(self, snapshot: Snapshot) -> int:
        return max(1, -(-snapshot.records // self._records))

    def _make(self, snapshot: Snapshot, name: str) -> None:
        self.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        with alone(self.folder):
            for doomed in self.folder.glob(f"*{_PARTIAL}"):
                shutil.rmtree(doomed, ignore_errors=True)
            if (self.folder / name / MANIFEST).exists():
                return
            shutil.rmtree(self.folder / name, ignore_errors=True)
            partial = self.folder / f"{token_hex(8)}{_PARTIAL}"
            partial.mkdir(mode=0o750)
            try:
                parts = _divide(snapshot, partial, name, self._count(snapshot))
                content = {"partitions": [asdict(part) for part in parts]}
                write_atomically(partial / MANIFEST, json.dumps(content).encode())
                (partial / MANIFEST).chmod(0o640)
                sync_folder(partial)
                partial.rename(self.folder / name)
                sync_folder(self.folder)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise


def forget_partitions(home: Home, hashes: Iterable[str]) -> None:
    """Removes the partitions of versions of these hashes; raises SettingsError, StoreError."""
    settings = engine_settings(home)
    for folder in {settings.partitions(home), home.partitions}:
        for digest in hashes:
            for doomed in folder.glob(f"{digest}-*"):
                try:
                    shutil.rmtree(doomed)
                except OSError as error:
                    raise StoreError(
                        f"Partitions of a removed version cannot be removed: {error.strerror}.",
                        where=str(doomed),
                        remedy="Delete the folder.",
                    ) from None


def verified(folder: Path, part: StoredPartition) -> Path:
    """A partition's file, once its content is found to be what was written.

    Raises StoreError, naming the file.
    """
    path = folder / part.file
    try:
        with path.open("rb") as file:
            sound = hashlib.file_digest(file, "sha256").hexdigest() == part.sha256
    except OSError:
        sound = False
    if not sound:
        raise StoreError(
            f"The partition {part.file} is missing or was changed.",
            remedy=f"Delete the folder {path.parent.name} of the cluster's folder; it is made "
            "anew from the published version.",
        )
    return path


def _places(patients: NDArray[Any], count: int) -> IntArray:
    """The partition of each patient, (n,): a hash of their number, evenly spread."""
    mixed = patients.astype(np.uint64) * _ODD
    mixed ^= mixed >> np.uint64(29)
    return ((mixed * _ODD >> np.uint64(32)) % np.uint64(count)).astype(np.int64)


def _divide(snapshot: Snapshot, folder: Path, name: str, count: int) -> list[StoredPartition]:
    """Writes the partitions of a version into a folder that will be called name."""
    files = [f"part-{index:05}.parquet" for index in range(count)]
    records = [0] * count
    with pq.ParquetFile(snapshot.path) as source:
        schema = source.schema_arrow
        writers = [pq.ParquetWriter(folder / f, schema, compression=COMPRESSION) for f in files]
        try:
            for index, share in _shares(source, count):
                writers[index].write_table(share, row_group_size=_ROWS_AT_ONCE)
                records[index] += share.num_rows
        finally:
            for writer in writers:
                writer.close()
    parts = []
    for file, held in zip(files, records, strict=True):
        path = folder / file
        path.chmod(0o640)
        with path.open("rb") as content:
            os.fsync(content.fileno())
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        parts.append(StoredPartition(f"{name}/{file}", digest, held))
    return parts


def _shares(source: pq.ParquetFile, count: int) -> Iterator[tuple[int, pa.Table]]:
    """Records for each partition, in their order, some ten thousands at a time."""
    waiting: list[list[pa.Table]] = [[] for _ in range(count)]
    held = [0] * count
    for batch in source.iter_batches(_ROWS_AT_ONCE):
        table = pa.Table.from_batches([batch])
        places = _places(batch.column(PATIENT_COLUMN).to_numpy(), count)
        for index in range(count):
            share = table.take(np.flatnonzero(places == index))
            waiting[index].append(share)
            held[index] += share.num_rows
            if held[index] >= _ROWS_AT_ONCE:
                yield index, pa.concat_tables(waiting[index])
                waiting[index], held[index] = [], 0
    for index in range(count):
        if held[index]:
            yield index, pa.concat_tables(waiting[index])
