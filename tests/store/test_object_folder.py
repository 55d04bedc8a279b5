"""Partitions in a real object store: as whole as in a folder, and nothing told of its keys."""

import pickle
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import FileSelector

from medmip.store import object_folder
from medmip.store.engine_settings import EngineSettings
from medmip.store.errors import StoreError
from medmip.store.partition_folders import partition_folder
from medmip.store.partitions import Partitions
from medmip.store.snapshots import Datasets
from medmip.store.stored_partition import MANIFEST
from tests.store.in_object_store import BUCKET, secret

RECORDS = 1000


@pytest.fixture
def snapshot(home):
    patient = np.arange(RECORDS) // 3
    table = pa.table({"v": np.arange(RECORDS, dtype=float), "__patient": patient.astype(np.int32)})
    return Datasets(home).publish(table, "m:1", "d", "f.csv")


@pytest.fixture
def prefix(request):
    return request.node.name


@pytest.fixture
def partitions(home, object_store, prefix):
    said = object_store.settings(home, prefix)
    lines = "".join(f'{name} = "{value}"\n' for name, value in said.items())
    home.configuration.write_text(f'[engine]\nkind = "dask"\n{lines}')
    return Partitions(folder_of(home, said), 150)


def folder_of(home, said):
    return partition_folder(EngineSettings(kind="dask", **said), home)


def objects(object_store, prefix):
    selector = FileSelector(f"{BUCKET}/{prefix}", recursive=True, allow_not_found=True)
    return sorted(one.path for one in object_store.admin.get_file_info(selector) if one.is_file)


def read(partitions, parts):
    tables = []
    for part in parts:
        with partitions.folder.opened(part) as path:
            tables.append(pq.read_table(path))
    return tables


def test_every_record_comes_back(home, object_store, prefix, partitions, snapshot):
    parts = partitions.of(snapshot)
    held = pa.concat_tables(read(partitions, parts))
    assert sorted(held.column("v").to_pylist()) == list(range(RECORDS))
    assert len(objects(object_store, prefix)) == 7 + 1
    assert list(home.partitions.iterdir()) == []
    assert partitions.of(snapshot) == parts


def test_a_worker_that_only_reads_finds_them_and_no_secret_travels(
    home, object_store, prefix, partitions, snapshot
):
    parts = partitions.of(snapshot)
    sent = pickle.dumps(partitions.folder)
    assert secret("mip").encode() not in sent
    reader = folder_of(home, object_store.settings(home, prefix, "worker"))
    assert read(Partitions(pickle.loads(pickle.dumps(reader)), 150), parts)
    with partitions.folder.probe() as probe:
        assert reader.trouble(probe) == ""
        stranger = folder_of(home, object_store.settings(home, prefix, "worker", "wrong"))
        assert "cannot be used: " in stranger.trouble(probe)
    assert reader.trouble(probe).startswith("does not see s3://")
    assert not [one for one in objects(object_store, prefix) if "probe" in one]
    with pytest.raises(StoreError, match="ACCESS_DENIED"), reader.probe():
        pass
    with pytest.raises(StoreError, match="ACCESS_DENIED"):
        reader.forget([snapshot.hash])


