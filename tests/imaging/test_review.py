"""Only what a person accepted reaches a table; each decision is in the ledger, with its reason."""

import csv
import json

import pytest

from medmip.cli.main import main
from medmip.imaging.record import ScanRecord, Verdict
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.record import VOLUMES, MeasuredVolume, Quality, VolumesRecord
from medmip.imaging.volumetry.review import LONGEST, REVIEWS
from medmip.privacy.ledger import Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.state import open_state


def run(home, *arguments):
    """The exit code of a command."""
    with pytest.raises(SystemExit) as done:
        main(["imaging", *map(str, arguments), "--home", str(home.path)])
    return done.value.code or 0


def measure(home, name, key="k"):
    """As if measured: what a review rests on is the record alone."""
    record = VolumesRecord(
        scan=name,
        key=key,
        setting=SettingName.FAST,
        atlas=None,
        template="t",
        tools={},
        volumes=(MeasuredVolume(code="tiv", name="All", cm3=1400.0),),
        quality=Quality(snr=20, cnr=6, likeness=0.95),
        steps=(),
        labels="l",
    )
    (Shelf(home).scans / name / VOLUMES).write_text(record.model_dump_json())


@pytest.fixture
def scans(home):
    shelf = Shelf(home)
    with shelf.work() as work:
        for name in ("good", "moved", "new"):
            told = {"rules": "", "source": "NIfTI file", "files": 1, "patient": f"p-{name}"}
            shelf.put(ScanRecord(id=name, verdict=Verdict.TAKEN, **told), work)
            measure(home, name)
    return shelf.scans


def in_table(home, tmp_path):
    table = tmp_path / "volumes.csv"
    assert not run(home, "volumes", "--csv", table, "--unproven")
    with table.open() as file:
        return [row["scan"] for row in csv.DictReader(file)]


def stands(home, capsys):
    capsys.readouterr()
    assert not run(home, "review", "--json")
    return {row["scan"]: row["standing"] for row in json.loads(capsys.readouterr().out)}


def rows(home):
    return [
        (row.verdict, row.reason)
        for row in Ledger(open_state(home), LedgerHead(home)).walk()
        if row.statistic == "scan review"
    ]


def test_only_accepted_scans_reach_the_table(home, scans, tmp_path, capsys):
    assert in_table(home, tmp_path) == []
    assert not run(home, "review", "good", "--accept", "--reason", "clear")
    assert not run(home, "review", "moved", "--reject", "--reason", "moved  in\nthe scanner")
    assert stands(home, capsys) == {"good": "accepted", "moved": "rejected", "new": "waiting"}
    assert in_table(home, tmp_path) == ["good"]
    assert "1 scans written; 1 wait for a review, 1 are rejected" in capsys.readouterr().out
    assert rows(home) == [
        ("accept", "scan good: clear"),
        ("reject", "scan moved: moved in the scanner"),
    ]
    assert Ledger(open_state(home), LedgerHead(home)).verify() is None


def test_an_accepted_scan_may_be_rejected_later(home, scans, tmp_path):
    assert not run(home, "review", "good", "--accept", "--reason", "clear")
    assert not run(home, "review", "good", "--reject", "--reason", "seen again")
    assert in_table(home, tmp_path) == []


def test_what_is_measured_anew_waits_again(home, scans, tmp_path, capsys):
    assert not run(home, "review", "good", "--accept", "--reason", "clear")
    measure(home, "good", key="other")
    assert stands(home, capsys)["good"] == "waiting"
    assert in_table(home, tmp_path) == []


def test_a_redo_takes_the_volumes_away(home, scans, tmp_path, capsys):
    assert not run(home, "review", "good", "--redo", "--reason", "by full")
    assert not (scans / "good" / VOLUMES).exists()
    assert stands(home, capsys)["good"] == "to be measured anew"
    # What is measured anew is another measurement, that nobody has looked at.
    measure(home, "good", key="by full")
    assert stands(home, capsys)["good"] == "waiting"
    assert in_table(home, tmp_path) == []


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (("good", "--accept"), 1, "needs a reason"),
        (("good", "--accept", "--reason", "x" * (LONGEST + 1)), 1, "needs a reason"),
        (("none", "--accept", "--reason", "clear"), 1, "no measured scan"),
        (("good", "--accept", "--reject", "--reason", "clear"), 2, "one of --accept"),
        (("--accept", "--reason", "clear"), 2, "name one scan"),
    ],
)
def test_a_decision_that_is_none_is_told_of(home, scans, capsys, arguments, code, said):
    assert run(home, "review", *arguments) == code
    assert said in capsys.readouterr().err
    assert rows(home) == []
    assert not list(scans.glob(f"*/{REVIEWS}"))


def test_damaged_reviews_let_nothing_through(home, scans, tmp_path, capsys):
    (scans / "good" / REVIEWS).write_text('{"all": [')
    table = tmp_path / "volumes.csv"
    assert run(home, "volumes", "--csv", table, "--unproven") == 1
    assert "cannot be read" in capsys.readouterr().err
    assert not table.exists()
