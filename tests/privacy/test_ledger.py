"""The ledger keeps one unbroken chain, and shows when it was touched."""

import multiprocessing
import sqlite3
import stat
import threading

import numpy as np
import pytest

from medmip.catalogue.home import Home
from medmip.privacy.guard import Access
from medmip.privacy.ledger import EarlierCohorts, Ledger, ledger_key
from medmip.store.state import open_state

ACCESS = Access("Ada Ångström", "e-1", "describe", "c" * 64, {"edsd": "f" * 64})


def ledger_of(home):
    return Ledger(open_state(home), ledger_key(home))


def write(ledger, number, access=ACCESS):
    for index in range(number):
        ledger.record(
            access,
            statistic=f"s{index}",
            verdict="released",
            rule="",
            reason="",
            suppressed=index,
        )


def forge(home, sql):
    with sqlite3.connect(home.state_db) as connection:
        connection.executescript(sql)
    connection.close()


def test_an_untouched_chain_verifies(home):
    ledger = ledger_of(home)
    assert ledger.verify() is None
    write(ledger, 5)
    assert (ledger.count(), ledger.verify()) == (5, None)


def test_rows_come_back_as_written_newest_first(home):
    ledger = ledger_of(home)
    write(ledger, 3)
    newest, middle = ledger.rows(limit=2)
    assert (newest.number, newest.statistic, newest.previous) == (3, "s2", middle.hash)
    assert (newest.user, newest.snapshots) == (ACCESS.user, ACCESS.snapshots)
    assert [row.number for row in ledger.rows(limit=5, offset=2)] == [1]


@pytest.mark.parametrize(
    "change",
    [
        "user = 'eve'",
        "verdict = 'admitted'",
        "suppressed = 9",
        "reason = 'x'",
        "at = '2020-01-01T00:00:00.000000+00:00'",
        "snapshots = '{}'",
        "cohort = ''",
        "hash = previous",
    ],
)
def test_a_changed_row_is_found(home, change):
    ledger = ledger_of(home)
    write(ledger, 5)
    forge(home, f"UPDATE ledger SET {change} WHERE number = 3")
    assert ledger.verify() == 3


@pytest.mark.parametrize("number", [1, 3])
def test_a_removed_row_before_others_is_found(home, number):
    ledger = ledger_of(home)
    write(ledger, 5)
    forge(home, f"DELETE FROM ledger WHERE number = {number}")
    assert ledger.verify() == number


def test_swapped_rows_are_found(home):
    ledger = ledger_of(home)
    write(ledger, 4)
    forge(
        home,
        "UPDATE ledger SET number = 99 WHERE number = 2;"
        "UPDATE ledger SET number = 2 WHERE number = 3;"
        "UPDATE ledger SET number = 3 WHERE number = 99;",
    )
    assert ledger.verify() == 2


def test_who_lacks_the_key_cannot_seal_a_row(home):
    write(ledger_of(home), 2)
    write(Ledger(open_state(home), b"guess" * 7), 1)
    assert ledger_of(home).verify() == 3


def test_threads_keep_one_chain(home):
    ledger = ledger_of(home)
    threads = [threading.Thread(target=write, args=(ledger, 10)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (ledger.count(), ledger.verify()) == (40, None)


def test_processes_keep_one_chain(home):
    ledger = ledger_of(home)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write_elsewhere, args=(home, 10)) for _ in range(3)]
    for process in processes:
        process.start()
    write(ledger, 10)
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert (ledger.count(), ledger.verify()) == (40, None)


def write_elsewhere(home, number):
    write(ledger_of(home), number)


def test_the_key_is_made_once_and_read_by_its_owner_alone(home):
    key = ledger_key(home)
    path = home.keys / "ledger.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (len(key), ledger_key(home)) == (32, key)
    assert [found.name for found in home.keys.iterdir()] == ["ledger.key"]


def test_the_state_database_is_read_by_its_owner_alone(home):
    write(ledger_of(home), 1)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in home.path.glob("state.db*")}
    assert modes["state.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_two_homes_have_two_keys(tmp_path):
    assert ledger_key(Home(tmp_path / "a").prepare()) != ledger_key(Home(tmp_path / "b").prepare())


class TestEarlierCohorts:
    def test_a_known_cohort_is_left_as_it_is(self, home):
        memory = EarlierCohorts(open_state(home))
        memory.remember("c", {"s": np.array([True, False])})
        memory.remember("c", {"s": np.array([False, False])})
        assert memory.held_by("c")["s"].tolist() == [True, False]

    def test_an_unknown_cohort_held_nobody(self, home):
        memory = EarlierCohorts(open_state(home))
        assert memory.held_by("nobody") == {}
        assert list(memory.on("s")) == []
