"""Accepted volumes reach the rows of their patients, as a version like any other."""

import hashlib
import json
import re
from datetime import date, timedelta

import pyarrow.parquet as pq
import pytest

from medmip.catalogue.model_store import ModelStore
from medmip.cli.main import main
from medmip.errors import Conflict
from medmip.imaging.publication.accepted import accepted_scans, refuse_changed
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.review import ReviewDecision, decide
from medmip.stewardship.applied import applied_to
from medmip.store.snapshots import Datasets
from tests.conftest import ROOT
from tests.imaging.ward import (
    DAYS,
    FLAT,
    MOVED,
    VISITS,
    ledger,
    measure,
    publish_flat,
    publish_visits,
    shelve,
)


@pytest.fixture
def mip(home, capsys):
    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            main([*map(str, arguments), "--home", str(home.path)])
        told = capsys.readouterr()
        return int(done.value.code or 0), told.out, told.err

    return run


@pytest.fixture
def publish(mip):
    """What a publication, which must succeed, tells."""

    def publishing(model, *more):
        asked = ("imaging", "publish", "--model", model.key, "--dataset", "clinic", "--json")
        code, out, err = mip(*asked, "--unproven", *more)
        assert code == 0, err
        return json.loads(out)

    return publishing


@pytest.fixture
def refused(mip):
    """The error of a publication, which must fail."""

    def publishing(model, *more):
        asked = ("imaging", "publish", "--model", model.key, "--dataset", "clinic", "--unproven")
        code, _, err = mip(*asked, *more)
        assert code == 1, err
        return err

    return publishing


def rows(home, model, dataset="clinic"):
    return pq.read_table(Datasets(home).current(model.key, dataset).path).to_pylist()


