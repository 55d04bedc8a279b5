"""Kills, damage and malice: no half backup, no half home, no path out of it."""

import errno
import hashlib
import io
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from medmip.catalogue.home import Home
from medmip.deploy import backup as backup_module
from medmip.deploy.archive import Entry, Manifest
from medmip.deploy.backup import back_up
from medmip.deploy.contents import may_hold
from medmip.deploy.encryption import encrypting, make_identity
from medmip.deploy.errors import BackupError
from medmip.deploy.restore import restore
from medmip.deploy.verification import verify_backup
from tests.deploy.conftest import text_of_public

MIP = str(Path(sys.executable).with_name("mip"))
LARGE = 200_000_000


def killed_when(begun, *arguments: str) -> None:
    """Runs a command and kills it as soon as begun() is true; it must not have ended before."""
    process = subprocess.Popen(
        [MIP, "deploy", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not begun():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def make_large(home: Home) -> None:
    with (home.models / "large.json").open("wb") as file:
        for _ in range(LARGE // 1_000_000):
            file.write(os.urandom(1_000_000))


def test_a_backup_killed_in_the_midst_leaves_the_former_one(full, identity, public, shelf):
    former = back_up(full, shelf, [public])
    content = former.path.read_bytes()
    make_large(full)

    def begun() -> bool:
        return any(path.stat().st_size > 10_000_000 for path in shelf.glob(".*.partial"))

    command = ("backup", "--home", str(full.path), "--keep", "1", "--to", str(shelf))
    killed_when(begun, *command, "--recipient", text_of_public(identity))
    assert [path for path in shelf.iterdir() if path.name[0] != "."] == [former.path]
    assert former.path.read_bytes() == content
    (full.models / "large.json").unlink()
    later = back_up(full, shelf, [public], keep=1)
    assert [*shelf.iterdir()] == [later.path]
    assert not (full.path / ".backup").exists()
    verify_backup(later.path, identity)


def test_a_restoration_killed_in_the_midst_leaves_no_home(full, identity, public, shelf, tmp_path):
    make_large(full)
    made = back_up(full, shelf, [public])
    back = Home(tmp_path / "new" / "back")

    def begun() -> bool:
        large = (tmp_path / "new").glob(".back.restore-*/models/large.json")
        return any(path.stat().st_size > 10_000_000 for path in large)

    killed_when(
        begun, "restore", str(made.path), "--identity", str(identity), "--home", str(back.path)
    )
    assert not back.path.exists()
    restore(made.path, identity, back)
    assert [*back.path.parent.iterdir()] == [back.path]
    assert (back.models / "large.json").stat().st_size == LARGE


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.5, 0.999, 1.0])
def test_a_file_cut_off_is_refused(full, identity, public, shelf, tmp_path, share):
    path = back_up(full, shelf, [public]).path
    content = path.read_bytes()
    path.write_bytes(content[: min(int(len(content) * share), len(content) - 1)])
    refused(path, identity, tmp_path, "damaged|beginning was changed")


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.5, 1.0])
def test_a_file_with_one_bit_changed_is_refused(full, identity, public, shelf, tmp_path, share):
    path = back_up(full, shelf, [public]).path
    content = bytearray(path.read_bytes())
    content[int((len(content) - 1) * share)] ^= 1
    path.write_bytes(content)
    refused(path, identity, tmp_path, "damaged|beginning was changed")


def refused(path: Path, identity: Path, tmp_path: Path, match: str) -> None:
    """Neither proof nor restoration takes the file, and nothing of it stays."""
    back = Home(tmp_path / "new" / "back")
    with pytest.raises(BackupError, match=match):
        verify_backup(path, identity)
    with pytest.raises(BackupError, match=match):
        restore(path, identity, back)
    assert [*back.path.parent.iterdir()] == []


def test_another_key_reads_nothing(full, public, shelf, tmp_path):
    other = tmp_path / "other.txt"
    make_identity(other)
    refused(back_up(full, shelf, [public]).path, other, tmp_path, "not encrypted to this identity")


