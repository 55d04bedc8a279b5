"""Importing: all or nothing, quarantine, versions, differencing, memory, real files."""

import csv
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medmip.catalogue.cdes import read_cdes
from medmip.ingest import IngestError, Kind, NotClean, Options, SmallChange, check, import_file
from medmip.ingest.publish import bring_in
from medmip.ingest.work import work_folder
from medmip.privacy.policy import Policy
from medmip.store.snapshots import Datasets
from tests.ingest.files import CLEAN, CLOSED, SECRET, VISITS, WARD, rows
from tests.ingest.generate import write as generate

ROOT = Path(__file__).parents[2]


def patients(*numbers, age=40):
    return rows(*[f"p{number},{age},1.5,F" for number in numbers])


def test_a_clean_file_is_published(home, write):
    (snapshot,) = import_file(home, write(CLEAN), WARD, "ward")
    assert (snapshot.records, snapshot.patients, snapshot.source) == (3, 3, "ward.csv")
    assert snapshot.variables == ("subjectcode", "age", "volume", "gender", "dataset")
    schema = pq.read_schema(snapshot.path)
    assert [str(field.type) for field in schema] == [
        "string", "int64", "double", "string", "string", "int32",
    ]  # fmt: skip
    assert Datasets(home).current("ward:1.0", "ward") == snapshot


