"""Accepted scans as BIDS derivatives: what the validator lets pass, and nobody is shown by."""

import csv
import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from medmip.cli.main import main
from medmip.imaging.publication.bids import export_bids
from medmip.imaging.shelf import VOLUME, Shelf
from medmip.imaging.volume import Volume, write_volume
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.record import LABELS, VOLUMES, kept
from medmip.imaging.volumetry.review import ReviewDecision, decide
from tests.imaging.ward import DAYS, VISITS, ledger, publish_visits, shelve
from tests.ingest.killing import killer

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")


@pytest.fixture
def mip(home, capsys):
    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            main([*map(str, arguments), "--home", str(home.path)])
        told = capsys.readouterr()
        return int(done.value.code or 0), told.out, told.err

    return run


def segmented(home, name, code, day=None, *, decision=ReviewDecision.ACCEPT, **measured):
    """A scan with its T1 and its file of labels, as measuring leaves them."""
    record = shelve(home, VISITS, name, code, day, decision=None, **measured)
    place = Shelf(home).scans / name
    labels = np.zeros((6, 5, 4), "<u2")
    labels[1:3, 2, 1], labels[4, 2, 1] = 1, 2
    write_volume(Volume(labels, np.eye(4)), place / LABELS)
    write_volume(Volume(labels.astype("<f4"), np.eye(4)), place / VOLUME)
    digest = hashlib.sha256((place / LABELS).read_bytes()).hexdigest()
    told = kept(place).model_copy(update={"labels": digest})
    (place / VOLUMES).write_text(told.model_dump_json())
    if decision is not None:
        decide(home, ledger(home), name, decision, "seen", "somebody")
    return record


@pytest.fixture
def scans(home):
    publish_visits(home)
    return {
        "ab12": segmented(home, "ab12", "p1", DAYS["M12"], tiv=1402),
        "cd34": segmented(home, "cd34", "p1", DAYS["BL"], tiv=1401),
        "ef56": segmented(home, "ef56", "p2"),
        "bad": segmented(home, "bad", "p3", DAYS["BL"], decision=ReviewDecision.REJECT),
        "new": segmented(home, "new", "p4", DAYS["BL"], decision=None),
    }


