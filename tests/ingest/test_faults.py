"""Whatever goes wrong under an import, the former state stays and the message says what it was."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medmip.ingest import reading
from medmip.ingest.errors import IngestError
from medmip.ingest.publish import bring_in
from medmip.store.snapshots import Datasets
from tests.conftest import missing
from tests.ingest.files import CLEAN, SECRET, WARD

ROOT = Path(__file__).parents[2]
GIGABYTE = 1 << 30
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}


def importer(home, file, most=0):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.ingest.limited_import", str(home.path), str(file), str(most)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
    )


def told(process):
    out, err = process.communicate(timeout=280)
    assert "Traceback" not in err, err
    *message, peak = out.splitlines()
    return "\n".join(message), float(peak)


def many(count, secret=""):
    lines = [f"{secret}p{index},{index % 90},{index % 90}.5,F" for index in range(count)]
    return "\n".join(["subjectcode,age,volume,gender", *lines, ""])


@pytest.mark.parametrize("most", [1 << 12, 1 << 17, 1 << 20])
def test_a_full_disk_leaves_the_former_version(home, write, most):
    bring_in(home, write(CLEAN), WARD, "ward")
    message, _ = told(importer(home, write(many(60_000, SECRET), "big.csv"), most))
    assert "version" not in message.splitlines()[0]
    assert any(word in message for word in ("disk", "space", "too large", "written")), message
    assert SECRET not in message
    current = Datasets(home).current(WARD.key, "ward")
    Datasets(home).verify(current)
    assert (current.version, current.source) == (1, "ward.csv")
    assert bring_in(home, write(CLEAN), WARD, "ward").snapshots[0].version == 1


def test_an_import_killed_in_the_midst_of_its_work_leaves_the_former_version(home, write):
    """Wherever it is: at reading, checking, writing or publishing, told by the time it has run."""
    big = write(many(400_000), "big.csv")
    bring_in(home, write(CLEAN), WARD, "ward")
    begun = time.monotonic()
    told(importer(home, big))
    whole = time.monotonic() - begun
    datasets = Datasets(home)
    assert datasets.current(WARD.key, "ward").source == "big.csv"
    for part in range(1, 6):
        datasets.rollback(WARD.key, "ward", 1)
        process = importer(home, write(many(400_000 + part), "big.csv"))
        time.sleep(whole * part / 6)
        process.kill()
        process.communicate()
        current = datasets.current(WARD.key, "ward")
        datasets.verify(current)
        assert current.source == "ward.csv" or current.records == 400_000 + part
    message, _ = told(importer(home, write(many(400_009), "big.csv")))
    assert message.startswith("version ")
    # Whatever the killed ones left is gone.
    assert not [*home.path.rglob("*.partial")]
    assert not [*home.work.iterdir()]


def test_a_disk_that_is_full_leaves_the_former_version(home, write):
    """In a file system of its own of 3 MB, which goes with its processes."""
    clean, big = write(CLEAN), write(many(300_000, SECRET), "big.csv")
    if shutil.which("unshare") is None:
        missing("unshare is not here")
    imports = " && ".join(
        f"{sys.executable} -m tests.ingest.limited_import {home.path} {file} 0"
        for file in (clean, big, clean)
    )
    mounted = f"mount -t tmpfs -o size=3m tmpfs {home.path} && {imports} && find {home.path}"
    words = ["unshare", "--map-root-user", "--mount", "sh", "-c", mounted]
    done = subprocess.run(
        words, check=False, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT
    )
    if "unshare" in done.stderr or "mount" in done.stderr:
        missing("a file system cannot be mounted here")
    assert done.returncode == 0, done.stderr
    nothing, full, left = done.stdout.split("version 1\n")
    assert nothing == ""
    assert "not enough space on the disk" in full
    assert SECRET not in done.stdout + done.stderr
    assert not [name for name in left.splitlines() if ".partial" in name or "/work/" in name]


def test_a_file_changed_while_it_is_read_is_refused(home, write, monkeypatch):
    file = write(CLEAN)
    transcode = reading.transcode

    def changing(path, *arguments, **more):
        copied = transcode(path, *arguments, **more)
        with path.open("a") as target:
            target.write("p4,60,1.5,F\n")
        return copied

    monkeypatch.setattr(reading, "transcode", changing)
    with pytest.raises(IngestError, match="changed while it was read"):
        bring_in(home, file, WARD, "ward")
    assert Datasets(home).list() == []


def test_a_file_replaced_while_it_is_read_is_refused(home, write, tmp_path, monkeypatch):
    file = write(CLEAN)
    transcode = reading.transcode

    def replacing(path, *arguments, **more):
        copied = transcode(path, *arguments, **more)
        other = tmp_path / "other"
        other.write_bytes(path.read_bytes())
        other.replace(path)
        return copied

    monkeypatch.setattr(reading, "transcode", replacing)
    with pytest.raises(IngestError, match="changed while it was read"):
        bring_in(home, file, WARD, "ward")


def test_two_imports_at_once_publish_one_after_the_other(home, write):
    files = [write(many(3000 + index), f"{index}.csv") for index in range(2)]
    messages = [told(process)[0] for process in [importer(home, file) for file in files]]
    assert sorted(messages) == ["version 1", "version 2"]
    versions = Datasets(home).versions(WARD.key, "ward")
    assert {one.records for one in versions} == {3000, 3001}
    for one in versions:
        Datasets(home).verify(one)
    assert list((home.path / "work").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("beginning", ["", CLEAN], ids=["alone", "after good rows"])
@pytest.mark.parametrize("letters", [0, 65], ids=["zeros", "letters"])
def test_five_gigabytes_without_a_line_end_are_refused_in_bounded_memory(
    home, tmp_path, beginning, letters
):
    file = tmp_path / "endless.csv"
    with file.open("wb") as target:
        target.write(beginning.encode())
        # Letters further than are looked at; a disk need not hold them all.
        target.write(letters * (b"a" * (1 << 20)))
        target.truncate(5 * GIGABYTE)
    begun = time.monotonic()
    message, peak = told(importer(home, file))
    assert "Nothing was published" in message
    if beginning and letters:
        assert "a row of more than 64 MB, as where line ends are missing (row 5)" in message
    assert peak < 800
    assert time.monotonic() - begun < 250
    assert Datasets(home).list() == []


def test_a_long_line_of_letters_is_refused_in_bounded_memory(home, tmp_path):
    file = tmp_path / "long.csv"
    with file.open("w") as target:
        target.write(CLEAN)
        for _ in range(100):
            target.write("a" * (1 << 20))
    message, peak = told(importer(home, file))
    assert "Nothing was published" in message
    assert peak < 800


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig"])
@pytest.mark.parametrize(
    "remark", ["Müdigkeit; Schwäche", "fatigué, très faible"], ids=["German", "French"]
)
def test_a_csv_of_a_german_or_french_excel_is_read_as_it_was_meant(home, write, encoding, remark):
    text = f'subjectcode;age;volume;gender;remark\r\np1;40;1,25;F;"{remark}"\r\np2;41;-2,5;M;\r\n'
    text = text.replace("-2,5", "2,5")
    done = bring_in(home, write(text.encode(encoding)), WARD, "ward")
    rows = pq.read_table(done.snapshots[0].path).to_pydict()
    assert rows["volume"] == [1.25, 2.5]
    assert rows["remark"] == [remark, None]
