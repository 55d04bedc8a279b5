"""A ward whose patients have clinical rows, published, and scans, measured and accepted."""

from datetime import date

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.model_store import ModelStore
from medmip.imaging.identity import identity_of
from medmip.imaging.record import ScanRecord, Verdict
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.atlas import AtlasRecord
from medmip.imaging.volumetry.choice import SettingName
from medmip.imaging.volumetry.record import VOLUMES, MeasuredVolume, Quality, VolumesRecord
from medmip.imaging.volumetry.review import decide
from medmip.ingest.publish import bring_in
from medmip.privacy.ledger import Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.state import open_state
from tests.store.models import integer, nominal, real, text


def volume(code, units="cm3", maximum=3000):
    return real(code, 0, maximum).model_copy(update={"units": units})


_MEASURED = (
    volume("tiv"),
    volume("lefthippocampus"),
    volume("righthippocampus", units="mm3"),
    real("likeness"),
)
FLAT = DataModel(
    code="ward",
    version="1.0",
    label="Ward",
    variables=(
        nominal("dataset"),
        text("subjectcode"),
        integer("subjectageyears", 0, 120),
        nominal("gender", "F", "M"),
        *_MEASURED,
    ),
)
VISITS = DataModel(
    code="visits",
    version="1.0",
    label="Visits",
    longitudinal=True,
    variables=(
        nominal("dataset"),
        text("subjectid"),
        nominal("visitid", "BL", "M12", "M24"),
        text("visitdate"),
        integer("score", 0, 30),
        *_MEASURED,
    ),
)
MOVED = (
    "[anonymisation]\nreidentification = true\n[anonymisation.dates]\nvisitdate = {shift = 90}\n"
)
DAYS = {"BL": date(2020, 1, 10), "M12": date(2021, 1, 10), "M24": date(2022, 1, 10)}
ATLAS = AtlasRecord(name="small", sha256="a" * 64, regions=2, template=None)


def publish_flat(home, patients=40, *, policy="", more=""):
    """Rows of patients p0, p1, …, one each, without a date; more is a further column."""
    _state(home, FLAT, policy)
    name, _, value = more.partition("=")
    lines = [
        f"p{i},{50 + i % 4},{'FM'[i % 2]}{',' + value if more else ''}" for i in range(patients)
    ]
    return _publish(
        home, FLAT, f"subjectcode,subjectageyears,gender{',' + name if more else ''}", lines
    )


def publish_visits(home, patients=20, *, policy=MOVED, model=VISITS, score=20):
    """Rows of patients p0, p1, … with three visits each, a year apart."""
    _state(home, model, policy)
    lines = [f"p{i},{visit},{day},{score}" for i in range(patients) for visit, day in DAYS.items()]
    return _publish(home, model, "subjectid,visitid,visitdate,score", lines)


def _state(home, model, policy):
    if model.key not in {known.key for known in ModelStore(home).list()}:
        ModelStore(home).add(model)
    path = home.dataset_policy(model.key, "clinic")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(policy)


def _publish(home, model, header, lines):
    file = home.path / "clinic.csv"
    file.write_text("\n".join([header, *lines, ""]))
    (snapshot,) = bring_in(home, file, model, "clinic", allow_small_change=True).snapshots
    return snapshot


def ledger(home):
    return Ledger(open_state(home), LedgerHead(home))


def shelve(home, model, name, code, day=None, *, decision="accept", **measured):
    """A scan of a patient, added as with --dataset, measured, and decided of."""
    who = identity_of(home, model.key, "clinic")
    moved = day and who.date(code, day.strftime("%Y%m%d"))
    record = ScanRecord(
        id=name,
        verdict=Verdict.TAKEN,
        rules="",
        source="DICOM series",
        files=1,
        patient=who.patient(code),
        acquired=moved and f"{moved[:4]}-{moved[4:6]}-{moved[6:]}",
        moved=who.dates_move_at_most if moved else None,
    )
    shelf = Shelf(home)
    with shelf.work() as work:
        shelf.put(record, work)
    measure(home, name, **measured)
    if decision is not None:
        decide(home, ledger(home), name, decision, "seen", "somebody")
    return record


def measure(home, name, *, tiv=1400.5, left=3.25, atlas=ATLAS, setting=SettingName.FAST):
    """As if measured: what is published is what the record says."""
    record = VolumesRecord(
        scan=name,
        key="k",
        setting=setting,
        atlas=atlas,
        template="t" * 64,
        tools={"dipy": "1.11", "simpleitk": "2.5"},
        volumes=(
            MeasuredVolume(code="tiv", name="All", cm3=tiv),
            MeasuredVolume(code="lefthippocampus", name="Left", cm3=left, label=1),
            MeasuredVolume(code="righthippocampus", name="Right", cm3=left, label=2),
            MeasuredVolume(code="ourregion", name="Ours", cm3=1.0, label=3),
        ),
        quality=Quality(snr=20, cnr=6, likeness=0.95),
        steps=(),
        labels="l" * 64,
    )
    (Shelf(home).scans / name / VOLUMES).write_text(record.model_dump_json())