def lines(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_validator_finds_no_error(home, scans, mip, tmp_path):
    assert mip("imaging", "export", "--bids", tmp_path / "out", "--unproven")[0] == 0
    done = subprocess.run(
        [VALIDATOR, "--format", "json", "--datasetTypes", "derivative", "out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"DENO_NO_UPDATE_CHECK": "1"},
    )
    found = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in found if issue["severity"] == "error"] == [], done.stdout
    assert done.returncode == 0
    # Labels have no unit of time, and nobody has written a paper on them.
    harmless = {"SIDECAR_KEY_RECOMMENDED", "TOO_FEW_AUTHORS", "NIFTI_UNIT"}
    assert {issue["code"] for issue in found} - harmless == set(), done.stdout


def test_accepted_scans_alone_are_there_by_pseudonym_and_without_a_face(home, scans, mip, tmp_path):
    out = tmp_path / "out"
    code, told, _ = mip("imaging", "export", "--bids", out, "--unproven")
    assert (code, "3 scans written" in told) == (0, True)
    one, two = f"sub-{scans['ab12'].patient}", f"sub-{scans['ef56'].patient}"
    assert {row["participant_id"] for row in lines(out / "participants.tsv")} == {one, two}
    rows = lines(out / one / f"{one}_sessions.tsv")
    assert [(row["session_id"], row["days"], float(row["tiv"])) for row in rows] == [
        ("ses-cd34", "0", 1401),
        ("ses-ab12", str((DAYS["M12"] - DAYS["BL"]).days), 1402),
    ]
    (undated,) = lines(out / two / f"{two}_sessions.tsv")
    assert (undated["days"], undated["tiv"]) == ("n/a", "1400.500000")
    assert list(undated)[-5:] == ["snr", "cnr", "likeness", "efc", "fber"]
    meaning = json.loads((out / "sessions.json").read_text())
    assert set(meaning) == set(undated) - {"session_id"}
    assert meaning["lefthippocampus"]["Units"] == "cm^3"
    images = [path for path in out.rglob("*") if ".nii" in path.name]
    assert len(images) == 3
    assert all(path.name.endswith("_seg-small_dseg.nii.gz") for path in images)
    for path in out.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            text = gzip.decompress(content) if path.name.endswith(".gz") else content
            moved = [scan.acquired for scan in scans.values() if scan.acquired]
            for word in ("2020-01", "2021-01", scans["bad"].patient, "ses-new", *moved):
                assert word.encode() not in text
    (row,) = [row for row in ledger(home).walk() if row.statistic == "scan export"]
    assert row.reason == "3 accepted scans as BIDS derivatives"


def test_every_required_field_is_told(home, scans, mip, tmp_path):
    out = tmp_path / "out"
    assert mip("imaging", "export", "--bids", out, "--unproven")[0] == 0
    about = json.loads((out / "dataset_description.json").read_text())
    assert about["DatasetType"] == "derivative"
    assert {"Name", "BIDSVersion", "SourceDatasets", "DatasetLinks"} <= set(about)
    assert [one["Name"] for one in about["GeneratedBy"]] == ["MIP", "dipy", "simpleitk"]
    name = f"sub-{scans['ab12'].patient}"
    stem = out / name / "ses-ab12" / "anat" / f"{name}_ses-ab12_seg-small_dseg"
    told = json.loads(stem.with_name(f"{stem.name}.json").read_text())
    assert told["Sources"] == [f"bids:scans:{name}/ses-ab12/anat/{name}_ses-ab12_T1w.nii.gz"]
    labels = stem.with_name(f"{stem.name}.nii.gz").read_bytes()
    assert told["MIP"]["Labels"] == hashlib.sha256(labels).hexdigest()
    measured = (Shelf(home).scans / "ab12" / VOLUMES).read_bytes()
    assert told["MIP"]["Measurement"] == hashlib.sha256(measured).hexdigest()
    assert lines(out / "seg-small_dseg.tsv")[0] == {
        "index": "1",
        "name": "Left",
        "code": "lefthippocampus",
    }


def test_nothing_is_written_over(home, scans, mip, tmp_path):
    for there in (tmp_path / "folder", tmp_path / "file", tmp_path / "link"):
        if there.name == "folder":
            there.mkdir()
        elif there.name == "file":
            there.write_text("mine")
        else:
            there.symlink_to(tmp_path / "nowhere")
        code, _, err = mip("imaging", "export", "--bids", there, "--unproven")
        assert (code, "nothing is written over" in err) == (1, True)
    assert (tmp_path / "file").read_text() == "mine"
    assert "no place to be" in mip("imaging", "export", "--bids", tmp_path / "a/b", "--unproven")[2]
    inside = Shelf(home).scans / "out"
    assert "MIP's own home" in mip("imaging", "export", "--bids", inside, "--unproven")[2]
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]


@pytest.mark.usefixtures("unproven")
def test_what_must_not_leave_stays(home, scans, mip, tmp_path):
    out = tmp_path / "out"
    assert "do not meet every mark" in mip("imaging", "export", "--bids", out)[2]
    segmented(home, "other", "p6", setting=SettingName.FULL)
    assert "different settings" in mip("imaging", "export", "--bids", out, "--unproven")[2]
    asked = ("imaging", "export", "--bids", out, "--unproven", "--setting", "fast")
    labels = Shelf(home).scans / "ab12" / LABELS
    labels.write_bytes(labels.read_bytes()[:-1])
    code, _, err = mip(*asked)
    assert (code, "not the one that was measured" in err) == (1, True)
    assert not out.exists()


def test_without_an_atlas_there_are_volumes_alone(home, mip, tmp_path):
    publish_visits(home)
    shelve(home, VISITS, "ab12", "p1", DAYS["BL"] + timedelta(days=1), atlas=None)
    record = kept(Shelf(home).scans / "ab12")
    totals = tuple(one.model_copy(update={"label": None}) for one in record.volumes)
    (Shelf(home).scans / "ab12" / VOLUMES).write_text(
        record.model_copy(update={"volumes": totals}).model_dump_json()
    )
    decide(home, ledger(home), "ab12", ReviewDecision.ACCEPT, "seen", "somebody")
    assert mip("imaging", "export", "--bids", tmp_path / "out", "--unproven")[0] == 0
    assert not list((tmp_path / "out").rglob("*dseg*"))


def test_a_kill_leaves_the_whole_folder_or_none(home, scans, tmp_path):
    out = tmp_path / "out"
    for changes in range(1, 10):
        child = os.fork()
        if not child:
            try:
                sys.addaudithook(killer([tmp_path], changes))
                export_bids(home, out, ledger(home), "somebody", unproven=True)
                os._exit(0)
            finally:
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == 0:
            break
        assert code == -signal.SIGKILL
        assert not out.exists()
        assert [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]
    assert (code, changes > 1) == (0, True)
    assert len(lines(out / "participants.tsv")) == 2
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]
