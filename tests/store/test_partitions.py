"""Versions divided for a cluster: whole, each patient together, and gone with their version."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medmip.store.errors import StoreError
from medmip.store.partition_folders import SharedFolder
from medmip.store.partitions import Partitions
from medmip.store.snapshots import Datasets
from medmip.store.stored_partition import MANIFEST

RECORDS = 1000


@pytest.fixture
def snapshot(home):
    patient = np.arange(RECORDS) // 3
    table = pa.table({"v": np.arange(RECORDS, dtype=float), "__patient": patient.astype(np.int32)})
    return Datasets(home).publish(table, "m:1", "d", "f.csv")


@pytest.fixture
def partitions(home):
    return Partitions(SharedFolder(home.partitions), 150)


def read(partitions, parts):
    tables = []
    for part in parts:
        with partitions.folder.opened(part) as path:
            tables.append(pq.read_table(path))
    return tables


def test_every_record_is_in_one_partition_in_its_order_beside_its_patients_others(
    partitions, snapshot
):
    parts = partitions.of(snapshot)
    tables = read(partitions, parts)
    assert len(parts) == 7
    assert [table.num_rows for table in tables] == [part.records for part in parts]
    assert min(part.records for part in parts) > 60
    values = [table.column("v").to_numpy() for table in tables]
    assert sorted(np.concatenate(values)) == list(range(RECORDS))
    assert all((np.diff(held) > 0).all() for held in values)
    patients = [set(table.column("__patient").to_pylist()) for table in tables]
    assert sum(map(len, patients)) == snapshot.patients
    places = partitions.places(snapshot)
    for index, held in enumerate(values):
        assert (places[held.astype(int)] == index).all()


def test_they_are_made_once_and_the_same_again(partitions, snapshot):
    parts = partitions.of(snapshot)
    manifest = next(partitions.folder.path.glob(f"*/{MANIFEST}"))
    made = manifest.stat().st_mtime_ns
    assert partitions.of(snapshot) == parts
    assert manifest.stat().st_mtime_ns == made
    manifest.unlink()
    assert partitions.of(snapshot) == parts


def test_what_a_killed_process_left_is_not_taken_and_is_removed(partitions, snapshot):
    left = partitions.folder.path / "0123.partial"
    left.mkdir(parents=True)
    (left / "part-00000.parquet").write_bytes(b"PAR1")
    partitions.of(snapshot)
    assert not left.exists()


def test_a_full_disk_leaves_nothing_and_is_told(partitions, snapshot, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("medmip.store.partitions.os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        partitions.of(snapshot)
    assert list(partitions.folder.path.iterdir()) == []
    monkeypatch.undo()
    assert len(partitions.of(snapshot)) == 7


def test_a_changed_file_is_refused_by_its_name(partitions, snapshot):
    part = partitions.of(snapshot)[2]
    path = partitions.folder.path / part.file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match=part.file):
        read(partitions, [part])
    path.unlink()
    with pytest.raises(StoreError, match="part-00002"):
        read(partitions, [part])


def test_a_damaged_list_is_refused(partitions, snapshot):
    partitions.of(snapshot)
    manifest = next(partitions.folder.path.glob(f"*/{MANIFEST}"))
    for content in ("{", "{}", '{"partitions": []}', '{"partitions": [{"file": "x"}]}'):
        manifest.write_text(content)
        with pytest.raises(StoreError, match="damaged"):
            partitions.of(snapshot)


def test_they_go_with_their_version(home, partitions, snapshot):
    datasets = Datasets(home)
    partitions.of(snapshot)
    table = pa.table({"v": [1.0, 2.0], "__patient": pa.array([0, 1], pa.int32())})
    newer = datasets.publish(table, "m:1", "d", "f.csv")
    partitions.of(newer)
    datasets.forget("m:1", "d", [1])
    assert [folder.name for folder in partitions.folder.path.iterdir()] == [f"{newer.hash}-1"]
    datasets.remove("m:1", "d")
    assert list(partitions.folder.path.iterdir()) == []
