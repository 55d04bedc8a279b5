"""Identifiers planted in every tag of the standard's table are in no file that is written."""

import gzip
import json
import logging

import pytest
from dicomanonymizer.simpledicomanonymizer import initialize_actions
from pydicom import Dataset, Sequence, dcmread
from pydicom.datadict import dictionary_VR, keyword_for_tag

from medmip.cli.main import main
from medmip.imaging.deidentify import EDITION
from medmip.imaging.shelf import Shelf
from tests.imaging.scanner import PATIENT, scan

NAME = "ZYXWVNAME"
DAY = "19310729"
UID = "1.2.826.0.1.3680043.777777"
PERSON = "http://zyxwvname.example"
PLANTED = (NAME, NAME.lower(), DAY, UID, PATIENT, "Dupont", "Amelie", "19480923", "20190314")
TEXT = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT", "AS"}
LAID_OUT = {
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SOPInstanceUID",
    "FrameOfReferenceUID",
    "PatientID",
    "MediaStorageSOPInstanceUID",
    "PixelData",
    "ContrastBolusAgent",
    "SOPClassUID",
}


def value_for(vr):
    if vr in TEXT:
        return NAME
    if vr == "UR":
        return PERSON
    if vr == "UI":
        return UID
    if vr in ("DA", "DT"):
        return DAY
    if vr in ("OB", "UN", "OW"):
        return NAME.encode() + b"!"
    return None


def plant(dataset):
    """Fills every tag of Table E.1-1 that can hold a name, a date or a UID; returns how many."""
    planted = 0
    for tag in initialize_actions(EDITION):
        if len(tag) > 2 or tag[0] in (0, 2) or tag[0] % 2:
            continue
        name = keyword_for_tag(tag)
        if not name or name in LAID_OUT:
            continue
        vr = dictionary_VR(tag).split(" or ")[0]
        if vr == "SQ":
            inner = Dataset()
            inner.PatientName, inner.StudyDate, inner.TextValue = NAME, DAY, NAME
            inner.ReferencedSOPInstanceUID = UID
            dataset.add_new(tag, vr, Sequence([inner]))
            planted += 1
        elif (value := value_for(vr)) is not None:
            dataset.add_new(tag, vr, value)
            planted += 1
    return planted


def plant_all(dataset, index):
    assert plant(dataset) > 400
    dataset.preamble = NAME.encode().ljust(128, b"\0")
    dataset.file_meta.SourceApplicationEntityTitle = NAME
    dataset.file_meta.PrivateInformationCreatorUID = UID
    dataset.file_meta.PrivateInformation = NAME.encode() + b"!"
    block = dataset.private_block(0x0029, f"{NAME} CSA", create=True)
    block.add_new(0x10, "LO", NAME)
    block.add_new(0x11, "OB", NAME.encode() + b"!")
    dataset.add_new((0x6000, 0x0022), "LO", NAME)
    dataset.add_new((0x6000, 0x3000), "OW", NAME.encode() + b"!")
    dataset.add_new((0x5000, 0x2500), "LO", NAME)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", NAME]
    dataset.ScanOptions = NAME
    dataset.SequenceName = NAME
    dataset.Manufacturer = f"SIEMENS {NAME}"
    dataset.InstitutionalDepartmentName = NAME
    dataset.PatientName = NAME
    dataset.SeriesDate = dataset.StudyDate = dataset.ContentDate = DAY
    # Behind the last pixel, where a viewer does not look.
    dataset.PixelData += NAME.encode() + b"!"


def test_no_identifier_is_in_any_byte_or_name_that_is_written(home, tmp_path, capfd, caplog):
    caplog.set_level(logging.DEBUG)
    written = scan(tmp_path / NAME / f"{NAME}_{DAY}", change=plant_all)
    assert NAME.encode() in written[0].read_bytes()
    with pytest.raises(SystemExit) as ended:
        main(["imaging", "add", str(tmp_path / NAME), "--home", str(home.path), "--json"])
    shown, errors = capfd.readouterr()
    assert ended.value.code == 0, shown
    (one,) = json.loads(shown)
    assert one["verdict"] == "taken"
    files = [path for path in home.path.rglob("*") if path.is_file()]
    assert len(files) > 80
    for text in (shown, errors, caplog.text, *(str(path.relative_to(home.path)) for path in files)):
        assert not [secret for secret in PLANTED if secret in text]
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content += gzip.decompress(content)
        assert not [secret for secret in PLANTED if secret.encode() in content], path.name


def test_what_is_kept_has_no_private_tag_and_says_how_it_was_freed(home, added, tmp_path):
    scan(tmp_path / "in", change=plant_all)
    added(tmp_path / "in")
    for path in Shelf(home).scans.rglob("*.dcm"):
        kept = dcmread(path)
        assert not [element for element in kept.iterall() if element.tag.is_private]
        assert kept.PatientIdentityRemoved == "YES"
        assert kept.PatientBirthDate == kept.PatientSex == ""
        codes = [item.CodeValue for item in kept.DeidentificationMethodCodeSequence]
        assert codes == ["113100", "113107"]


def test_a_refused_scan_leaves_no_identifier_either(home, tmp_path, capfd):
    paths = scan(tmp_path / NAME, change=plant_all, slices=5)
    paths[2].unlink()
    paths[4].write_bytes(paths[4].read_bytes()[:700])
    with pytest.raises(SystemExit) as ended:
        main(["imaging", "add", str(tmp_path / NAME), "--home", str(home.path)])
    assert ended.value.code == 1
    kept = b"".join(path.read_bytes() for path in home.path.rglob("*") if path.is_file())
    for text in (*capfd.readouterr(), kept.decode("latin-1")):
        assert not [secret for secret in PLANTED if secret in text]
