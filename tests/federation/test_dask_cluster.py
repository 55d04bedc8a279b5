"""A cluster with real processes: the same figures and bits, faults included, or a clear end."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from pyarrow.fs import FileSelector

from medmip.algorithms.registry import find
from medmip.authoring.analysis import ACCESS, analyse, cohort_of, model_of, site_of
from medmip.catalogue.model_store import ModelStore
from medmip.cli.main import main
from medmip.experiments.preparation import Preparation, analysed, prepared_spec
from medmip.experiments.request import Request
from medmip.experiments.service import ExperimentService
from medmip.federation import dask_cluster, dask_spread
from medmip.federation.address import Address
from medmip.federation.authority import Authority, TlsKey
from medmip.federation.clock import now
from medmip.federation.dask_connection import ClusterTrouble
from medmip.federation.in_process import open_cohort
from medmip.federation.partition_work import (
    Ask,
    Piece,
    Row,
    WorkFailed,
    asked,
    dealt,
    folded,
    own_version,
)
from medmip.federation.specification import CohortSpec
from medmip.fold.local import Cancelled
from medmip.store.engine import Partition, Selection
from medmip.store.errors import StoreError
from medmip.store.partition_folders import SharedFolder
from medmip.store.snapshots import Datasets
from medmip.store.stored_partition import StoredPartition
from medmip.store.visits import Visits
from tests.federation.in_cluster import Cluster
from tests.federation.test_pooled import apart
from tests.ingest.files import WARD
from tests.ports import free_port
from tests.store.in_object_store import BUCKET

RECORDS = 900


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), patience=60)
    yield cluster
    cluster.close()


def columns(seed=1, visits=1):
    rng = np.random.default_rng(seed)
    patient = np.arange(RECORDS) // visits
    data = {code: rng.normal(size=RECORDS) for code in ("a", "b", "y")}
    data["y"] += data["a"]
    data["dataset"] = np.where(patient % 3 == 0, "one", "two")
    if visits > 1:
        data["subjectid"] = np.array([f"P{number:05}" for number in patient])
        data["visitid"] = np.array([f"V{number % visits}" for number in range(RECORDS)])
    return data


def regression(data, cluster=None, **options):
    moved = {"moved": cluster.site} if cluster else {}
    asked = {"y": ["y"], "x": ["a", "b"]} | options
    return analyse("linear_regression", data, **asked, **moved).model_dump()


@pytest.fixture
def begun():
    """Calls in a thread; what it returns waits for what that gives or raises."""
    pool = ThreadPoolExecutor(1)
    yield lambda call: partial(pool.submit(call).result, 60)
    pool.shutdown(wait=False)


def test_a_rerun_gives_the_same_bits(cluster):
    data = columns()
    found = regression(data, cluster)
    assert list(apart(regression(data), found)) == []
    assert regression(data, cluster) == found


def test_rows_cut_in_any_way_give_the_same_bits(cluster, tmp_path, monkeypatch):
    data, each = columns(6), RECORDS // 150
    shared = regression(data, moved=cluster.divided(tmp_path / "shared", each))
    monkeypatch.setattr(
        dask_spread, "dealt", lambda pieces, homes: dealt(pieces, [*homes, *homes, homes[0]])
    )
    assert regression(data, moved=cluster.divided(tmp_path / "more", each)) == shared


@pytest.mark.parametrize(
    "records, homes, expected",
    [
        ([10] * 5, 2, [(0, 2, "0"), (2, 3, "1")]),
        ([100, 1, 1, 1], 2, [(0, 1, "0"), (1, 3, "1")]),
        ([5, 5], 4, [(0, 1, "1"), (1, 1, "3")]),
        ([7], 3, [(0, 1, "1")]),
        ([], 3, []),
    ],
)
def test_rows_have_about_as_many_records(records, homes, expected):
    pieces = [piece(records=many) for many in records]
    rows = list(dealt(pieces, [str(number) for number in range(homes)]))
    assert [(row.first, len(row.pieces), row.home) for row in rows] == expected
    assert {row.all for row in rows} <= {len(records)}


def piece(folder=None, records=1):
    selection = Selection("m:1", (), (), (), {})
    part = StoredPartition("x/part-00000.parquet", "", records)
    return Piece("n", folder, part, selection, 0, None, None, 0, 16)


def test_patients_are_dealt_as_this_process_deals_them(cluster):
    partition = Partition(folds=3, seed=5, patient="subjectid")
    options = {"y": ["y"], "x": ["a"], "partition": partition, "key": b"secret"}
    data = columns(visits=3)
    here = cohort_of(data, **options)
    there = cohort_of(data, **options, moved=cluster.site)
    for groups in ((0,), (1, 2)):
        assert there.share(groups).size == here.share(groups).size
    result, expected = (
        find("linear_regression")
        .run(cohort.share((1, 2)), find("linear_regression").parameters())
        .model_dump()
        for cohort in (there, here)
    )
    assert list(apart(expected, result)) == []


def test_visits_made_one_and_draws_for_each_record_are_the_same(cluster, tmp_path):
    data = columns(visits=3)
    data["a"][::7] = np.nan
    model = model_of(data)
    known = {variable.code: variable for variable in model.variables}
    multiple = {"method": "multiple", "imputations": 2, "iterations": 1, "seed": 3}
    preparation = Preparation.model_validate({"longitudinal": {}, "imputation": multiple})
    roles = (known["y"],), (known["a"], known["b"])
    spec = CohortSpec(
        model, ("one", "two"), *roles, None, "drop", visits=Visits.of(model, {}, None)
    )
    spec = prepared_spec(spec, preparation)
    site = site_of(tmp_path, model, data, key=b"secret")
    algorithm = find("linear_regression")
    here, there = (
        analysed(
            open_cohort([one], spec, ACCESS), algorithm, algorithm.parameters(), preparation, known
        )[0].model_dump()
        for one in (site, cluster.site(site))
    )
    assert list(apart(here, there)) == []


def test_a_worker_killed_in_mid_round_changes_no_bit(cluster, begun):
    data = columns(2)
    expected = regression(data, cluster)
    doomed = next(iter(cluster.processes().values()))
    # Stopped, so that the round has begun and cannot end before the worker is killed.
    os.kill(doomed, signal.SIGSTOP)
    ended = begun(lambda: regression(data, cluster))
    time.sleep(0.5)
    os.kill(doomed, signal.SIGKILL)
    assert ended() == expected
    cluster.processes()
    time.sleep(dask_cluster._COUNTED)
    # Who took the killed one's place is given its share again.
    assert regression(data, cluster) == expected
    spread = next(reversed(cluster.workers._spread.values()))
    assert {row.home for row in spread.rows} == set(cluster.processes())


def test_a_worker_that_does_not_get_on_is_told_by_name(cluster, begun, monkeypatch):
    data = columns(3)
    expected = regression(data, cluster)
    hasty = cluster.settings.model_copy(update={"patience": 3})
    monkeypatch.setattr(cluster.workers, "_settings", hasty)
    address, process = next(iter(cluster.processes().items()))
    os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(ClusterTrouble) as told:
            begun(lambda: regression(data, cluster))()
    finally:
        os.kill(process, signal.SIGCONT)
    assert "has not got on for 3 seconds" in str(told.value)
    assert f".parquet at {address}" in str(told.value)
    monkeypatch.undo()
    assert regression(data, cluster) == expected


def test_a_worker_that_keeps_others_waiting_is_named_to_who_waits_and_in_the_log(
    cluster, begun, monkeypatch, caplog
):
    data = columns(7)
    expected = regression(data, cluster)
    monkeypatch.setattr(dask_cluster, "_SLOW", 0.5)
    watching = Watching()
    cohort = cohort_of(data, y=["y"], x=["a", "b"], moved=cluster.site)
    rounds = replace(cohort.transport.rounds, watcher=watching)
    cohort = replace(cohort, transport=replace(cohort.transport, rounds=rounds))
    algorithm = find("linear_regression")
    address, process = next(iter(cluster.processes().items()))
    os.kill(process, signal.SIGSTOP)
    try:
        ended = begun(lambda: algorithm.run(cohort, algorithm.parameters()).model_dump())
        until = time.monotonic() + 30
        while not any(watching.awaited) and time.monotonic() < until:
            time.sleep(0.1)
        (told,) = filter(None, watching.awaited)
    finally:
        os.kill(process, signal.SIGCONT)
    assert ended() == expected
    assert told.startswith(f"worker {address.removeprefix('tls://')} since ")
    assert watching.awaited[-1] == ""
    assert "keep the others waiting" in caplog.text
    assert address in caplog.text


def test_the_object_store_s_end_ends_the_run_with_the_reason(cluster, object_store):
    store = object_store.settings(cluster.home, "gone")
    moved = cluster.divided(store["folder"], 150, store)
    expected = regression(columns(10), moved=moved)
    object_store.stop()
    try:
        with pytest.raises(StoreError, match="The object store cannot be used"):
            regression(columns(10), moved=moved, x=["a"])
    finally:
        object_store.start()
    assert regression(columns(10), moved=moved) == expected


def test_a_changed_partition_is_refused_by_its_name(cluster):
    data = columns(4)
    expected = regression(data, cluster)
    newest = max(cluster.home.partitions.glob("*/part-00001.parquet"), key=os.path.getmtime)
    content = newest.read_bytes()
    newest.write_bytes(content[:-20] + bytes(20))
    with pytest.raises(StoreError, match=f"{newest.parent.name}/part-00001.parquet"):
        regression(data, cluster, x=["a"])
    newest.write_bytes(content)
    assert regression(data, cluster) == expected
    regression(data, cluster, x=["a"])


def test_partitions_in_an_object_store_give_the_same_bits(cluster, object_store, tmp_path):
    data = columns(9)
    store = object_store.settings(cluster.home, "cluster")
    moved = cluster.divided(store["folder"], 150, store)
    shared = cluster.divided(tmp_path / "shared", 150)
    assert regression(data, moved=moved) == regression(data, moved=shared)
    assert cluster.asked(store).check() == (sorted(cluster.processes()), [])
    selector = FileSelector(f"{BUCKET}/cluster", recursive=True)
    for one in object_store.admin.get_file_info(selector):
        if one.path.endswith("part-00001.parquet"):
            with object_store.admin.open_output_stream(one.path) as file:
                file.write(b"PAR1")
    with pytest.raises(StoreError, match=r"part-00001.parquet is missing or was changed"):
        regression(data, moved=moved, x=["a"])


class Watching:
    """Keeps how far a run was told to be."""

    def __init__(self, stop=False):
        self.told = []
        self.awaited = []
        self.stop = stop

    def advanced(self, _rounds, fraction):
        self.told.append(fraction)

    def held_up(self, by):
        self.awaited.append(by)

    def cancelled(self):
        return self.stop


def test_a_cancelled_fold_ends_and_the_cluster_goes_on(cluster):
    data = columns(5)
    cohort = cohort_of(data, y=["y"], x=["a"], moved=cluster.site)
    rounds = replace(cohort.transport.rounds, watcher=Watching(stop=True))
    cohort = replace(cohort, transport=replace(cohort.transport, rounds=rounds))
    with pytest.raises(Cancelled):
        find("linear_regression").run(cohort, find("linear_regression").parameters())
    regression(data, cluster)


def test_workers_keep_the_memory_that_sums_need_again(cluster):
    names = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
    client = cluster.workers._connection.client()
    told = client.run(lambda: [os.environ.get(name) for name in names])
    assert set(map(tuple, told.values())) == {("134217728", "33554432")}


def test_progress_counts_every_record(cluster):
    watching = Watching()
    cohort = cohort_of(columns(6), y=["y"], x=["a"], moved=cluster.site)
    rounds = replace(cohort.transport.rounds, watcher=watching)
    cohort = replace(cohort, transport=replace(cohort.transport, rounds=rounds))
    find("linear_regression").run(cohort, find("linear_regression").parameters())
    assert watching.told[watching.told.index(None) - 1] == 1.0


def test_workers_run_nothing_but_kernels_of_their_own_version():
    for software, kernel, told in (
        ("0.0.1", "medmip.fold.moments:moments", "0.0.1 asks it"),
        (own_version(), "os:system", "knows no kernel os:system"),
        (own_version(), "medmip.store.stored_partition:changed", "knows no kernel"),
    ):
        with pytest.raises(WorkFailed, match=told):
            asked(Ask(software, kernel, b"", None, ()))


def test_what_fails_inside_is_told_by_kind_alone(cluster, tmp_path):
    row = Row((piece(SharedFolder(tmp_path)),), 0, 1, "")
    ask = Ask(own_version(), "medmip.federation.site:dataset_counts", b"\x02", None, ())
    client = cluster.workers._connection.client()
    failure = client.submit(folded, row, ask, "topic", "question").result(60).failure
    # A selection of no version cannot be unpacked.
    assert failure.what == "x/part-00000.parquet was not folded: ValueError"
    assert any("partition_work" in frame for frame in failure.frames)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A scheduler and a worker of their own, under TLS of one authority; and the settings."""
    tmp_path = tmp_path_factory.mktemp("elsewhere")
    authority = Authority.made("test", now())

    def written(name, authority):
        key = TlsKey.made()
        key.write(tmp_path / f"{name}.key")
        certificate = authority.for_server(key.public, (Address("127.0.0.1", 0),), now())
        (tmp_path / f"{name}.pem").write_bytes(certificate)

    (tmp_path / "ca.pem").write_bytes(authority.pem)
    written("node", authority)
    written("stranger", Authority.made("test", now()))
    files = [f"--tls-{what}={tmp_path}/{name}" for what, name in
             (("ca-file", "ca.pem"), ("cert", "node.pem"), ("key", "node.key"))]  # fmt: skip
    address = f"tls://127.0.0.1:{free_port()}"
    port = address.rpartition(":")[2]
    processes = [
        subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", *files,
                          "--protocol=tls", "--host=127.0.0.1", f"--port={port}",
                          "--no-dashboard", "--no-show"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
        subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_worker", address, *files,
                          "--protocol=tls", "--host=127.0.0.1", "--nthreads=1", "--no-nanny",
                          "--no-dashboard", f"--local-directory={tmp_path}/scratch"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL),
    ]  # fmt: skip
    settings = {
        "scheduler": address,
        "folder": str(tmp_path / "shared"),
        "ca_file": str(tmp_path / "ca.pem"),
        "certificate_file": str(tmp_path / "node.pem"),
        "key_file": str(tmp_path / "node.key"),
    }
    first = Cluster(tmp_path / "first", **settings)
    try:
        deadline = time.monotonic() + 60
        while first.workers.check()[1] and time.monotonic() < deadline:
            time.sleep(0.2)
        yield processes, settings, tmp_path
    finally:
        first.close()
        for process in processes:
            process.kill()
            process.wait()


