"""The whole road: a scanner's DICOM files, their volumes, a dataset, an analysis."""

import json
from datetime import date
from importlib.resources import files

import numpy as np
import pytest

from medmip.cli.main import main
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.record import VOLUMES, kept
from medmip.imaging.volumetry.review import ReviewDecision, decide
from tests.imaging.brain import EDGE, SHAPE, head, write_atlas
from tests.imaging.scanner import scan
from tests.imaging.ward import VISITS, ledger, publish_visits, shelve, volume

MODEL = VISITS.model_copy(
    update={"variables": (*VISITS.variables, volume("left_nucleus"), volume("ventricles"))}
)


@pytest.fixture
def mip(home, capsys):
    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            main([*map(str, arguments), "--home", str(home.path)])
        told = capsys.readouterr()
        assert not done.value.code, told.err
        return told.out

    return run


def coarse_rules(home):
    """As a hospital edits them: the small head has voxels of 5 mm."""
    text = files("medmip.imaging.shipped").joinpath("rules.yaml").read_text("utf-8")
    for usual, own in (("slices_at_least: 80", "slices_at_least: 30"), ("most: 2.0", "most: 6.0")):
        assert usual in text
        text = text.replace(usual, own)
    home.imaging.mkdir(exist_ok=True)
    (home.imaging / "rules.yaml").write_text(text)


def export(folder, voxels, code, day):
    """The head as a scanner writes it, slice by slice from the feet."""

    def change(file, index):
        pixels = np.ascontiguousarray(voxels[::-1, ::-1, index].T).astype("<u2")
        file.Rows, file.Columns = pixels.shape
        file.PixelData = pixels.tobytes()
        file.PixelSpacing, file.SliceThickness = [EDGE, EDGE], EDGE
        low = [-(n - 1) / 2 * EDGE for n in SHAPE]
        file.ImagePositionPatient = [low[0], low[1], low[2] + index * EDGE]

    days = dict.fromkeys(("StudyDate", "SeriesDate", "AcquisitionDate"), day.strftime("%Y%m%d"))
    return scan(folder, change=change, slices=SHAPE[2], PatientID=code, **days)


@pytest.mark.slow
def test_from_dicom_to_an_analysis_of_the_joined_volumes(home, mip, tmp_path):
    publish_visits(home, model=MODEL)
    coarse_rules(home)
    labels, table, brain = write_atlas(tmp_path)
    mip("imaging", "atlas", "add", labels, table, "--template", brain, "--name", "Small")
    scanned, truth = head(noise=1.5, bias=0.1)
    export(tmp_path / "pacs", scanned.voxels, "p3", date(2021, 2, 1))
    named = ("--model", MODEL.key, "--dataset", "clinic")
    added = json.loads(mip("imaging", "add", tmp_path / "pacs", *named, "--json"))
    (name,) = [one["id"] for one in added if one["verdict"] == "taken"]
    mip("imaging", "measure", name)
    mip("imaging", "review", name, "--accept", "--reason", "outlines follow the brain")
    measured = kept(Shelf(home).scans / name)
    assert measured is not None
    # The others' heads are not measured here, which would take minutes.
    for number in range(4, 18):
        copied(home, measured, f"p{number}", 1 + number / 1000)
    told = json.loads(mip("imaging", "publish", *named, "--unproven", "--json"))
    assert (told["joined"], told["atlas"], told["published"]) == (15, "small", 2)
    assert {"tiv", "left_nucleus", "ventricles", "likeness"} <= set(told["columns"])
    done = json.loads(
        mip("run", "describe", "--model", MODEL.key, "--datasets", "clinic", "--y", "tiv", "--json")
    )
    assert done["state"] == "done"
    (described,) = done["result"]["data"]["numeric"]
    (whole,) = (one.cm3 for one in measured.volumes if one.code == "tiv")
    factors = [1, *(1 + number / 1000 for number in range(4, 18))]
    assert (described["n"], described["missing"]) == (15, 45)
    assert described["mean"] == pytest.approx(whole * np.mean(factors))
    assert described["mean"] == pytest.approx(truth["tiv"], rel=0.06)


def copied(home, measured, code, factor):
    """Another patient's scan, as if measured: a head of the same form and another size."""
    name = f"of-{code}"
    shelve(home, MODEL, name, code, date(2021, 1, 20), decision=None)
    volumes = tuple(one.model_copy(update={"cm3": one.cm3 * factor}) for one in measured.volumes)
    record = measured.model_copy(update={"scan": name, "volumes": volumes})
    (Shelf(home).scans / name / VOLUMES).write_text(record.model_dump_json())
    decide(home, ledger(home), name, ReviewDecision.ACCEPT, "seen", "somebody")
