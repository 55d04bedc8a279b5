"""What is published is as anonymous as the policy says, and the strict policy is built in."""

import datetime as dt

import pyarrow.parquet as pq
import pytest

from medmip.anonymise.errors import AnonymisationError
from medmip.catalogue.home import Home
from medmip.ingest.check import check
from medmip.ingest.errors import NotClean
from medmip.ingest.publish import bring_in
from medmip.ingest.report import Kind
from medmip.privacy.site_key import site_key
from medmip.quality.control import NotFit
from medmip.stewardship.applied import applied_to
from medmip.stewardship.patients import KEY, codes_of
from medmip.stewardship.policy import DatasetPolicyError
from medmip.store.snapshots import Datasets
from tests.anonymise.cohort import COHORT
from tests.ingest.files import SECRET

HEADER = "subjectcode,subjectageyears,gender,school,volume,visitdate"
SHIFT = "[anonymisation.dates]\nvisitdate = { shift = 200 }\n"


@pytest.fixture
def home(tmp_path):
    """A home without any policy: the built-in one holds."""
    return Home(tmp_path / "home").prepare()


@pytest.fixture
def ruled(home):
    def ruling(text, dataset="ward"):
        path = home.dataset_policy(COHORT.key, dataset)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return ruling


def rows(patients=40, header=HEADER, remark=""):
    lines = [
        f"H{index:05},{50 + index},{'FM'[index % 2]},primary,{index}.25,2020-01-{1 + index % 28:02}"
        for index in range(patients)
    ]
    return "\n".join([header, *(line + remark for line in lines), ""])


@pytest.fixture
def published(home, write):
    def publishing(content, dataset="ward", **options):
        done = bring_in(home, write(content), COHORT, dataset, allow_small_change=True, **options)
        return done.snapshots[0]

    return publishing


def columns(snapshot):
    return pq.read_table(snapshot.path).to_pydict()


def test_without_a_policy_identifiers_are_refused_and_told_without_values(home, write, published):
    content = rows(header=HEADER + ",remark", remark=f",{SECRET}@example.org")
    with pytest.raises(NotClean) as refused:
        published(content)
    told = {problem.column for problem in refused.value.report.problems}
    assert told == {"remark", "visitdate"}
    assert {problem.kind for problem in refused.value.report.problems} == {Kind.DIRECT_IDENTIFIER}
    assert SECRET not in str(refused.value) + refused.value.report.model_dump_json()
    assert SECRET not in (home.logs / "ward.csv.problems.csv").read_text()
    assert not check(write(content), COHORT, "ward", home=home).clean
    assert Datasets(home).list() == []


def test_identifiers_cannot_be_set_aside_row_by_row(published):
    with pytest.raises(NotClean):
        published(rows(), quarantine=True)


def test_patients_get_pseudonyms_that_stay(published, ruled):
    ruled(SHIFT)
    first = columns(published(rows()))["subjectcode"]
    assert all(len(code) == 32 for code in first)
    assert not any("H000" in code for code in first)
    again = columns(published(rows(41)))["subjectcode"]
    assert again[:40] == first


def test_pseudonyms_of_two_datasets_or_hospitals_have_nothing_in_common(
    published, ruled, tmp_path, write
):
    ruled(SHIFT)
    ruled(SHIFT, "other")
    ward = set(columns(published(rows()))["subjectcode"])
    other = set(columns(published(rows(), "other"))["subjectcode"])
    assert not ward & other
    elsewhere = Home(tmp_path / "elsewhere").prepare()
    path = elsewhere.policies / "default.toml"
    path.parent.mkdir()
    path.write_text(SHIFT)
    done = bring_in(elsewhere, write(rows()), COHORT, "ward").snapshots[0]
    assert not ward & set(columns(done)["subjectcode"])


def test_linkable_pseudonyms_are_the_same_in_all_datasets(published, ruled):
    text = "[anonymisation]\nlinkable = true\n" + SHIFT
    ruled(text)
    ruled(text, "other")
    assert (
        columns(published(rows()))["subjectcode"]
        == columns(published(rows(), "other"))["subjectcode"]
    )


def test_dates_move_and_keep_their_distances(published, ruled):
    """Two visits of one patient, taken as two files of two datasets that share pseudonyms."""
    text = "[anonymisation]\nlinkable = true\n" + SHIFT
    ruled(text)
    ruled(text, "other")
    first = columns(published(rows()))["visitdate"]
    later = columns(published(rows().replace("2020-01-", "2020-03-"), "other"))["visitdate"]
    day = dt.date.fromisoformat
    apart = {(day(b) - day(a)).days for a, b in zip(first, later, strict=True)}
    assert apart == {60}
    raw = [dt.date(2020, 1, 1 + index % 28) for index in range(40)]
    moved = [(day(told) - then).days for told, then in zip(first, raw, strict=True)]
    assert all(1 <= abs(days) <= 200 for days in moved)
    assert len(set(moved)) > 10


def test_a_birth_date_gives_way_to_an_age(published, ruled):
    ruled(
        '[anonymisation]\ndrop = ["visitdate"]\n'
        "[anonymisation.dates]\n"
        'born = { format = "%d.%m.%Y", age = "subjectageyears", at = "seen" }\n'
        "seen = { shift = 5 }\n"
    )
    content = "subjectcode,gender,born,seen\n" + "".join(
        f"p{index},F,{index % 28 + 1:02}.06.{1915 + index},2020-06-15\n" for index in range(40)
    )
    told = columns(published(content))
    ages = [2020 - 1915 - index - (index % 28 + 1 > 15) for index in range(40)]
    assert told["subjectageyears"] == [min(age, 90) for age in ages]
    assert "born" not in told


