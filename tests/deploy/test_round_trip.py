"""A backup brings back what matters, byte for byte, and nothing else leaves the home."""

import hashlib
import multiprocessing
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from medmip.accounts.people import People
from medmip.catalogue.home import Home
from medmip.deploy.backup import back_up
from medmip.deploy.contents import HEAD, KEPT, PARTS, STATE
from medmip.deploy.encryption import make_identity, recipient
from medmip.deploy.errors import BackupError
from medmip.deploy.moment import moment_of
from medmip.deploy.restore import restore
from medmip.deploy.verification import verify_backup
from medmip.errors import Conflict
from medmip.federation.hub_folder import HubFolder
from medmip.privacy.ledger import Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.snapshots import Datasets
from medmip.store.state import open_state
from tests.deploy.conftest import PASSWORD, text_of_public, work
from tests.project.tree import ROOT
from tests.store.models import table

MIP = str(Path(sys.executable).with_name("mip"))


def files(home: Home) -> dict[str, str]:
    """The hash of every file that a backup holds, but the state database's."""
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in home.path.rglob("*")
        if path.is_file()
        and (name := path.relative_to(home.path).as_posix()).split("/")[0] in KEPT - {STATE}
        and not name.endswith(".lock")
    }


def rows(home: Home) -> list[str]:
    with closing(sqlite3.connect(home.state_db)) as connection:
        return list(connection.iterdump())


def mip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MIP, *arguments], check=False, capture_output=True, text=True, timeout=120
    )


def test_everything_comes_back_byte_for_byte(full, identity, public, shelf, tmp_path):
    before, state = files(full), rows(full)
    made = back_up(full, shelf, [public])
    back = Home(tmp_path / "elsewhere" / "back")
    restore(made.path, identity, back)
    assert files(back) == before == files(full)
    assert rows(back) == state
    assert made.left_out == ()
    engine = open_state(back)
    assert Ledger(engine, LedgerHead(back)).verify() is None
    assert [person.name for person in People(engine).everybody()] == ["ada"]
    engine.dispose()
    for snapshot in Datasets(back).list():
        Datasets(back).verify(snapshot)
    assert HubFolder(back).identity.public == HubFolder(full).identity.public


def test_a_restored_home_is_its_owners_alone(full, identity, public, shelf, tmp_path):
    back = Home(tmp_path / "back")
    restore(back_up(full, shelf, [public]).path, identity, back)
    modes = {path.stat().st_mode & 0o777 for path in back.path.rglob("*") if path.is_file()}
    folders = {path.stat().st_mode & 0o777 for path in back.path.rglob("*") if path.is_dir()}
    assert (modes, folders, back.path.stat().st_mode & 0o777) == ({0o600}, {0o700}, 0o700)


def test_what_can_be_had_again_stays_out(full, identity, public, shelf, tmp_path):
    (full.path / "notes.txt").write_text("of the administrator")
    made = back_up(full, shelf, [public])
    back = Home(tmp_path / "back")
    restore(made.path, identity, back)
    assert made.left_out == ("notes.txt",)
    assert [*back.inbox.iterdir(), *back.logs.iterdir()] == []
    assert not (back.path / "notes.txt").exists()
    assert not (full.path / ".backup").exists()


def test_the_table_and_the_administrators_page_name_the_same(full):
    page = (ROOT / "docs" / "it-administrator.md").read_text()
    told = {
        name.rstrip("/")
        for line in page.splitlines()
        if line.startswith("| `") and line.count("|") == 4
        for name in line.split("|")[1].replace("`", "").replace(" ", "").split(",")
        if not line.split("|")[3].strip().startswith("no")
    }
    assert told >= KEPT
    of_home = {
        getattr(full, name).name
        for name, member in vars(Home).items()
        if isinstance(member, property)
    }
    assert {part.name for part in PARTS} >= of_home


def test_a_verified_backup_tells_what_it_holds(full, identity, public, shelf):
    made = back_up(full, shelf, [public])
    before = hashlib.sha256(made.path.read_bytes()).digest()
    held = verify_backup(made.path, identity)
    assert (held.experiments, held.people, held.datasets, held.versions) == (2, 1, 2, 3)
    assert held.ledger_rows == 3
    assert held.files == len(made.manifest.files)
    assert hashlib.sha256(made.path.read_bytes()).digest() == before
    assert [*shelf.iterdir()] == [made.path]


def test_each_of_several_recipients_reads_it(full, identity, public, shelf, tmp_path):
    other = tmp_path / "other.txt"
    second = recipient(make_identity(other))
    made = back_up(full, shelf, [public, second])
    assert verify_backup(made.path, identity) == verify_backup(made.path, other)


