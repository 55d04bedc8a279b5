"""What an upgrade keeps aside brings a home back to what it was, however it was changed since."""

import hashlib
import os
import sqlite3
from pathlib import Path

import pytest

from medmip.accounts.people import People
from medmip.catalogue.home import Home
from medmip.deploy import before, moment
from medmip.deploy.contents import BEFORE, PARTS
from medmip.deploy.encryption import Recipient
from medmip.privacy.ledger import Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.snapshots import Datasets
from medmip.store.state import open_state
from tests.deploy.conftest import work
from tests.store.models import table


def held(home: Home) -> dict[str, str]:
    """The hash of every file that a backup holds, and of the state every row."""
    found = {}
    for part in (part for part in PARTS if part.kept and part.name != "state.db"):
        top = home.path / part.name
        for path in [top, *top.rglob("*")]:
            if path.is_file() and not path.name.endswith(".lock"):
                name = str(path.relative_to(home.path))
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    with sqlite3.connect(home.state_db) as state:
        found["state"] = hashlib.sha256("\n".join(state.iterdump()).encode()).hexdigest()
    return found


def changed(home: Home) -> None:
    """What another version may do to a home until it is found to be wrong."""
    work(home, rows=5)
    datasets = Datasets(home)
    datasets.publish(table(31), "toy:1.0", "north", "n.csv")
    datasets.publish(table(12), "toy:1.0", "west", "w.csv")
    home.policy.write_text("minimum_patients = 3\n")
    (home.policies / "default.toml").unlink()
    (home.site / "new").mkdir(parents=True)
    (home.site / "new/key").write_text("k")
    with sqlite3.connect(home.state_db) as state:
        state.execute("CREATE TABLE to_come (n INTEGER)")
        state.execute("UPDATE alembic_version SET version_num = '9999'")


def test_a_home_is_what_it_was(full: Home) -> None:
    was = held(full)
    before.keep(full)
    changed(full)
    assert held(full) != was
    before.bring_back(full)
    assert held(full) == was
    engine = open_state(full)
    assert [person.name for person in People(engine).everybody()] == ["ada"]
    assert Ledger(engine, LedgerHead(full)).verify() is None
    engine.dispose()


def test_what_no_backup_holds_stays(full: Home) -> None:
    before.keep(full)
    (full.inbox / "late.csv").write_text("a\n")
    before.bring_back(full)
    assert (full.inbox / "late.csv").exists()


def test_a_way_back_that_was_killed_is_gone_on_with(
    full: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = held(full)
    before.keep(full)
    changed(full)
    replace, count = os.replace, 0

    def killed(source: Path, target: Path) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        before.bring_back(full)
    monkeypatch.undo()
    work(full)
    before.bring_back(full)
    assert held(full) == was


def test_what_was_kept_is_in_no_backup_and_can_be_forgotten(full: Home, public: Recipient) -> None:
    before.keep(full)
    with moment.moment_of(full) as folder:
        assert not (folder / BEFORE).exists()
    before.forget(full)
    assert not (full.path / BEFORE).exists()
