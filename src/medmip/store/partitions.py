"""Published versions divided into partitions, all of a patient's records in the same.

They are made when a version is first folded by a cluster, in a folder that its workers read, and
are named by the version's hash, so that nothing of them is ever stale. A version's folder appears
whole or not at all; whoever publishes or removes a version need not know whether it is there.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medmip.catalogue.home import Home
from medmip.store.engine_settings import engine_settings
from medmip.store.errors import StoreError
from medmip.store.parquet import COMPRESSION, PATIENT_COLUMN
from medmip.store.partition_folders import PartitionFolder, SharedFolder, partition_folder
from medmip.store.published import Snapshot
from medmip.store.stored_partition import MANIFEST, StoredPartition

IntArray = NDArray[np.int64]
_ROWS_AT_ONCE = 65_536
_ODD = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: Knuth, The Art of Computer Programming 3, 6.4."""


class Partitions:
    """The partitions of a folder, each version's of about so many records."""

    def __init__(self, folder: PartitionFolder, records: int) -> None:
        self.folder = folder
        self._records = records

    def of(self, snapshot: Snapshot) -> tuple[StoredPartition, ...]:
        """A version's partitions, in their order, made where they are not there.

        Raises StoreError where they cannot be made, or their list is damaged.
        """
        count = self._count(snapshot)
        name = f"{snapshot.hash}-{count}"
        try:
            manifest = self.folder.manifest(name)
            if manifest is None:
                self.folder.bring(name, lambda partial: _divided(snapshot, partial, name, count))
                manifest = self.folder.manifest(name)
            content = json.loads(manifest or b"")
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
                where=f"{self.folder}/{name}/{MANIFEST}",
                remedy="Delete its folder; it is made anew.",
            )
        return parts

    def places(self, snapshot: Snapshot) -> IntArray:
        """The partition of each of a version's records, (records,)."""
        column = pq.read_table(snapshot.path, columns=[PATIENT_COLUMN]).column(0)
        return _places(column.to_numpy(), self._count(snapshot))

    def _count(self, snapshot: Snapshot) -> int:
        return max(1, -(-snapshot.records // self._records))


def forget_partitions(home: Home, hashes: Iterable[str]) -> None:
    """Removes the partitions of versions of these hashes; raises SettingsError, StoreError."""
    named = partition_folder(engine_settings(home), home)
    for folder in {named, SharedFolder(home.partitions)}:
        folder.forget(hashes)


def _places(patients: NDArray[Any], count: int) -> IntArray:
    """The partition of each patient, (n,): a hash of their number, evenly spread."""
    mixed = patients.astype(np.uint64) * _ODD
    mixed ^= mixed >> np.uint64(29)
    return ((mixed * _ODD >> np.uint64(32)) % np.uint64(count)).astype(np.int64)


def _divided(snapshot: Snapshot, folder: Path, name: str, count: int) -> bytes:
    """Writes the partitions of a version into a folder that will be called name; its manifest."""
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
    return json.dumps({"partitions": [asdict(part) for part in parts]}).encode()


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