def test_a_file_that_is_no_identity_is_told_so(full, public, shelf, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("hello")
    refused(back_up(full, shelf, [public]).path, other, tmp_path, "holds no identity")


def sealed(path: Path, public, members, listed=()) -> Path:
    """An archive with any members, encrypted as a backup is, and a manifest of those listed."""
    files = {
        name: Entry(size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in listed
    }
    manifest = Manifest(made=datetime.now(UTC), version="0", files=files).model_dump_json()
    with (
        path.open("wb") as file,
        encrypting(file, [public]) as stream,
        tarfile.open(fileobj=stream, mode="w|") as tar,
    ):
        last = tarfile.TarInfo("manifest.json")
        for member, content in (*members, (last, manifest.encode())):
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "home//etc/passwd",
        "home/../escaped",
        "../escaped",
        "home/models/../../../escaped",
        "home/./state.db",
        "home/models//x",
        "home/inbox/x",
        "home/unknown",
        "home/",
        "state.db",
    ],
)
def test_a_hostile_path_is_refused(public, identity, shelf, tmp_path, name):
    path = sealed(shelf / "x", public, [(tarfile.TarInfo(name), b"x")])
    refused(path, identity, tmp_path, "no backup that MIP made")
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_a_link_or_device_is_refused(public, identity, shelf, tmp_path, kind):
    member = tarfile.TarInfo("home/models/x")
    member.type, member.linkname = kind, "/etc/passwd"
    refused(
        sealed(shelf / "x", public, [(member, b"")]), identity, tmp_path, "no backup that MIP made"
    )


def test_a_file_twice_is_refused(public, identity, shelf, tmp_path):
    members = [(tarfile.TarInfo("home/state.db"), b"x")] * 2
    refused(sealed(shelf / "x", public, members), identity, tmp_path, "not twice")


@pytest.mark.parametrize("listed", [[], [("state.db", b"y")], [("state.db", b"x"), ("hub/x", b"")]])
def test_files_other_than_the_manifests_are_refused(public, identity, shelf, tmp_path, listed):
    members = [(tarfile.TarInfo("home/state.db"), b"x")]
    refused(sealed(shelf / "x", public, members, listed), identity, tmp_path, "manifest says")


def test_a_damaged_state_database_is_refused(public, identity, shelf, tmp_path):
    content = [("state.db", b"x" * 5000)]
    members = [(tarfile.TarInfo("home/state.db"), content[0][1])]
    path = sealed(shelf / "x", public, members, content)
    refused(path, identity, tmp_path, "state database in the backup is damaged")


def test_a_changed_ledger_is_found(full, identity, public, shelf):
    with closing(sqlite3.connect(full.state_db)) as connection:
        connection.execute("DELETE FROM ledger WHERE number = 3")
        connection.commit()
    made = back_up(full, shelf, [public])
    with pytest.raises(BackupError, match="changed at row 3"):
        verify_backup(made.path, identity)


def test_a_home_that_holds_anything_is_left_alone(full, identity, public, shelf, tmp_path):
    made = back_up(full, shelf, [public])
    back = tmp_path / "back"
    back.mkdir()
    (back / "mine.txt").write_text("mine")
    with pytest.raises(BackupError, match="empty one only"):
        restore(made.path, identity, Home(back))
    assert [*back.iterdir()] == [back / "mine.txt"]
    (back / "mine.txt").unlink()
    restore(made.path, identity, Home(back))
    assert (back / "state.db").is_file()


class Full(io.FileIO):
    """A file on a disk with little room left."""

    def write(self, content) -> int:
        if self.tell() > 20_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(content)


def test_a_disk_that_fills_up_leaves_the_former_backup(full, public, shelf, monkeypatch):
    former = back_up(full, shelf, [public])
    monkeypatch.setattr(backup_module.os, "fdopen", lambda descriptor, _: Full(descriptor, "wb"))
    with pytest.raises(BackupError, match="not enough space"):
        back_up(full, shelf, [public], keep=1)
    assert [*shelf.iterdir()] == [former.path]


def test_too_small_a_disk_is_told_before(full, public, shelf, monkeypatch):
    usage = shutil.disk_usage(shelf)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(BackupError, match="not enough space"):
        back_up(full, shelf, [public])
    assert [*shelf.iterdir()] == []


@pytest.mark.parametrize("path", ["state.db", "keys/patients/m/d/x", "datasets/m/d/published.json"])
def test_paths_of_a_home_are_held(path):
    assert may_hold(path)
