"""A home as it was before an upgrade: `python -m medmip.deploy.before keep|bring-back|forget HOME`.

Run as the home's own account, while nothing serves it.
"""

import contextlib
import os
import shutil
import sys
from pathlib import Path

from medmip.catalogue.atomic_file import sync_folder, sync_tree
from medmip.catalogue.home import Home
from medmip.deploy.contents import BEFORE, PARTS, STATE
from medmip.deploy.moment import moment_of

_HOME = Home(Path())
_LINKED = frozenset({_HOME.datasets.name, _HOME.imaging.name})
"""What is large and only ever replaced: links do. All else is copied, for a link to a file that
somebody writes in place would change with it."""


def keep(home: Home) -> None:
    """Keeps all that a backup would hold, in the home itself and at the cost of the state alone."""
    forget(home)
    with moment_of(home) as folder:
        for part in folder.iterdir():
            if part.name not in _LINKED:
                _come_apart(part)
        sync_tree(folder)
        os.rename(folder, home.path / BEFORE)
    sync_folder(home.path)


def bring_back(home: Home) -> None:
    """Makes the home what was kept; after a kill at any moment it can be run again.

    Parts that no backup holds stay as they are.
    """
    kept = home.path / BEFORE
    for log in (f"{STATE}-wal", f"{STATE}-shm"):
        # They belong to the database that goes.
        (home.path / log).unlink(missing_ok=True)
    for part in PARTS:
        if part.kept:
            _bring(kept, part.name, home.path)
            if (home.path / part.name).is_dir():
                sync_tree(home.path / part.name)
    sync_folder(home.path)


def forget(home: Home) -> None:
    """Removes what was kept, which else would hold datasets that were removed since."""
    shutil.rmtree(home.path / BEFORE, ignore_errors=True)


def _bring(kept: Path, name: str, home: Path) -> None:
    source, target = kept / name, home / name
    if source.is_dir():
        # A part may be a link to a folder on another disk, which stays.
        target.mkdir(mode=0o700, exist_ok=True)
        for entry in target.iterdir():
            if not (source / entry.name).exists():
                _remove(entry)
        for entry in source.iterdir():
            _bring(kept, f"{name}/{entry.name}", home)
    elif source.is_file():
        if target.is_file() and target.samefile(source):
            return
        partial = target.with_name(f".{target.name}.partial")
        partial.unlink(missing_ok=True)
        if target.is_dir():
            shutil.rmtree(target)
        _lay(source, partial, linked=name.split("/", maxsplit=1)[0] in _LINKED)
        os.replace(partial, target)
    elif target.exists() and not target.is_symlink():
        _remove(target)


def _lay(source: Path, target: Path, *, linked: bool) -> None:
    if linked:
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    shutil.copy(source, target)


def _come_apart(path: Path) -> None:
    for entry in path.iterdir() if path.is_dir() else ():
        _come_apart(entry)
    if path.is_file() and path.stat().st_nlink > 1:
        partial = path.with_name(f".{path.name}.partial")
        shutil.copy(path, partial)
        os.replace(partial, path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    {"keep": keep, "bring-back": bring_back, "forget": forget}[sys.argv[1]](Home(Path(sys.argv[2])))