def test_snapshots_are_compressed_in_row_groups(home, tmp_path):
    from tests.ingest.generate import model

    generate(tmp_path / "big.csv", 140_000)
    (snapshot,) = import_file(home, tmp_path / "big.csv", model(), "big")
    metadata = pq.ParquetFile(snapshot.path).metadata
    first, rest = (metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    assert 131_072 <= first < 131_072 + 2_048, "whole vectors of the engine"
    assert first + rest == 140_000
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    assert pq.read_table(snapshot.path, columns=["subjectcode"]).column(0)[-1].as_py() == "P139999"


def test_nothing_is_published_of_a_bad_file_nor_left_behind(home, write):
    good = import_file(home, write(CLEAN), WARD, "ward")
    with pytest.raises(NotClean) as caught:
        import_file(home, write(rows("p1,1,1,X")), WARD, "ward")
    assert caught.value.report.problems[0].kind is Kind.UNKNOWN_LEVEL
    assert "--quarantine" in str(caught.value)
    assert Datasets(home).versions("ward:1.0", "ward") == good
    assert list((home.path / "work").iterdir()) == []


def test_a_file_of_several_datasets_is_all_or_nothing(home, write):
    header = "dataset,subjectcode,age"
    with pytest.raises(NotClean):
        import_file(home, write(rows("north,p1,1", "south,p2,999", header=header)), CLOSED)
    assert Datasets(home).list() == []
    snapshots = import_file(home, write(rows("south,p1,1", "north,p2,2", header=header)), CLOSED)
    assert [snapshot.dataset for snapshot in snapshots] == ["north", "south"]


def test_the_same_file_again_is_no_new_version(home, write):
    first = import_file(home, write(CLEAN), WARD, "ward")
    assert import_file(home, write(CLEAN), WARD, "ward") == first


def test_synthetic_patients_are_marked(home, write):
    done = bring_in(home, write(CLEAN), WARD, "ward", synthetic=True)
    assert [snapshot.synthetic for snapshot in done.snapshots] == [True]


def test_bad_rows_are_set_aside_and_the_rest_published(home, write):
    content = rows(
        "p1,40,1,F", "p2,999,1,X", "p3,50", "", "p4,60,2,M", "p5,1,1,F", "p5,2,2,M", 'p6,1,1,"F"x'
    )
    done = bring_in(home, write(content), WARD, "ward", quarantine=True)
    (snapshot,) = done.snapshots
    assert pq.read_table(snapshot.path).column("subjectcode").to_pylist() == ["p1", "p4"]
    assert pq.read_table(snapshot.path).column("__patient").to_pylist() == [0, 1]
    assert done.quarantined.stat().st_mode & 0o777 == 0o600
    assert home.path in done.quarantined.parents
    with done.quarantined.open(newline="") as file:
        aside = list(csv.DictReader(file))
    assert [int(row["__row"]) for row in aside] == [3, 4, 7, 8, 9]
    assert aside[0]["gender"] == "X"
    assert "age: above the maximum 120" in aside[0]["__rules"]
    assert "gender: not among the 2 levels" in aside[0]["__rules"]
    assert (aside[1]["__line"], aside[1]["subjectcode"]) == ("p3,50", "")
    assert aside[4]["__line"] == 'p6,1,1,"F"x'


def test_a_clean_file_leaves_no_quarantine(home, write):
    assert bring_in(home, write(CLEAN), WARD, "ward", quarantine=True).quarantined is None


def test_what_concerns_the_whole_file_cannot_be_set_aside(home, write):
    for content in ("subjectcode,aeg\np1,3\n", 'subjectcode,remark\np1,"x\n', ""):
        with pytest.raises(NotClean) as caught:
            import_file(home, write(content), WARD, "ward", quarantine=True)
        assert "--quarantine" not in str(caught.value)


def test_nothing_left_is_an_error(home, write):
    with pytest.raises(IngestError, match="No row is left"):
        import_file(home, write(rows("p1,1,1,X")), WARD, "ward", quarantine=True)


@pytest.mark.parametrize(
    "after,told",
    [
        (patients(*range(31)), "1 added, 0 removed, 0 changed"),
        (patients(*range(29)), "0 added, 1 removed, 0 changed"),
        (patients(*range(28), 90), "1 added, 2 removed, 0 changed"),
        (patients(*range(30)).replace("p7,40", "p7,41"), "0 added, 0 removed, 1 changed"),
    ],
)
def test_a_small_change_must_be_wanted(home, write, after, told):
    import_file(home, write(patients(*range(30))), WARD, "ward")
    with pytest.raises(SmallChange, match=told):
        import_file(home, write(after), WARD, "ward")
    assert Datasets(home).current("ward:1.0", "ward").version == 1
    done = bring_in(home, write(after), WARD, "ward", allow_small_change=True)
    assert done.snapshots[0].version == 2


def test_a_small_change_to_an_older_version_counts_too(home, write):
    import_file(home, write(patients(*range(30))), WARD, "ward")
    import_file(home, write(patients(*range(60))), WARD, "ward")
    with pytest.raises(SmallChange, match="version 1"):
        import_file(home, write(patients(*range(31))), WARD, "ward")


def test_a_large_change_and_a_policy_that_allows(home, write):
    import_file(home, write(patients(*range(30))), WARD, "ward")
    assert import_file(home, write(patients(*range(40))), WARD, "ward")[0].version == 2
    done = bring_in(
        home, write(patients(*range(41))), WARD, "ward", policy=Policy(minimum_patients=1)
    )
    assert done.snapshots[0].version == 3


def test_order_and_columns_alone_are_no_change_of_patients(home, write):
    import_file(home, write(patients(*range(30))), WARD, "ward")
    import_file(home, write(patients(*reversed(range(30)))), WARD, "ward")
    narrower = "\n".join(line.rsplit(",", 1)[0] for line in patients(*range(30)).splitlines())
    assert import_file(home, write(narrower), WARD, "ward")[0].version == 3


def test_imports_run_beside_each_other(home, write):
    files = [write(patients(*range(10 * n, 10 * n + 20)), f"{n}.csv") for n in range(6)]
    threads = [
        threading.Thread(target=import_file, args=(home, file, WARD, f"ward{index}"))
        for index, file in enumerate(files)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Datasets(home).list()) == 6


def test_the_folder_of_a_killed_import_is_removed_by_the_next(home):
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, sys\nfrom pathlib import Path\nfrom medmip.catalogue.home import Home\n"
            "from medmip.ingest.work import work_folder\n"
            "with work_folder(Home(Path(sys.argv[1]))) as folder:\n"
            "    (folder / 'copy.csv').write_text('x')\n    os.kill(os.getpid(), 9)\n",
            str(home.path),
        ],
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )
    assert killed.returncode == -9
    (abandoned,) = (home.path / "work").iterdir()
    assert abandoned.stat().st_mode & 0o777 == 0o700
    with work_folder(home) as first, work_folder(home) as second:
        assert {first, second} == set((home.path / "work").iterdir())
    assert list((home.path / "work").iterdir()) == []


