"""What changed between versions, which of them stay, and what the ledger says of it."""

import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from medmip.ingest.session import Session
from medmip.privacy.ledger import Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.stewardship.applied import applied_to
from medmip.stewardship.diff import diff
from medmip.stewardship.policy import Retention
from medmip.stewardship.retention import beyond, outdated, remove_outdated
from medmip.store.errors import StoreError
from medmip.store.snapshots import Datasets
from medmip.store.state import open_state
from tests.anonymise.cohort import COHORT
from tests.stewardship.conftest import content

NOW = datetime.now(UTC)


def test_a_diff_counts_records_and_withholds_few(home, publish, tmp_path):
    first = publish(content(60))
    second = publish(content(75, first=3) + "")
    session = Session(tmp_path, "256MB", [home.datasets])
    told = diff(session, COHORT, first, second, 10)
    assert (told.added.told, told.changed.told) == (15, 0)
    assert (told.gone.told, str(told.gone)) == (None, "<10")
    assert {moved.code for moved in told.moved} >= {"volume", "gender"}
    third = publish(content(75, first=3, volume="7"))
    told = diff(session, COHORT, second, third, 10)
    assert (told.added.told, told.changed.told, told.gone.told) == (0, 72, 0)
    session.close()


def test_a_diff_of_other_pseudonyms_says_so(home, publish, tmp_path):
    first = publish(content(60))
    path = home.dataset_policy(COHORT.key, "ward")
    path.write_text("[anonymisation]\nlinkable = true\n")
    second = publish(content(60))
    session = Session(tmp_path, "256MB", [home.datasets])
    assert diff(session, COHORT, first, second, 10).added is None
    session.close()


@pytest.mark.parametrize(
    "current, retention, gone",
    [
        (5, Retention(versions=2), [1, 2, 3]),
        (2, Retention(versions=2), [1, 3]),
        (5, Retention(days=30), [1, 2]),
        (1, Retention(days=30), [2]),
        (5, Retention(days=30, versions=1), [1, 2, 3, 4]),
        (5, Retention(days=1), [1, 2, 3, 4]),
        (5, Retention(), []),
    ],
)
def test_retention_removes_what_either_limit_says_but_never_the_current(
    publish, current, retention, gone
):
    one = publish(content(30))
    from dataclasses import replace

    versions = [
        replace(one, version=number, published=NOW - timedelta(days=days))
        for number, days in ((1, 90), (2, 60), (3, 20), (4, 10), (5, 2))
    ]
    found = beyond(versions, versions[current - 1], retention, NOW)
    assert [version.version for version in found] == gone


def test_outdated_versions_go_with_a_row_in_the_ledger(home, publish):
    shown = [publish(content(60, volume=str(number))) for number in range(1, 5)]
    ledger = Ledger(open_state(home), LedgerHead(home))
    (done,) = remove_outdated(home, ledger, "somebody", NOW)
    assert [version.version for version in done.versions] == [1, 2]
    datasets = Datasets(home)
    assert [one.version for one in datasets.versions(COHORT.key, "ward")] == [3, 4]
    assert not shown[0].path.exists()
    datasets.verify(datasets.current(COHORT.key, "ward"))
    (row,) = ledger.rows()
    assert (row.statistic, row.verdict, row.user) == ("retention", "removed", "somebody")
    assert "version 1, 2" in row.reason
    assert ledger.verify() is None
    tables = {file.stem for file in home.patients_table(COHORT.key, "ward").iterdir()}
    assert tables == {applied_to(shown[3]).patients_table}
    assert outdated(home, NOW) == []
    assert publish(content(60, volume="9")).version == 5


def test_the_current_version_is_never_forgotten(home, publish):
    publish(content(60))
    with pytest.raises(StoreError, match="is the current one"):
        Datasets(home).forget(COHORT.key, "ward", [1])


def test_a_kill_while_forgetting_leaves_a_whole_list(home, publish):
    for number in range(1, 5):
        publish(content(60, volume=str(number)))
    for changes in range(1, 4):
        child = os.fork()
        if not child:
            left = [changes]

            def hook(event, arguments, left=left):
                if event in ("os.rename", "os.remove") and str(home.datasets) in str(arguments):
                    left[0] -= 1
                    if not left[0]:
                        os.kill(os.getpid(), signal.SIGKILL)

            import sys

            sys.addaudithook(hook)
            Datasets(home).forget(COHORT.key, "ward", [1, 2])
            os._exit(0)
        os.waitpid(child, 0)
        versions = Datasets(home).versions(COHORT.key, "ward")
        assert [one.version for one in versions] in ([1, 2, 3, 4], [3, 4])
        for one in versions:
            Datasets(home).verify(one)
    Datasets(home).forget(COHORT.key, "ward", [1, 2])
    folder = home.dataset_folder(COHORT.key, "ward")
    kept = {f"{one.hash}.parquet" for one in Datasets(home).versions(COHORT.key, "ward")}
    assert {file.name for file in folder.iterdir()} == {"published.json", *kept}