def test_what_a_killed_writer_left_is_not_taken_and_is_removed(
    object_store, prefix, partitions, snapshot, monkeypatch
):
    def killed(*_):
        raise KeyboardInterrupt

    for left in (f"{'0' * 64}-2/part-00000.parquet", "somebody/else"):
        with object_store.admin.open_output_stream(f"{BUCKET}/{prefix}/{left}") as file:
            file.write(b"PAR1")
    monkeypatch.setattr(object_folder.ObjectFolder, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        partitions.of(snapshot)
    assert len(objects(object_store, prefix)) == 7 + 1
    monkeypatch.undo()
    parts = partitions.of(snapshot)
    assert len(read(partitions, parts)) == 7
    held = objects(object_store, prefix)
    assert len(held) == 7 + 1 + 1
    assert f"{BUCKET}/{prefix}/somebody/else" in held


def test_a_changed_object_is_refused_by_its_name(object_store, prefix, partitions, snapshot):
    part = partitions.of(snapshot)[2]
    path = f"{BUCKET}/{prefix}/{part.file}"
    with object_store.admin.open_input_file(path) as file:
        content = bytearray(file.readall())
    content[len(content) // 2] ^= 1
    with object_store.admin.open_output_stream(path) as file:
        file.write(bytes(content))
    with pytest.raises(StoreError, match=part.file):
        read(partitions, [part])
    object_store.admin.delete_file(path)
    with pytest.raises(StoreError, match="part-00002"):
        read(partitions, [part])


def test_a_damaged_list_is_refused(object_store, prefix, partitions, snapshot):
    partitions.of(snapshot)
    (manifest,) = [one for one in objects(object_store, prefix) if one.endswith(MANIFEST)]
    for content in (b"{", b"{}", b'{"partitions": []}', b'{"partitions": [{"file": "x"}]}'):
        with object_store.admin.open_output_stream(manifest) as file:
            file.write(content)
        with pytest.raises(StoreError, match=f"s3://{BUCKET}.*damaged"):
            partitions.of(snapshot)


def test_they_go_with_their_version(home, object_store, prefix, partitions, snapshot):
    datasets = Datasets(home)
    partitions.of(snapshot)
    table = pa.table({"v": [1.0, 2.0], "__patient": pa.array([0, 1], pa.int32())})
    newer = datasets.publish(table, "m:1", "d", "f.csv")
    partitions.of(newer)
    datasets.forget("m:1", "d", [1])
    held = objects(object_store, prefix)
    assert {one.split("/")[-2] for one in held} == {f"{newer.hash}-1"}
    datasets.remove("m:1", "d")
    assert objects(object_store, prefix) == []


def test_wrong_keys_and_a_store_that_is_gone_are_told_without_a_secret(
    home, object_store, prefix, partitions, snapshot, monkeypatch
):
    wrong = folder_of(home, object_store.settings(home, prefix, said="another secret"))
    with pytest.raises(StoreError) as told:
        wrong.forget([snapshot.hash])
    assert "SIGNATURE_DOES_NOT_MATCH" in str(told.value)
    assert "secret of" not in str(told.value)
    assert "another secret" not in str(told.value)
    nobody = replace(
        partitions.folder, bucket=replace(partitions.folder.bucket, credentials_file="")
    )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(StoreError, match="no keys for the object store"):
        nobody.manifest("x")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mip")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret("mip"))
    assert nobody.manifest("x") is None
    file = home.path / "mip.keys"
    file.chmod(0o644)
    with pytest.raises(StoreError, match="may be read by others"):
        partitions.of(snapshot)
    file.chmod(0o600)
    file.write_text(secret("mip"))
    with pytest.raises(StoreError, match="not in AWS's form") as told:
        partitions.of(snapshot)
    assert secret("mip") not in str(told.value)


def test_a_credential_of_systemd_holds_the_keys(home, object_store, prefix, monkeypatch):
    said = object_store.settings(home, prefix)
    keys = said.pop("credentials_file")
    folder = folder_of(home, said | {"credential": "mip.keys"})
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(StoreError, match="No credential was handed over"):
        folder.manifest("x")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(home.path))
    assert keys == str(home.path / "mip.keys")
    assert folder.manifest("x") is None


def test_a_clock_that_is_off_is_told(partitions, monkeypatch):
    monkeypatch.setattr(object_folder, "_CLOCK", -1.0)
    with pytest.raises(StoreError, match=r"clock is \d seconds"), partitions.folder.probe():
        pass


def test_a_store_that_does_not_answer_is_told(home, object_store, prefix):
    said = object_store.settings(home, prefix) | {"endpoint": "https://127.0.0.1:9"}
    folder = folder_of(home, said)
    with pytest.raises(StoreError, match="does not answer: ConnectError"), folder.probe():
        pass
    with pytest.raises(StoreError, match="object store cannot be used"):
        folder.manifest("x")
