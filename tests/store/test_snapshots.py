"""Published datasets: whole or not at all, named by their content, never lost."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medmip.store.errors import StoreError, UnknownDataset
from medmip.store.snapshots import Datasets, file_hash
from tests.store.models import table

MODEL = "toy:1.0"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def datasets(home):
    return Datasets(home)


def publish(datasets, patients=20, dataset="north", **more):
    return datasets.publish(table(patients), MODEL, dataset, "/ward/export.csv", **more)


def test_a_snapshot_tells_what_it_holds(datasets):
    before = datetime.now(UTC)
    snapshot = publish(datasets, synthetic=True)
    assert (snapshot.records, snapshot.patients, snapshot.version) == (20, 20, 1)
    assert snapshot.variables == ("subjectcode", "age", "volume", "gender", "dataset")
    assert snapshot.source == "export.csv"
    assert snapshot.synthetic
    assert before <= snapshot.published <= datetime.now(UTC)
    assert snapshot.path.name == f"{snapshot.hash}.parquet"
    assert file_hash(snapshot.path) == snapshot.hash
    assert set(pq.read_table(snapshot.path).column("dataset").to_pylist()) == {"north"}
    assert datasets.current(MODEL, "north") == snapshot


def test_files_are_their_owners_alone(datasets):
    snapshot = publish(datasets)
    assert snapshot.path.stat().st_mode & 0o777 == 0o600
    assert snapshot.path.parent.stat().st_mode & 0o777 == 0o700
    assert (snapshot.path.parent / "published.json").stat().st_mode & 0o777 == 0o600


def test_versions_roll_back_and_forth(datasets):
    first, second = publish(datasets, 20), publish(datasets, 30)
    assert [version.version for version in datasets.versions(MODEL, "north")] == [1, 2]
    assert datasets.rollback(MODEL, "north", 1) == first
    assert datasets.current(MODEL, "north") == first
    third = publish(datasets, 40)
    assert third.version == 3
    assert datasets.rollback(MODEL, "north", 2) == second
    with pytest.raises(UnknownDataset, match="1, 2, 3"):
        datasets.rollback(MODEL, "north", 9)


def test_equal_content_is_not_published_twice(datasets):
    first = publish(datasets)
    assert publish(datasets) == first
    publish(datasets, 30)
    again = publish(datasets)
    assert (again.hash, again.version) == (first.hash, 3)
    assert len(list(again.path.parent.glob("*.parquet"))) == 2


def test_a_parquet_file_is_copied_or_moved(datasets, tmp_path):
    file = tmp_path / "made.parquet"
    pq.write_table(table(20), file)
    copied = datasets.publish(file, MODEL, "north", "made.parquet")
    assert file.exists()
    moved = datasets.publish(file, MODEL, "south", "made.parquet", move=True)
    assert not file.exists()
    assert copied.hash == moved.hash


def test_lists_are_sorted_and_by_model(datasets):
    publish(datasets, dataset="south")
    publish(datasets, dataset="north")
    datasets.publish(table(20), "other:2", "east", "x.csv")
    assert [snapshot.dataset for snapshot in datasets.list()] == ["east", "north", "south"]
    assert [snapshot.dataset for snapshot in datasets.list(MODEL)] == ["north", "south"]
    assert datasets.list("none:1") == []


def test_a_removed_dataset_is_gone(datasets):
    folder = publish(datasets).path.parent
    datasets.remove(MODEL, "north")
    assert not folder.exists()
    assert datasets.list() == []
    for ask in (datasets.current, datasets.versions, datasets.remove):
        with pytest.raises(UnknownDataset):
            ask(MODEL, "north")


def test_a_changed_snapshot_is_found_out(datasets):
    first = publish(datasets, 20)
    second = publish(datasets, 30)
    datasets.verify(second)
    first.path.write_bytes(first.path.read_bytes()[:-1] + b"X")
    with pytest.raises(StoreError, match="was changed"):
        datasets.rollback(MODEL, "north", 1)
    assert datasets.current(MODEL, "north") == second
    second.path.unlink()
    with pytest.raises(StoreError, match="missing"):
        datasets.verify(second)


@pytest.mark.parametrize(
    "name", ["", "../evil", "a/b", ".hidden", "a b", "x" * 101, "a*", "k=v", "é"]
)
def test_names_cannot_leave_their_folder(datasets, name):
    with pytest.raises(StoreError):
        publish(datasets, dataset=name)
    with pytest.raises(StoreError):
        datasets.publish(table(), name, "north", "x.csv")


def test_two_models_never_share_a_folder(datasets):
    datasets.publish(table(), "a_b:1", "north", "x.csv")
    with pytest.raises(StoreError, match="another model"):
        datasets.publish(table(), "a:b_1", "north", "x.csv")


def without(column):
    return table().drop_columns([column])


@pytest.mark.parametrize(
    "bad",
    [
        without("__patient"),
        table(0),
        without("__patient").append_column("__patient", pa.array(range(1, 21))),
        without("__patient").append_column("__patient", pa.array([0] * 10 + [2] * 10)),
        without("__patient").append_column("__patient", pa.array([*range(19), None])),
        without("__patient").append_column("__patient", pa.array([-1, *range(19)])),
        without("__patient").append_column("__patient", pa.array(["x"] * 20)),
        without("age").append_column("age", pa.array([True] * 20)),
        without("age").append_column("age", pa.array([1] * 20, pa.int16())),
        table().append_column("age", table().column("age")),
    ],
)
def test_what_is_no_snapshot_is_refused_and_leaves_nothing(datasets, home, bad):
    with pytest.raises(StoreError):
        datasets.publish(bad, MODEL, "north", "x.csv")
    assert datasets.list() == []
    assert list(home.datasets.rglob("*.parti*")) == []
    assert list(home.datasets.rglob("*.parquet")) == []


def test_a_text_file_is_no_snapshot(datasets, tmp_path):
    (tmp_path / "x.parquet").write_text("secret")
    with pytest.raises(StoreError) as caught:
        datasets.publish(tmp_path / "x.parquet", MODEL, "north", "x.csv")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"model": "toy:1.0", "dataset": "north", "current": 7, "versions": []}',
        '{"model": "toy:1.0", "dataset": "north", "current": 1, "versions": [{}]}',
        '{"model": "toy:1.0", "dataset": "north", "current": 1, "versions": [3]}',
    ],
)
def test_a_damaged_list_is_told_not_overwritten(datasets, damage):
    pointer = publish(datasets).path.parent / "published.json"
    pointer.write_text(damage)
    for act in (
        lambda: datasets.current(MODEL, "north"),
        lambda: publish(datasets, 30),
        datasets.list,
    ):
        with pytest.raises(StoreError, match="damaged"):
            act()
    assert pointer.read_text() == damage


def test_datasets_of_one_publication_become_current_together(datasets, home):
    both = datasets.publish_all({"south": table(20), "north": table(30)}, MODEL, "x.csv")
    assert [snapshot.dataset for snapshot in both] == ["south", "north"]
    assert datasets.list() == [both[1], both[0]]
    again = datasets.publish_all({"south": table(20), "north": table(40)}, MODEL, "y.csv")
    assert again[0] == both[0]
    assert (again[1].version, again[1].records) == (2, 40)
    assert not (home.datasets / "commit.json").exists()


def test_one_bad_dataset_keeps_all_from_being_published(datasets, home):
    former = publish(datasets, 20)
    bad = {"north": table(30), "south": table(20), "east": without("__patient")}
    with pytest.raises(StoreError, match="__patient"):
        datasets.publish_all(bad, MODEL, "x.csv")
    with pytest.raises(StoreError, match="code is made of"):
        datasets.publish_all({"west": table(20), "a/b": table(20)}, MODEL, "x.csv")
    assert datasets.list() == [former]
    assert [file.name for file in home.datasets.rglob("*.parquet")] == [former.path.name]


def test_what_a_killed_publisher_decided_is_carried_out_by_the_next_reader(datasets, home):
    north, _ = publish(datasets), publish(datasets, dataset="south")
    pointers = [home.dataset_folder(MODEL, code) / "published.json" for code in ("north", "south")]
    before = [pointer.read_bytes() for pointer in pointers]
    datasets.publish_all({"north": table(30), "south": table(30)}, MODEL, "x.csv")
    decided = [
        {"model": MODEL, "dataset": pointer.parent.name, "content": pointer.read_text()}
        for pointer in pointers
    ]
    for ask in (
        datasets.list,
        lambda: datasets.current(MODEL, "south"),
        lambda: datasets.versions(MODEL, "north"),
        lambda: datasets.rollback(MODEL, "north", 1),
    ):
        for pointer, content in zip(pointers, before, strict=True):
            pointer.write_bytes(content)
        (home.datasets / "commit.json").write_text(json.dumps(decided))
        ask()
        assert not (home.datasets / "commit.json").exists()
        assert datasets.current(MODEL, "south").records == 30
    assert datasets.current(MODEL, "north") == north


@pytest.mark.parametrize(
    "damage",
    [
        "",
        '{"lists": 1}',
        '[{"model": "toy:1.0"}]',
        '[{"model": "..", "dataset": "x", "content": "{}"}]',
        "[1]",
    ],
)
def test_a_damaged_record_of_a_publication_is_told(datasets, home, damage):
    publish(datasets)
    (home.datasets / "commit.json").write_text(damage)
    for act in (datasets.list, lambda: publish(datasets, 30)):
        with pytest.raises(StoreError, match="being published is damaged"):
            act()
    assert (home.datasets / "commit.json").read_text() == damage


def test_publishers_take_turns(datasets):
    sizes = range(20, 32)
    threads = [threading.Thread(target=publish, args=(datasets, size)) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = datasets.versions(MODEL, "north")
    assert [version.version for version in versions] == list(range(1, 13))
    assert sorted(version.records for version in versions) == list(sizes)


def test_leftovers_of_a_killed_run_are_cleaned_at_the_next(datasets, home):
    folder = publish(datasets, 20).path.parent
    leftovers = [folder / "0011.partial", folder / f"{'a' * 64}.parquet"]
    leftovers.append(home.datasets / "beef.partial" / "x.parquet")
    leftovers[-1].parent.mkdir()
    for leftover in leftovers:
        leftover.write_bytes(b"half")
    publish(datasets, 30)
    assert not any(leftover.exists() for leftover in leftovers)
    assert len(list(folder.glob("*.parquet"))) == 2


def test_a_kill_at_any_moment_leaves_the_former_or_the_new_snapshot(home):
    """The issue's claim: SIGKILL while publishing never loses, halves or corrupts a dataset."""
    randomly = random.Random(20)
    datasets, newest = Datasets(home), 0
    publish(datasets, 2_000)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.store.killed_publisher", str(home.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
    ) as publisher:
        for _ in range(60):
            publisher.stdin.write(f"{newest} {randomly.uniform(0.0, 0.12)}\n")
            publisher.stdin.flush()
            assert int(publisher.stdout.readline()) == -signal.SIGKILL
            current = datasets.current(MODEL, "north")
            assert current.version >= newest
            newest = current.version
            datasets.verify(current)
            assert pq.read_table(current.path).num_rows == current.records == 2_000
        publisher.stdin.close()
    assert newest > 3
    versions = datasets.versions(MODEL, "north")
    assert [version.version for version in versions] == list(range(1, newest + 1))
    for version in versions:
        datasets.verify(version)
    last = publish(datasets, 20)
    kept = {f"{version.hash}.parquet" for version in datasets.versions(MODEL, "north")}
    assert {file.name for file in last.path.parent.iterdir()} == {"published.json", *kept}
