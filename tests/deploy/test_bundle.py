"""A bundle for a server without internet: the same from the same wheels, and what is in it."""

import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from medmip.deploy import bundle
from medmip.deploy.bill_of_materials import bill_of_materials
from medmip.deploy.blocks.registry import BLOCKS
from medmip.deploy.debian_package import build, moment_of, refuse_without_portal, version_of
from medmip.deploy.errors import DeployError
from tests.conftest import missing


@pytest.fixture(autouse=True)
def _on_debian() -> None:
    if shutil.which("dpkg-deb") is None:
        missing("dpkg-deb is not installed")


def a_wheel(folder: Path, name: str, version: str) -> None:
    """A wheel as small as one can be."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        entry = zipfile.ZipInfo(f"{name}-{version}.dist-info/METADATA", (2026, 3, 4, 5, 6, 8))
        wheel.writestr(entry, f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n")


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    for name, version in (("medmip", "0.1.0"), ("other", "2.0")):
        a_wheel(folder, name, version)
    return folder


def test_the_package_is_the_same_to_the_bit(tmp_path: Path, wheelhouse: Path) -> None:
    again = tmp_path / "again"
    again.mkdir()
    for wheel in sorted(wheelhouse.iterdir(), reverse=True):
        shutil.copyfile(wheel, again / wheel.name)
        os.utime(again / wheel.name, (1, 1))
    built = []
    for number, (folder, mask) in enumerate(((wheelhouse, 0o022), (again, 0o077))):
        before = os.umask(mask)
        try:
            place = tmp_path / str(number)
            place.mkdir()
            built.append(build(folder, place, place / "workspace", "amd64").read_bytes())
        finally:
            os.umask(before)
    assert built[0] == built[1]


def test_the_package_belongs_to_root_and_bears_one_date(tmp_path: Path, wheelhouse: Path) -> None:
    path = build(wheelhouse, tmp_path, tmp_path / "workspace", "amd64")
    archive = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", str(path)], check=True, capture_output=True
    ).stdout
    (tmp_path / "archive").write_bytes(archive)
    with tarfile.open(tmp_path / "archive") as held:
        entries = held.getmembers()
    assert {(one.uid, one.gid, one.mtime) for one in entries} == {(0, 0, moment_of(wheelhouse))}
    assert "./usr/share/mip/wheels/other-2.0-py3-none-any.whl" in {one.name for one in entries}


def test_a_date_can_be_told(monkeypatch: pytest.MonkeyPatch, wheelhouse: Path) -> None:
    assert moment_of(wheelhouse) == 1_772_600_768
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "77")
    assert moment_of(wheelhouse) == 77


def test_one_version_of_mip_is_wanted(wheelhouse: Path) -> None:
    assert version_of(wheelhouse) == "0.1.0"
    a_wheel(wheelhouse, "medmip", "0.2.0")
    with pytest.raises(DeployError, match="2 wheels of medmip") as wrong:
        version_of(wheelhouse)
    assert "pip wheel" in str(wrong.value)


PAGE = '<script src="/assets/start.js"></script><link rel="icon" href="/mark.svg">'


@pytest.mark.parametrize(
    "files",
    [{}, {"index.html": PAGE, "mark.svg": ""}, {"index.html": "", "assets/start.js": ""}],
    ids=["none", "half", "no page"],
)
def test_a_wheel_without_the_portal_makes_no_bundle(
    wheelhouse: Path, tmp_path: Path, files: dict[str, str]
) -> None:
    with zipfile.ZipFile(next(wheelhouse.glob("medmip-*")), "a") as wheel:
        for name, text in files.items():
            wheel.writestr(f"medmip/web/static/{name}", text)
    with pytest.raises(DeployError, match="without the portal") as refused:
        bundle.make_bundle(wheelhouse, tmp_path / "out", "nobody", print)
    assert "make portal" in str(refused.value.remedy)
    assert not (tmp_path / "out").exists()


def test_a_wheel_with_all_of_the_portal_is_taken(wheelhouse: Path) -> None:
    with zipfile.ZipFile(next(wheelhouse.glob("medmip-*")), "a") as wheel:
        for name, text in {"index.html": PAGE, "mark.svg": "", "assets/start.js": ""}.items():
            wheel.writestr(f"medmip/web/static/{name}", text)
    refuse_without_portal(wheelhouse)


def test_the_bill_tells_every_part_with_its_hash(tmp_path: Path, wheelhouse: Path) -> None:
    build(wheelhouse, tmp_path, tmp_path / "workspace", "amd64")
    told = bill_of_materials("0.1.0", wheelhouse, tmp_path, 77)
    assert told == bill_of_materials("0.1.0", wheelhouse, tmp_path, 77)
    bill = json.loads(told)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert {one["purl"] for one in bill["components"]} == {
        "pkg:deb/mip/mip@0.1.0?arch=amd64",
        "pkg:pypi/medmip@0.1.0",
        "pkg:pypi/other@2.0",
    }
    assert all(len(one["hashes"][0]["content"]) == 64 for one in bill["components"])


def test_what_any_block_needs_is_in_a_bundle() -> None:
    assert {name for block in BLOCKS for name in block.packages} < {*bundle.packages()}
    assert "python3-apt" in bundle.packages(), "Ansible installs packages by it"


def test_a_machine_that_names_no_release_makes_no_bundle() -> None:
    assert bundle._codename('NAME="x"\nVERSION_CODENAME=bookworm\n') == "bookworm"
    with pytest.raises(DeployError, match="which release of Debian"):
        bundle._codename("NAME=x\n")