def test_one_worker_elsewhere_gives_the_same_bits_to_mips_certificate_alone(cluster, elsewhere):
    _, settings, folder = elsewhere
    data = columns(7)
    remote = Cluster(folder / "remote", **settings)
    try:
        assert regression(data, remote) == regression(data, cluster)
    finally:
        remote.close()
    other = {
        "certificate_file": str(folder / "stranger.pem"),
        "key_file": str(folder / "stranger.key"),
    }
    stranger = Cluster(folder / "stranger", **settings | other)
    with pytest.raises(ClusterTrouble, match="cannot be reached"):
        stranger.workers.check()


def test_a_run_names_its_engine_and_the_doctor_looks_at_the_cluster(home, capsys, elsewhere):

    rng = np.random.default_rng(8)
    table = pa.table({
        "subjectcode": [f"p{number}" for number in range(300)],
        "age": rng.integers(30, 90, 300),
        "volume": rng.normal(size=300),
        "dataset": ["north"] * 300,
        "__patient": pa.array(np.arange(300), pa.int32()),
    })  # fmt: skip
    ModelStore(home).add(WARD)
    Datasets(home).publish(table, WARD.key, "north", "f.csv")
    _, settings, folder = elsewhere
    said = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
    home.configuration.write_text(f'[engine]\nkind = "dask"\npartition_records = 100\n{said}')
    service = ExperimentService(home)
    try:
        done = service.run(
            Request.model_validate(
                {
                    "inputdata": {"data_model": WARD.key, "datasets": ["north"], "y": ["volume"],
                                  "x": ["age"], "filters": None},
                    "algorithm": "linear_regression",
                    "parameters": {},
                }
            )
        )  # fmt: skip
    finally:
        service.close()
    assert done.state == "done", done
    assert [used.engine for used in done.provenance.snapshots] == ["dask"]
    assert (
        len([*(folder / "shared").glob(f"{done.provenance.snapshots[0].hash}-*/part-*.parquet")])
        == 3
    )
    with contextlib.suppress(SystemExit):
        main(["doctor", "--home", str(home.path)])
    assert "ok    cluster: workers: 1, with" in capsys.readouterr().out


# What Dask leaves open of a connection that is refused is its own affair.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_end_of_the_scheduler_in_mid_round_ends_the_run_with_the_reason(elsewhere, begun):
    (scheduler, worker), settings, folder = elsewhere
    data = columns(7)
    remote = Cluster(folder / "last", **settings)
    try:
        regression(data, remote)
        worker.send_signal(signal.SIGSTOP)
        ended = begun(lambda: regression(data, remote))
        time.sleep(0.5)
        scheduler.kill()
        with pytest.raises(ClusterTrouble, match="lost in the middle of a round"):
            ended()
    finally:
        remote.close()