def test_a_date_written_otherwise_is_told_without_it(published, ruled):
    ruled(SHIFT)
    with pytest.raises(NotClean, match="not written as the policy says, in 1 row") as refused:
        published(rows().replace("2020-01-01", "1.1.2020", 1))
    assert "1.1.2020" not in str(refused.value)


def test_ages_above_89_are_one(published, ruled):
    ruled(SHIFT)
    told = columns(published(rows(60)))["subjectageyears"]
    assert told[:41] == list(range(50, 91))
    assert set(told[40:]) == {90}


def test_k_anonymity_is_reached_and_told(published, ruled):
    ruled(
        SHIFT
        + "[anonymisation.k_anonymity]\nk = 4\nsuppression = 0.1\n"
        + "quasi_identifiers = { subjectageyears = { intervals = [5, 10] }, gender = {} }\n"
    )
    snapshot = published(rows())
    frame = pq.read_table(snapshot.path).to_pandas()
    assert frame.groupby(["subjectageyears", "gender"]).size().min() >= 4
    done = applied_to(snapshot)
    assert done.generalised.after.smallest >= 4
    assert done.generalised.before.prosecutor == 1.0
    assert any("intervals" in step.done for step in done.steps)


def test_what_cannot_be_made_anonymous_is_not_published(home, published, ruled):
    ruled(SHIFT + "[anonymisation.k_anonymity]\nk = 50\nquasi_identifiers = { gender = {} }\n")
    with pytest.raises(AnonymisationError):
        published(rows())
    assert Datasets(home).list() == []
    assert list((home.path / "work").iterdir()) == []


def test_patients_are_found_again_by_the_keys_holder_alone(home, published, ruled):
    ruled("[anonymisation]\nreidentification = true\n" + SHIFT)
    told = columns(published(rows()))["subjectcode"]
    found = codes_of(home, site_key(home, KEY), COHORT.key, "ward", told)
    assert [found[code] for code in told] == [f"H{index:05}" for index in range(40)]
    (sealed,) = home.patients_table(COHORT.key, "ward").iterdir()
    assert b"H00001" not in sealed.read_bytes()
    assert sealed.stat().st_mode & 0o077 == 0
    with pytest.raises(Exception, match="another key"):
        codes_of(home, b"x" * 32, COHORT.key, "ward", told)
    content = bytearray(sealed.read_bytes())
    content[-1] ^= 1
    sealed.write_bytes(content)
    with pytest.raises(Exception, match="was changed"):
        codes_of(home, site_key(home, KEY), COHORT.key, "ward", told)


def test_without_that_permission_no_table_is_kept(home, published, ruled):
    ruled(SHIFT)
    published(rows())
    assert not home.patients_table(COHORT.key, "ward").exists()


def test_the_same_file_under_the_same_policy_is_no_new_version(published, ruled):
    ruled("[anonymisation]\nreidentification = true\n" + SHIFT)
    assert (published(rows()).version, published(rows()).version) == (1, 1)
    ruled('[description]\ntitle = "Ward"\n[anonymisation]\nreidentification = true\n' + SHIFT)
    assert published(rows()).version == 2


def test_a_threshold_of_quality_keeps_a_dataset_back(home, published, ruled):
    ruled(SHIFT + "[quality]\ncomplete = { volume = 0.9 }\n")
    published(rows())
    thin = "\n".join([HEADER, *(f"p{i},{50 + i},F,primary,,2020-01-01" for i in range(40)), ""])
    with pytest.raises(NotFit, match=r"volume is present in 0.0%"):
        published(thin)
    assert Datasets(home).current(COHORT.key, "ward").version == 1


@pytest.mark.parametrize(
    "text, field",
    [
        ("[anonymisation]\nlinked = true\n", "anonymisation.linked"),
        ("[retention]\nversions = 0\n", "retention.versions"),
        (
            "[anonymisation.dates]\nx = { shift = 3, age = 'y', at = 'z' }\n",
            "anonymisation.dates.x",
        ),
    ],
)
def test_a_policy_that_is_not_understood_publishes_nothing(home, published, ruled, text, field):
    ruled(text)
    with pytest.raises(DatasetPolicyError) as refused:
        published(rows())
    assert refused.value.fields[0].path == field
    assert Datasets(home).list() == []


def test_invented_patients_keep_their_codes_where_no_policy_is_stated(published):
    told = columns(published(rows(), synthetic=True))
    assert told["subjectcode"][0] == "H00000"


def test_visits_of_a_patient_stay_together_in_no_telling_order(home, write):
    renamed = [
        variable.model_copy(update={"code": "subjectid"})
        if variable.code == "subjectcode"
        else variable
        for variable in COHORT.variables
    ]
    visit = COHORT.variable("gender").model_copy(update={"code": "visitid"})
    update = {"code": "visits", "longitudinal": True, "variables": (*renamed, visit)}
    model = COHORT.model_copy(update=update)
    lines = [f"h{index},{visit},{60 + index}" for index in range(30) for visit in ("F", "M")]
    content = "\n".join(["subjectid,visitid,subjectageyears", *lines[::-1], ""])
    snapshot = bring_in(home, write(content), model, "ward").snapshots[0]
    told = columns(snapshot)
    assert told["__patient"] == sorted(told["__patient"])
    assert told["subjectid"] == sorted(told["subjectid"])
    assert told["visitid"] == ["F", "M"] * 30