def test_the_newest_stay_and_other_homes_backups_too(full, public, shelf, tmp_path):
    other = Home(tmp_path / "other").prepare()
    work(other, 1, 1)
    others = back_up(other, shelf, [public], keep=1)
    made = [back_up(full, shelf, [public], keep=2) for _ in range(4)]
    assert {*shelf.iterdir()} == {others.path, made[2].path, made[3].path}
    assert made[3].removed == (made[1].path,)


def write_on(path: str) -> None:
    home = Home(Path(path))
    while True:
        work(home, 3, 3)
        Datasets(home).publish(table(20, time.monotonic_ns() % 10**6), "toy:1.0", "east", "e.csv")


def test_a_backup_under_load_fits_together(full, identity, public, shelf, tmp_path):
    Datasets(full).publish(table(20), "toy:1.0", "east", "e.csv")
    writer = multiprocessing.get_context("spawn").Process(target=write_on, args=(str(full.path),))
    writer.start()
    counts = []
    try:
        start = verify_backup(back_up(full, shelf, [public]).path, identity).ledger_rows
        deadline = time.monotonic() + 60
        while len(counts) < 5 or counts[-1] < start + 12:
            assert time.monotonic() < deadline
            made = back_up(full, shelf, [public])
            counts.append(verify_backup(made.path, identity).ledger_rows)
    finally:
        writer.kill()
        writer.join()
    back = Home(tmp_path / "back")
    restore(made.path, identity, back)
    head = LedgerHead(back).read()
    assert head is not None
    assert 0 < head.number <= counts[-1]
    work(back)
    engine = open_state(back)
    assert Ledger(engine, LedgerHead(back)).verify() is None
    engine.dispose()
    for snapshot in Datasets(back).list():
        Datasets(back).verify(snapshot)


def test_the_heads_row_is_always_in_the_backup(full, identity, public, shelf, tmp_path):
    head = (full.path / HEAD).read_bytes()
    back = Home(tmp_path / "back")
    restore(back_up(full, shelf, [public]).path, identity, back)
    assert (back.path / HEAD).read_bytes() == head


def test_two_backups_at_once_are_one_too_many(full, public, shelf):
    with moment_of(full), pytest.raises(Conflict, match="Another backup"):
        back_up(full, shelf, [public])


def test_the_commands_bring_an_installation_to_another_machine(full, shelf, tmp_path):
    key = tmp_path / "key.txt"
    made = mip("deploy", "keys", "--out", str(key))
    assert made.returncode == 0, made.stderr
    assert key.stat().st_mode & 0o777 == 0o600
    public = made.stdout.strip()
    assert public == text_of_public(key)
    full.configuration.write_text(
        f'[backup]\nrecipients = ["{public}"]\nto = "{shelf}"\nkeep = 3\n'
    )
    (full.models / "toy_1.0.json").unlink()
    done = mip("deploy", "backup", "--home", str(full.path))
    assert done.returncode == 0, done.stderr
    (file,) = shelf.iterdir()
    proved = mip("deploy", "verify-backup", str(file), "--identity", str(key))
    assert "2 experiments, 1 people" in proved.stdout, proved.stderr
    back = tmp_path / "back"
    restored = mip("deploy", "restore", str(file), "--identity", str(key), "--home", str(back))
    assert restored.returncode == 0, restored.stderr
    checked = mip("doctor", "--home", str(back))
    assert "ok    ledger: 3 rows" in checked.stdout
    assert checked.stdout.count("ok    dataset") == 2
    again = mip("deploy", "restore", str(file), "--identity", str(key), "--home", str(back))
    assert again.returncode == 1
    assert "empty one only" in again.stderr
    secret = key.read_text().splitlines()[1]
    for told in (made, done, proved, restored, again):
        assert secret not in told.stdout + told.stderr
        assert PASSWORD not in told.stdout + told.stderr
    assert secret.encode() not in file.read_bytes()


def test_a_secret_given_as_recipient_is_refused_and_not_repeated(identity):
    secret = identity.read_text().splitlines()[1]
    with pytest.raises(BackupError, match="secret identity") as refused:
        recipient(secret)
    assert secret not in str(refused.value)


def test_an_identity_is_never_written_over(identity):
    before = identity.read_bytes()
    with pytest.raises(BackupError, match="never written over"):
        make_identity(identity)
    assert identity.read_bytes() == before


def test_a_folder_that_is_no_home_is_not_backed_up(tmp_path, public, shelf):
    with pytest.raises(BackupError, match="no home of MIP"):
        back_up(Home(tmp_path / "nothing"), shelf, [public])
    assert not (tmp_path / "nothing").exists()


def test_without_a_recipient_nothing_is_written(full, shelf):
    with pytest.raises(BackupError, match="Nobody is named"):
        back_up(full, shelf, [])
    assert [*shelf.iterdir()] == []