def everything(home):
    """What the folder of datasets and that of scans hold."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in (home.datasets, home.imaging, home.keys, home.policies)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_volumes_join_by_patient_where_rows_have_no_date(home, publish, mip):
    before = rows(home, FLAT) if publish_flat(home) else None
    old = shelve(home, FLAT, "old", "p3", DAYS["BL"], tiv=1300)
    young = shelve(home, FLAT, "young", "p3", DAYS["M12"], tiv=1250)
    shelve(home, FLAT, "twin", "p5", DAYS["BL"])
    shelve(home, FLAT, "other twin", "p5", DAYS["BL"])
    shelve(home, FLAT, "stranger", "nobody", DAYS["BL"])
    shelve(home, FLAT, "bad", "p7", DAYS["BL"], decision=ReviewDecision.REJECT)
    shelve(home, FLAT, "new", "p8", DAYS["BL"], decision=None)
    done = publish(FLAT)
    told = {name: done[name] for name in ("joined", "spare", "ambiguous", "no_patient")}
    assert told == {"joined": 1, "spare": 1, "ambiguous": 2, "no_patient": 1}
    assert (done["waiting"], done["rejected"], done["date"]) == (1, 1, None)
    assert (done["patients"], done["patients_without"]) == (40, 39)
    assert old.patient == young.patient
    after = rows(home, FLAT)
    assert [{name: row[name] for name in before[0]} for row in after] == before
    assert {row["subjectcode"]: row["tiv"] for row in after if row["tiv"] is not None} == {
        young.patient: 1250.0
    }


def test_volumes_join_the_nearest_visit_of_a_longitudinal_dataset(home, publish):
    publish_visits(home)
    before = rows(home, VISITS)
    at = DAYS["M12"]
    one = shelve(home, VISITS, "one", "p1", at + timedelta(days=100), tiv=1111)
    two = shelve(home, VISITS, "two", "p2", at - timedelta(days=80), tiv=1222)
    again = shelve(home, VISITS, "again", "p2", DAYS["M24"] + timedelta(days=179), tiv=1333)
    shelve(home, VISITS, "late", "p3", DAYS["M24"] + timedelta(days=181))
    shelve(home, VISITS, "middle", "p4", DAYS["M12"] + timedelta(days=182, hours=12))
    shelve(home, VISITS, "undated", "p5")
    done = publish(VISITS)
    assert (done["date"], done["window"]) == ("visitdate", 180)
    assert (done["joined"], done["outside"], done["undated"]) == (3, 2, 1)
    found = {(row["subjectid"], row["visitid"]): row["tiv"] for row in rows(home, VISITS)}
    assert {key: tiv for key, tiv in found.items() if tiv is not None} == {
        (one.patient, "M12"): 1111.0,
        (two.patient, "M12"): 1222.0,
        (again.patient, "M24"): 1333.0,
    }
    assert [{name: row[name] for name in before[0]} for row in rows(home, VISITS)] == before
    more = ("--window", 365, "--replace", "--allow-small-change")
    assert publish(VISITS, *more)["outside"] == 0


def test_the_model_of_visits_that_comes_with_mip_needs_but_a_date(home, publish, mip, tmp_path):
    extended = tmp_path / "ourvisits.json"
    page = (ROOT / "docs" / "imaging.md").read_text()
    blocks = re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (text,) = [block for block in blocks if "ourvisits" in block]
    extended.write_text(text)
    assert mip("model", "add", extended)[0] == 0
    model = ModelStore(home).get("ourvisits:1.0")
    policy = home.dataset_policy(model.key, "clinic")
    policy.parent.mkdir(parents=True)
    policy.write_text(MOVED)
    visits = (("BL", "2019-05-06"), ("FL1", "2020-05-06"))
    lines = [f"p{i},{visit},{day},7{i}" for i in range(9) for visit, day in visits]
    file = tmp_path / "visits.csv"
    file.write_text("\n".join(["subjectid,visitid,visitdate,subjectageyears", *lines, ""]))
    assert mip("data", "import", file, "--model", model.key, "--dataset", "clinic")[0] == 0
    scan = shelve(home, model, "one", "p4", date(2020, 6, 1), tiv=1234.5)
    done = publish(model)
    assert (done["joined"], done["columns"]) == (1, ["tiv", "lefthippocampus", "righthippocampus"])
    found = [row for row in rows(home, model) if row["tiv"] is not None]
    assert [(row["subjectid"], row["visitid"], row["tiv"]) for row in found] == [
        (scan.patient, "FL1", 1234.5)
    ]


def test_a_date_that_moved_otherwise_is_not_compared(home, publish, mip):
    publish_visits(home, policy=MOVED.replace("90", "200"))
    shelve(home, VISITS, "early", "p1", DAYS["BL"])
    publish_visits(home)
    shelve(home, VISITS, "fit", "p2", DAYS["BL"])
    done = publish(VISITS)
    assert (done["joined"], done["undated"]) == (1, 1)


def test_what_the_model_has_no_place_for_is_told_and_left_out(home, publish):
    publish_flat(home)
    shelve(home, FLAT, "one", "p1")
    done = publish(FLAT)
    assert done["columns"] == ["tiv", "lefthippocampus", "likeness"]
    assert done["left_out"] == {
        "righthippocampus": "the data model has it in mm3, not in cm3",
        "ourregion": "the data model has no such variable",
        "snr": "the data model has no such variable",
        "cnr": "the data model has no such variable",
        "efc": "the data model has no such variable",
        "fber": "the data model has no such variable",
    }


def test_columns_that_are_there_give_way_only_when_that_is_said(home, publish, refused):
    publish_flat(home, more="tiv=1000")
    scan = shelve(home, FLAT, "one", "p1")
    assert "has columns of what was measured already: tiv" in refused(FLAT)
    assert Datasets(home).current(FLAT.key, "clinic").version == 1
    done = publish(FLAT, "--replace", "--allow-small-change")
    assert done["replaced"] == ["tiv"]
    tivs = {row["subjectcode"]: row["tiv"] for row in rows(home, FLAT)}
    assert tivs.pop(scan.patient) == 1400.5
    assert set(tivs.values()) == {None}, "values of two origins are not mixed"


def test_the_same_again_publishes_nothing_new(home, publish):
    publish_flat(home)
    shelve(home, FLAT, "one", "p1")
    assert publish(FLAT)["published"] == 2
    assert publish(FLAT, "--replace")["published"] == 2
    shelve(home, FLAT, "two", "p2")
    assert publish(FLAT, "--replace", "--allow-small-change")["published"] == 3
    source = applied_to(Datasets(home).current(FLAT.key, "clinic"))
    assert (source.volumes.clinical, source.volumes.clinical_version) == ("clinic.csv", 1)
    assert sum("columns measured" in step.done for step in source.steps) == 1


def test_a_version_that_differs_by_few_patients_is_refused(home, publish, refused):
    publish_flat(home)
    for number in range(12):
        shelve(home, FLAT, f"s{number}", f"p{number}")
    publish(FLAT)
    shelve(home, FLAT, "one more", "p20")
    assert "fewer than 10 patients" in refused(FLAT, "--replace")


@pytest.mark.usefixtures("unproven")
def test_volumes_are_not_published_before_they_are_proved(home, mip):
    publish_flat(home)
    shelve(home, FLAT, "one", "p1")
    asked = ("imaging", "publish", "--model", FLAT.key, "--dataset", "clinic")
    code, _, err = mip(*asked)
    assert (code, "do not meet every mark" in err) == (1, True)
    code, out, _ = mip(*asked, "--plan")
    assert (code, "It would not be published" in out, "1 scans joined" in out) == (1, True, True)


def test_a_plan_changes_nothing(home, publish):
    publish_flat(home)
    shelve(home, FLAT, "one", "p1")
    before = everything(home)
    done = publish(FLAT, "--plan")
    assert (done["published"], done["refusal"], done["joined"]) == (None, None, 1)
    assert publish(FLAT, "--plan", "--as", "withscans")["target"] == "withscans"
    assert everything(home) == before


def test_a_volume_that_the_model_does_not_allow_is_refused_by_its_scan(home, refused):
    publish_flat(home)
    shelve(home, FLAT, "fine", "p1")
    shelve(home, FLAT, "wrong", "p2", tiv=3333.125)
    shelve(home, FLAT, "lost", "p3", left=-1.0)
    told = refused(FLAT)
    assert "tiv: above the maximum 3000: scan wrong" in told
    assert "lefthippocampus: below the minimum 0: scan lost" in told
    assert "3333" not in told
    assert Datasets(home).current(FLAT.key, "clinic").version == 1


def test_different_measurements_are_not_mixed(home, publish, refused):
    publish_flat(home)
    shelve(home, FLAT, "one", "p1")
    shelve(home, FLAT, "two", "p2", setting=SettingName.FULL)
    assert "different settings" in refused(FLAT)
    shelve(home, FLAT, "three", "p3", atlas=None)
    assert "different atlases" in refused(FLAT)
    # Those of other datasets' patients are of no account.
    shelve(home, FLAT, "four", "nobody", atlas=None)
    done = publish(FLAT, "--atlas", "small", "--setting", "full")
    assert (done["joined"], done["other"], done["setting"]) == (1, 2, "full")


def test_another_name_leaves_the_dataset_and_takes_its_policy_along(home, publish, refused, mip):
    publish_flat(
        home, policy='[access]\nusers = ["ann"]\n[anonymisation]\nreidentification = true\n'
    )
    scan = shelve(home, FLAT, "one", "p1")
    done = publish(FLAT, "--as", "withscans")
    assert (done["target"], done["published"]) == ("withscans", 1)
    assert Datasets(home).current(FLAT.key, "clinic").version == 1
    found = rows(home, FLAT, "withscans")
    assert {row["dataset"] for row in found} == {"withscans"}
    assert 'users = ["ann"]' in home.dataset_policy(FLAT.key, "withscans").read_text()
    asked = ("data", "reidentify", FLAT.key, "withscans", scan.patient, "--reason", "finding")
    code, out, _ = mip(*asked)
    assert (code, "p1" in out) == (0, True)
    assert publish(FLAT, "--as", "withscans")["published"] == 1
    Datasets(home).publish(
        Datasets(home).current(FLAT.key, "clinic").path, FLAT.key, "third", "third.csv"
    )
    assert "dataset of its own" in refused(FLAT, "--as", "third")


def test_a_name_that_is_none_is_told(home, mip):
    asked = ("imaging", "publish", "--model", FLAT.key, "--dataset", "../clinic")
    code, _, err = mip(*asked)
    assert (code, "no name of a dataset" in err) == (2, True)


def test_patients_stay_alike(home, publish):
    policy = (
        "[anonymisation.k_anonymity]\nk = 5\nsuppression = 0.5\n"
        "[anonymisation.k_anonymity.quasi_identifiers]\n"
        "subjectageyears = {intervals = [5, 10]}\ngender = {}\n"
    )
    publish_flat(home, patients=47, policy=policy)
    first = applied_to(Datasets(home).current(FLAT.key, "clinic"))
    for number in range(12):
        shelve(home, FLAT, f"s{number}", f"p{number}", left=3 + number / 100)
    publish(FLAT)
    done = applied_to(Datasets(home).current(FLAT.key, "clinic"))
    assert done.generalised == first.generalised
    # A volume may tell a patient: then it is made coarser, as the policy in force says.
    path = home.dataset_policy(FLAT.key, "clinic")
    path.write_text(policy + "lefthippocampus = {intervals = [0.5]}\n")
    publish(FLAT, "--replace", "--allow-small-change")
    found = rows(home, FLAT)
    told = {row["lefthippocampus"] for row in found} - {None}
    assert len(told) < 3
    classes = [(row["subjectageyears"], row["gender"], row["lefthippocampus"]) for row in found]
    assert min(classes.count(one) for one in classes) >= 5


def test_a_policy_that_makes_rows_anonymous_otherwise_wants_them_imported_anew(home, refused):
    publish_flat(home)
    shelve(home, FLAT, "one", "p1")
    home.dataset_policy(FLAT.key, "clinic").write_text("[anonymisation]\noldest_age = 80\n")
    assert "Import the clinical rows anew" in refused(FLAT)


def test_rows_without_pseudonyms_cannot_be_joined(home, refused):
    publish_flat(home, policy='[anonymisation]\npatient_codes = "keep"\n')
    assert "no pseudonyms" in refused(FLAT)


def test_the_card_tells_where_volumes_come_from_and_of_no_few_patients(home, publish, mip):
    publish_flat(home)
    scans = [shelve(home, FLAT, f"scan{number}", f"p{number}") for number in range(3)]
    publish(FLAT)
    snapshot = Datasets(home).current(FLAT.key, "clinic")
    assert snapshot.source == "clinic.csv, with volumes"
    volumes = applied_to(snapshot).volumes
    assert (volumes.atlas_hash, volumes.setting) == ("a" * 64, "fast")
    assert volumes.tools == {"dipy": "1.11", "simpleitk": "2.5"}
    listed = (home.imaging / "publications" / f"{volumes.scans}.json").read_bytes()
    assert hashlib.sha256(listed).hexdigest() == volumes.scans
    for entry in json.loads(listed):
        measured = (Shelf(home).scans / entry["scan"] / "volumes.json").read_bytes()
        assert entry["volumes"] == hashlib.sha256(measured).hexdigest()
    card = mip("data", "card", FLAT.key, "clinic")[1]
    assert "fewer than 10 patients have them" in " ".join(card.split())
    assert "setting fast, the atlas small" in " ".join(card.split())
    assert not any(scan.patient in card or scan.id in card for scan in scans)
    (row,) = [row for row in ledger(home).walk() if row.statistic == "scan publication"]
    assert ("clinic: volumes joined" in row.reason, row.verdict) == (True, "published")
    assert row.snapshots == {"clinic": snapshot.hash}
    assert ledger(home).verify() is None


def test_the_former_version_comes_back(home, publish, mip):
    publish_flat(home)
    shelve(home, FLAT, "one", "p1")
    publish(FLAT)
    assert "tiv" in rows(home, FLAT)[0]
    assert mip("data", "rollback", FLAT.key, "clinic", 1)[0] == 0
    assert "tiv" not in rows(home, FLAT)[0]
    assert publish(FLAT)["published"] == 3
    out = mip("data", "diff", FLAT.key, "clinic", 1, 3)[1]
    assert "New variables: tiv, lefthippocampus, likeness" in out


def test_later_clinical_rows_get_their_volumes_anew(home, publish):
    publish_flat(home)
    shelve(home, FLAT, "one", "p1")
    publish(FLAT)
    later = publish_flat(home, patients=41)
    assert (later.version, "tiv" in later.variables) == (3, False)
    assert publish(FLAT, "--allow-small-change")["published"] == 4
    volumes = applied_to(Datasets(home).current(FLAT.key, "clinic")).volumes
    assert volumes.clinical_version == 3


def test_nothing_is_published_upon_what_changed_meanwhile(home):
    first = publish_flat(home)
    shelve(home, FLAT, "one", "p1")
    shelf = Shelf(home)
    (scan,) = accepted_scans(shelf).accepted
    refuse_changed(shelf, [scan])
    decide(home, ledger(home), "one", ReviewDecision.REJECT, "moved", "somebody")
    with pytest.raises(Conflict, match="reviewed or measured anew"):
        refuse_changed(shelf, [scan])
    decide(home, ledger(home), "one", ReviewDecision.ACCEPT, "seen", "somebody")
    measure(home, "one", tiv=1.0)
    with pytest.raises(Conflict, match="reviewed or measured anew"):
        refuse_changed(shelf, [scan])
    publish_flat(home, patients=41)
    with pytest.raises(Conflict, match="has become current meanwhile"):
        Datasets(home).publish_all({"clinic": first.path}, FLAT.key, "x.csv", upon=first)
    assert [one.version for one in Datasets(home).versions(FLAT.key, "clinic")] == [1, 2]
