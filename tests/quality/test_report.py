"""The report of a file and of a dataset: as data, as a page, by the command; no patient in it."""

import json
import re

import numpy as np
import pytest

from medmip.catalogue.model_store import ModelStore
from medmip.cli.main import main
from medmip.ingest.publish import bring_in
from medmip.ingest.quality import quality_of_dataset, quality_of_file
from medmip.quality.page import page
from medmip.store.snapshots import Datasets
from tests.quality.test_measures import BRAIN, brains

POLICY = """
[quality]
outliers = 0.2
norms = { reference = "reference", unlikely = 0.02 }
"""


@pytest.fixture
def csv(tmp_path):
    def writing(table, name):
        path = tmp_path / f"{name}.csv"
        table.drop(["__patient"]).to_pandas().to_csv(path, index=False)
        return path

    return writing


@pytest.fixture
def ward(home, csv):
    ModelStore(home).add(BRAIN)
    bring_in(home, csv(brains(1, 400), "reference"), BRAIN, "reference")
    path = home.dataset_policy(BRAIN.key, "ward")
    path.parent.mkdir(parents=True)
    path.write_text(POLICY)
    return home


def test_a_file_is_judged_as_it_would_be_published(ward, csv):
    (report,) = quality_of_file(ward, csv(brains(2, 200), "ward"), BRAIN, "ward")
    assert (report.fit, report.records, report.compared) == (True, 200, None)
    assert report.norm_reference == "reference version 1, 400 records"
    assert len(report.norms) == 4
    (bad,) = quality_of_file(ward, csv(brains(2, 200, shrunk=60), "ward"), BRAIN, "ward")
    assert not bad.fit
    assert {one.dataset for one in Datasets(ward).list()} == {"reference"}


def test_a_dataset_is_compared_with_its_former_version(ward, csv):
    for seed in (2, 3):
        bring_in(ward, csv(brains(seed, 200), "ward"), BRAIN, "ward", allow_small_change=True)
    report = quality_of_dataset(ward, BRAIN, "ward")
    assert (report.version, report.compared) == (2, 1)
    assert all(one.psi is not None for one in report.variables)
    assert report.across["reference"].told == 0


def test_the_page_needs_nothing_else_and_shows_no_patient(ward, csv):
    table = brains(4, 120)
    (report,) = quality_of_file(ward, csv(table, "ward"), BRAIN, "ward")
    html = page([report])
    assert html.count("<svg") >= 2
    assert not re.search(r"(src|href)=[\"']?(?!#)http", html)
    text = html + report.model_dump_json()
    assert not any(code in text for code in ("p17", "p118"))
    values = np.concatenate([table[name].to_numpy() for name in ("hippocampus", "tiv")])
    numbers = np.array([float(part) for part in re.findall(r"\d+\.\d{4,}", text)])
    near = np.abs(numbers[:, None] / values[None, :] - 1) < 1e-7
    assert not near.any()
    assert "fit for publication" in html


def test_the_command_fails_for_what_is_not_fit(ward, csv, tmp_path, capsys):
    good, bad = csv(brains(2, 200), "good"), csv(brains(2, 200, shrunk=60), "bad")
    common = ["--model", BRAIN.key, "--dataset", "ward", "--home", str(ward.path)]
    html = tmp_path / "report.html"
    with pytest.raises(SystemExit) as ended:
        main(["data", "quality", str(good), *common, "--html", str(html), "--json"])
    assert not ended.value.code
    (told,) = json.loads(capsys.readouterr().out)
    assert told["dataset"] == "ward"
    assert html.read_text().startswith("<!doctype html>")
    with pytest.raises(SystemExit) as ended:
        main(["data", "quality", str(bad), *common])
    assert ended.value.code == 1
    assert "NOT fit" in capsys.readouterr().out
