"""A drill restores the newest backup for real, and fails where it is damaged, old or missing."""

import json
import os
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medmip.catalogue.home import Home
from medmip.cli.main import app
from medmip.deploy import drill
from medmip.deploy.backup import back_up
from medmip.deploy.encryption import Recipient
from medmip.deploy.errors import BackupError
from tests.conftest import missing
from tests.deploy.test_blocks import Need, ran


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary homes go."""
    folder = tmp_path / "room"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_newest_backup_is_restored_and_nothing_of_it_stays(
    full: Home, identity: Path, public: Recipient, shelf: Path, room: Path
) -> None:
    (shelf / "mip-a-0.tar.age").write_bytes(b"older, and broken")
    os.utime(shelf / "mip-a-0.tar.age", (1, 1))
    made = back_up(full, shelf, [public])
    report = room.parent / "report.json"
    done = CliRunner().invoke(
        app,
        ["deploy", "drill", str(shelf), "--identity", str(identity), "--report", str(report)],
    )
    assert done.exit_code == 0, done.output
    told = json.loads(report.read_text())
    assert told["passed"]
    assert told["backup"] == made.path.name
    assert (told["contents"]["experiments"], told["contents"]["people"]) == (2, 1)
    assert list(room.iterdir()) == []


def test_a_damaged_backup_fails(
    full: Home, identity: Path, public: Recipient, shelf: Path, room: Path
) -> None:
    path = back_up(full, shelf, [public]).path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = CliRunner().invoke(app, ["deploy", "drill", str(shelf), "--identity", str(identity)])
    assert done.exit_code == 1
    assert "The drill failed" in done.output
    assert list(room.iterdir()) == []


def test_an_old_backup_fails(
    full: Home,
    identity: Path,
    public: Recipient,
    shelf: Path,
    room: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    back_up(full, shelf, [public])
    monkeypatch.setattr(drill, "BACKUP_AGE", timedelta(0))
    found = drill.drill(shelf, identity)
    assert found.contents
    assert found.failed == "the newest backup is 0 hours old"


def test_no_backup_is_told(identity: Path, shelf: Path) -> None:
    with pytest.raises(BackupError, match="no backup to restore"):
        drill.drill(shelf, identity)


def test_the_timers_units_are_sound(need: Need, identity: Path, tmp_path: Path) -> None:
    command = ["deploy", "drill", "/srv/backups", "--identity", str(identity)]
    done = CliRunner().invoke(app, [*command, "--units", str(tmp_path)])
    assert done.exit_code == 0, done.output
    service, timer = tmp_path / drill.SERVICE, tmp_path / drill.TIMER
    assert done.output.split() == [str(service), str(timer)]
    for path in (service, timer):
        judged = ran(need("systemd-analyze"), "verify", "--man=no", str(path))
        if "is not executable" in judged.stderr:
            missing("mip is not installed where Python is")
        assert judged.returncode == 0, judged.stderr
    judged = ran("systemd-analyze", "security", "--offline=yes", "--threshold=25", str(service))
    assert judged.returncode == 0, judged.stdout
