"""The ledger keeps one unbroken chain, and shows when it was touched."""

import multiprocessing
import os
import secrets
import signal
import sqlite3
import stat
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medmip.catalogue.home import Home
from medmip.privacy.guard import Access
from medmip.privacy.ledger import EarlierCohorts, Ledger
from medmip.privacy.ledger_head import SECTOR, LedgerHead
from medmip.store.state import open_state

ACCESS = Access("Ada Ångström", "e-1", "describe", "c" * 64, {"edsd": "f" * 64})


def ledger_of(home):
    return Ledger(open_state(home), LedgerHead(home))


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


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_removed_row_is_found(home, number):
    ledger = ledger_of(home)
    write(ledger, 5)
    forge(home, f"DELETE FROM ledger WHERE number = {number}")
    assert ledger.verify() == number


def test_an_emptied_ledger_is_found(home):
    write(ledger_of(home), 5)
    forge(home, "DELETE FROM ledger")
    assert ledger_of(home).verify() == 1


def test_rows_written_after_a_removal_do_not_heal_the_chain(home):
    write(ledger_of(home), 5)
    forge(home, "DELETE FROM ledger WHERE number > 3")
    write(ledger_of(home), 4)
    assert ledger_of(home).verify() == 5


def test_a_removed_or_forged_head_is_found(home):
    write(ledger_of(home), 3)
    path = home.keys / "ledger.head"
    former = path.read_bytes()
    path.write_bytes(former.replace(b'"number": 3', b'"number": 2'))
    assert ledger_of(home).verify() == 1
    path.unlink()
    write(ledger_of(home), 1)
    assert ledger_of(home).verify() == 1
    path.write_bytes(former)
    assert ledger_of(home).verify() is None


def test_a_row_written_before_a_kill_but_not_yet_in_the_head_is_no_alarm(home):
    write(ledger_of(home), 3)
    former = (home.keys / "ledger.head").read_bytes()
    write(ledger_of(home), 1)
    (home.keys / "ledger.head").write_bytes(former)
    assert ledger_of(home).verify() is None
    write(ledger_of(home), 1)
    forge(home, "DELETE FROM ledger WHERE number = 5")
    assert ledger_of(home).verify() == 5


def write_and_die(home, number):
    write(ledger_of(home), number)
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_head_knows_the_last_row_of_a_process_that_was_killed(home):
    write(ledger_of(home), 1)
    process = multiprocessing.get_context("spawn").Process(target=write_and_die, args=(home, 6))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert LedgerHead(home).read().number == 7
    forge(home, "DELETE FROM ledger WHERE number = 7")
    assert ledger_of(home).verify() == 7


def test_the_head_is_one_sector_of_the_disk_whatever_it_was_before(home):
    write(ledger_of(home), 2)
    path = home.keys / "ledger.head"
    path.write_bytes(path.read_bytes().strip())
    write(ledger_of(home), 9)
    assert path.stat().st_size == SECTOR
    assert LedgerHead(home).read().number == 11
    assert ledger_of(home).verify() is None


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
    stranger = LedgerHead(home)
    stranger.key = b"guess" * 7
    write(Ledger(open_state(home), stranger), 1)
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
    key = LedgerHead(home).key
    path = home.keys / "ledger.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (len(key), LedgerHead(home).key) == (32, key)
    assert {found.name for found in home.keys.iterdir()} == {"ledger.head", "ledger.key"}


def test_the_state_database_is_read_by_its_owner_alone(home):
    write(ledger_of(home), 1)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in home.path.glob("state.db*")}
    assert modes["state.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_two_homes_have_two_keys(tmp_path):
    one, other = (LedgerHead(Home(tmp_path / name).prepare()) for name in "ab")
    assert one.key != other.key


class TestEarlierCohorts:
    @settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.lists(st.booleans(), max_size=40), max_size=3))
    def test_what_is_remembered_comes_back_bit_for_bit(self, home, held):
        memory = EarlierCohorts(open_state(home))
        name = secrets.token_hex(8)
        bits = {f"s{index}": np.array(part, dtype=bool) for index, part in enumerate(held)}
        memory.remember(name, bits)
        found = memory.held_by(name)
        assert {key: part.tolist() for key, part in found.items()} == {
            key: part.tolist() for key, part in bits.items()
        }

    def test_a_known_cohort_is_left_as_it_is(self, home):
        memory = EarlierCohorts(open_state(home))
        memory.remember("c", {"s": np.array([True, False])})
        memory.remember("c", {"s": np.array([False, False])})
        assert memory.held_by("c")["s"].tolist() == [True, False]

    def test_an_unknown_cohort_held_nobody(self, home):
        memory = EarlierCohorts(open_state(home))
        assert memory.held_by("nobody") == {}
        assert list(memory.on("s")) == []