def test_progress_is_told(home, write):
    steps = []
    import_file(
        home, write(CLEAN), WARD, "ward", progress=lambda step, done: steps.append((step, done))
    )
    assert [step for step, _ in steps] == [
        "Detecting", "Copying", "Reading", "Checking", "Looking for identifiers",
        "Writing ward", "Judging ward", "Publishing",
    ]  # fmt: skip
    assert ("Copying", 1.0) in steps


def test_too_little_memory_is_told_without_a_value(home, write):
    content = rows(*[f"{SECRET}{i},1,1,F" for i in range(60_000)])
    with pytest.raises(IngestError) as caught:
        import_file(home, write(content), WARD, "ward", Options(memory="1MB"))
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("kind", ["cross", "long"])
def test_memory_is_bounded_whatever_the_file(home, tmp_path, kind):
    """160 MB in far less than 1 GB: the engine's limit of 512 MB and what Python itself takes."""
    file = tmp_path / "big.csv"
    generate(file, 200_000, longitudinal=kind == "long")
    assert file.stat().st_size > 140e6
    done = subprocess.run(
        [sys.executable, "-m", "tests.ingest.measured_import", str(file), str(home.path), kind],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
    )
    measured = json.loads(done.stdout)
    assert measured["records"] == 200_000
    assert measured["patients"] == (100_000 if kind == "long" else 200_000)
    assert measured["peak_mb"] < 800


@pytest.mark.peer
@pytest.mark.parametrize(
    "folder,files,model",
    [
        ("dementia_v_0_1", 33, "dementia:0.1"),
        ("longitudinal_dementia_v_0_1", 4, "longitudinal_dementia:0.1"),
        ("tbi_v_0_1", 11, "tbi:0.1"),
    ],
)
def test_all_real_datasets_are_imported(home, peer_suite, folder, files, model):
    cdes = read_cdes((peer_suite / "datasets" / folder / "CDEsMetadata.json").read_bytes())
    assert cdes.key == model
    paths = sorted((peer_suite / "datasets" / folder).glob("*.csv"))
    for path in paths:
        with path.open(newline="") as file:
            expected = list(csv.DictReader(file))
        (snapshot,) = import_file(home, path, cdes)
        assert snapshot.records == len(expected)
        table = pq.read_table(snapshot.path)
        visit = cdes.visit_column
        key = [cdes.patient_column, visit] if visit else [cdes.patient_column]
        held = {tuple(row[name] for name in key): row for row in table.to_pylist()}
        for row in expected:
            same = held[tuple(row[name] for name in key)]
            for name, cell in row.items():
                if cell == "":
                    assert same[name] is None, name
                elif cdes.variable(name).is_numeric:
                    assert same[name] == float(cell), name
                else:
                    assert same[name] == cell, name
    assert len(Datasets(home).list(model)) == len(paths) == files


@pytest.mark.parametrize("model", [WARD, CLOSED, VISITS])
def test_the_original_platforms_bad_files_are_refused_with_reasons(peer_suite, home, model):
    folder = peer_suite.parent / "research" / "data" / "original" / "qctool"
    if not folder.is_dir():
        pytest.skip("the original's quality-control files are not here")
    for path in sorted(folder.glob("*.csv")):
        report = check(path, model, "north", home=home)
        assert not report.clean
        assert report.blocked
