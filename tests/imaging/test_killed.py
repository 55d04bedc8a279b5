"""A kill at any change of the folders leaves whole scans only, and the next adding goes on."""

import os
import signal

import pytest

from medmip.catalogue.own_folder import own_folder
from medmip.cli.main import main
from medmip.imaging.adding import add
from medmip.imaging.shelf import Shelf
from tests.imaging.scanner import scan
from tests.ingest.killing import killer


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_a_kill_in_the_midst_leaves_whole_scans(home, added, identity, tmp_path, changes):
    scan(tmp_path / "in" / "a", seed="a", slices=3)
    scan(tmp_path / "in" / "b", seed="b")
    child = os.fork()
    if not child:
        try:
            os.sys.addaudithook(killer([home.imaging, home.path / "work"], changes))
            list(add(home, [tmp_path / "in"], identity))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
    assert any((home.path / "work").rglob("*")), "it left nothing to clear"
    # Another process works meanwhile, and what it works on stays.
    with own_folder(home.work, "scans-") as living:
        with pytest.raises(SystemExit):
            main(["imaging", "list", "--home", str(home.path)])
        assert list(home.work.iterdir()) == [living]
    whole = Shelf(home).records()
    for record in whole:
        folder = Shelf(home).scans / record.id
        kept = sum(path.suffix == ".dcm" for path in folder.rglob("*"))
        assert kept == (record.files if record.verdict == "taken" else 0)
    assert len(list(Shelf(home).scans.iterdir())) == len(whole)
    done = added(tmp_path / "in")
    assert sorted(one.record.verdict for one in done) == ["refused", "taken"]
    assert sum(not one.new for one in done) == len(whole)
    assert list(home.work.iterdir()) == []
