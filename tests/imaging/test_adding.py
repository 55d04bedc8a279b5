"""A scan goes from DICOM or NIfTI to a kept volume, once."""

import errno
import json
import os
import zipfile

import nibabel as nib
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import RLELossless

from medmip.anonymise.keyed import derived, pseudonym
from medmip.anonymise.settings import Anonymisation, DateRule
from medmip.anonymise.transform import patient_key
from medmip.cli.main import main
from medmip.imaging import adding
from medmip.imaging.errors import ImagingError, Unfit
from medmip.imaging.identity import Identity
from medmip.imaging.shelf import Shelf
from tests.imaging.conftest import KEY
from tests.imaging.scanner import COLUMNS, PATIENT, ROWS, SLICES, head, scan
from tests.ingest.files import WARD


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def nifti(path, voxels, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.Nifti1Image(voxels, np.diag([1.9, 1.9, 1.9, 1]) if affine is None else affine).to_filename(
        path
    )
    return path


def test_a_series_becomes_a_volume_with_the_scanners_voxels(home, added, tmp_path):
    scan(tmp_path / "in" / "deep" / "er")
    (one,) = added(tmp_path / "in")
    assert one.new
    assert one.record.verdict == "taken", one.record
    image = nib.load(Shelf(home).scans / one.record.id / "t1.nii.gz")
    assert image.shape == (COLUMNS, ROWS, SLICES)
    # DICOM runs to the left and back, NIfTI as dcm2niix writes it to the right and front.
    voxel = np.linalg.inv(image.affine) @ np.array(
        [80 - 1.9 * 50, 80 - 1.9 * 20, -80 + 1.9 * 40, 1]
    )
    i, j, k = np.round(voxel[:3]).astype(int)
    assert np.asarray(image.dataobj)[i, j, k] == head()[40, 20, 50]


def test_its_patient_has_the_pseudonym_of_the_clinical_rows(added, tmp_path):
    scan(tmp_path / "in")
    (one,) = added(tmp_path / "in")
    assert one.record.patient == pseudonym(derived(KEY, "patients"), PATIENT)


def test_the_same_scan_again_changes_nothing_whatever_its_files_are_called(home, added, tmp_path):
    paths = scan(tmp_path / "in")
    (first,) = added(tmp_path / "in")
    before = contents(home.imaging)
    with zipfile.ZipFile(tmp_path / "again.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, path in enumerate(reversed(paths)):
            archive.write(path, f"x/{number}/file")
    (again,) = added(tmp_path / "again.zip")
    assert not again.new
    assert again.record == first.record
    assert contents(home.imaging) == before


def test_uids_are_remapped_alike_in_all_slices_and_dates_move_together(
    home, added, tmp_path, identity
):
    paths = scan(tmp_path / "in")
    (one,) = added(tmp_path / "in")
    files = [dcmread(path) for path in sorted(Shelf(home).scans.rglob("*.dcm"))]
    assert len(files) == SLICES
    assert {file.SeriesInstanceUID for file in files} == {
        identity.uid(dcmread(paths[0]).SeriesInstanceUID)
    }
    assert len({file.SOPInstanceUID for file in files}) == SLICES
    assert {file.StudyDate for file in files} == {identity.date(PATIENT, "20190314")}
    assert one.record.acquired.replace("-", "") == files[0].StudyDate != "20190314"


@pytest.mark.parametrize(
    "attributes, why",
    [
        ({"MRAcquisitionType": "2D"}, "not acquired in 3D"),
        ({"EchoTime": 90}, "echo time is too long"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "computed from other images"),
        ({"Modality": "CT"}, "no magnetic resonance"),
        ({"ScanningSequence": "SE"}, "no gradient echo"),
        ({"InversionTime": 2500}, "inversion time"),
        ({"SeriesDescription": "3D_FLAIR_sag"}, "another kind of scan"),
        ({"ContrastBolusAgent": "Gd"}, "contrast agent"),
    ],
)
def test_other_series_are_listed_with_the_reason(home, reason, tmp_path, attributes, why):
    scan(tmp_path / "in", slices=3, **attributes)
    assert why in reason(tmp_path / "in", "left out")
    assert len(Shelf(home).records()) == 1


def test_a_hospitals_own_rules_replace_those_that_come_with_mip(home, added, tmp_path):
    scan(tmp_path / "in", ScanningSequence="SE")
    (left,) = added(tmp_path / "in")
    home.imaging.mkdir(exist_ok=True)
    (home.imaging / "rules.yaml").write_text(
        "series: []\nquality: {slices_at_least: 80, voxel_at_most: 2, voxel_at_least: 0.3,"
        " edges_ratio_at_most: 2, extent_at_least: 100, extent_at_most: 400, tilt_at_most: 40}\n"
    )
    (taken,) = added(tmp_path / "in")
    assert (left.record.verdict, taken.record.verdict) == ("left out", "taken")
    assert left.record.id == taken.record.id
    assert Shelf(home).records() == [taken.record]


def test_what_was_refused_for_a_passing_reason_is_judged_anew(home, added, tmp_path, monkeypatch):
    def unlucky(*_: object) -> None:
        raise Unfit("dcm2niix cannot convert the series (exit code -9).")

    scan(tmp_path / "in")
    with monkeypatch.context() as context:
        context.setattr(adding, "converted", unlucky)
        (refused,) = added(tmp_path / "in")
    (same,) = added(tmp_path / "in")
    (taken,) = added(tmp_path / "in", again=True)
    verdicts = [one.record.verdict for one in (refused, same, taken)]
    assert verdicts == ["refused", "refused", "taken"]
    assert (same.new, taken.new) == (False, True)


def test_a_bids_folder_gives_its_t1_and_lists_the_rest(home, added, tmp_path):
    voxels = head().T.astype(np.int16)
    nifti(tmp_path / "study" / "sub-A7" / "anat" / "sub-A7_T1w.nii.gz", voxels)
    nifti(tmp_path / "study" / "sub-A7" / "func" / "sub-A7_bold.nii.gz", voxels)
    (tmp_path / "study" / "participants.tsv").write_text("participant_id\nsub-A7\n")
    found = {one.record.verdict: one.record for one in added(tmp_path / "study")}
    assert found["taken"].patient == pseudonym(derived(KEY, "patients"), "A7")
    assert "_T1w" in found["left out"].reason
    kept = nib.load(Shelf(home).scans / found["taken"].id / "t1.nii.gz")
    assert np.array_equal(np.asarray(kept.dataobj), voxels)


def test_a_compressed_series_gives_the_same_voxels_and_keeps_no_stream(home, added, tmp_path):
    scan(tmp_path / "plain", seed="plain")
    scan(tmp_path / "packed", seed="packed", change=lambda file, _: file.compress(RLELossless))
    (plain,) = added(tmp_path / "plain")
    (packed,) = added(tmp_path / "packed")
    assert packed.record.verdict == "taken", packed.record
    one, other = (
        np.asarray(nib.load(Shelf(home).scans / scan.record.id / "t1.nii.gz").dataobj)
        for scan in (plain, packed)
    )
    assert np.array_equal(one, other)
    assert not (Shelf(home).scans / packed.record.id / "dicom").exists()


def test_a_datasets_scans_have_its_patients_pseudonyms(identity):
    settings = Anonymisation(dates={"visit": DateRule(shift=30)})
    of_ward = Identity.of_dataset(KEY, settings, WARD.code, "ward")
    assert of_ward.patient(PATIENT) == pseudonym(
        patient_key(KEY, settings, WARD.code, "ward"), PATIENT
    )
    assert of_ward.patient(PATIENT) != identity.patient(PATIENT)
    assert of_ward.dates_move_at_most == 30
    linkable = settings.model_copy(update={"linkable": True})
    alike = Identity.of_dataset(KEY, linkable, WARD.code, "ward")
    assert alike.patient(PATIENT) == identity.patient(PATIENT)


def test_a_full_disk_is_told_without_a_files_name(home, added, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "no", str(tmp_path / "Dupont"))

    monkeypatch.setattr(os, "rename", full)
    scan(tmp_path / "in", slices=3)
    with pytest.raises(ImagingError, match="No space left") as told:
        added(tmp_path / "in")
    assert "Dupont" not in str(told.value)
    assert Shelf(home).records() == []


def test_the_commands_add_and_list(home, tmp_path, capsys):
    scan(tmp_path / "in")
    with pytest.raises(SystemExit) as ended:
        main(["imaging", "add", str(tmp_path / "in"), "--home", str(home.path), "--json"])
    assert ended.value.code == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["verdict"], one["new"]) == ("taken", True)
    with pytest.raises(SystemExit):
        main(["imaging", "list", "--home", str(home.path), "--json"])
    (listed,) = json.loads(capsys.readouterr().out)
    assert listed == {name: value for name, value in one.items() if name != "new"}
