"""Steps are done once, whatever is killed, and again where something that went in has changed."""

import os
import signal
from pathlib import Path

import pytest

from medmip.imaging.volumetry.steps import Given, Step, StepRecord, carried_out

TOOLS = {"counter": "1"}


def steps(log: Path, *, version=1, die_in=None):
    """first → second → third; each notes that it ran, and dies in its midst where told to."""

    def running(name):
        def run(given: Given):
            with log.open("a") as file:
                file.write(f"{name}\n")
            before = [(folder / "out").read_text() for folder in given.needed.values()]
            (given.folder / "out").write_text(
                "+".join([name, *before, *(one.read_text() for one in given.sources.values())])
            )
            if die_in == name:
                os.kill(os.getpid(), signal.SIGKILL)
            return {"letters": len(name)}

        return run

    return (
        Step("first", version, running("first"), sources=("scan",)),
        Step("second", 1, running("second"), needs=("first",), settings={"depth": 2}),
        Step("third", 1, running("third"), sources=("atlas",), needs=("first", "second")),
    )


@pytest.fixture
def work(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "scan").write_text("scan")
    (tmp_path / "atlas").write_text("atlas")
    (tmp_path / "log").write_text("")

    def working(*, tools=TOOLS, killed=False, told=lambda _: None, **changes):
        """What ran this time; in a process of its own where it is to be killed."""
        (tmp_path / "log").write_text("")
        sources = {"scan": tmp_path / "scan", "atlas": tmp_path / "atlas"}
        graph = steps(tmp_path / "log", **changes)
        if killed:
            child = os.fork()
            if not child:
                try:
                    carried_out(graph, tmp_path / "work", sources, tools, told)
                finally:
                    os._exit(1)
            _, status = os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        else:
            carried_out(graph, tmp_path / "work", sources, tools, told)
        return (tmp_path / "log").read_text().split()

    return working


def test_what_is_done_is_not_done_again(work, tmp_path):
    assert work() == ["first", "second", "third"]
    told = []
    assert work(told=told.append) == []
    assert [(one.name, one.anew) for one in told] == [
        ("first", False),
        ("second", False),
        ("third", False),
    ]
    record = StepRecord.model_validate_json((tmp_path / "work/second/step.json").read_bytes())
    assert record.facts == {"letters": 6}


@pytest.mark.parametrize("name", ["first", "second", "third"])
def test_a_killed_run_goes_on_where_it_was(work, tmp_path, name):
    order = ["first", "second", "third"]
    at = order.index(name)
    assert work(killed=True, die_in=name) == order[: at + 1]
    kept = [path.name for path in (tmp_path / "work").iterdir() if path.name in order]
    assert sorted(kept) == order[:at]
    assert work() == order[at:]
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == order
    assert (tmp_path / "work/third/out").read_text() == "third+first+scan+second+first+scan+atlas"


def test_a_step_is_done_again_where_its_inputs_have_changed(work, tmp_path):
    work()
    (tmp_path / "atlas").write_text("another")
    assert work() == ["third"]
    assert work(tools={"counter": "2"}) == ["first", "second", "third"]
    # A first step of another version with the same result changes nothing after it.
    assert work(tools={"counter": "2"}, version=2) == ["first"]


def test_a_damaged_result_is_not_believed(work, tmp_path):
    work()
    (tmp_path / "work/second/out").write_text("damaged")
    assert work() == ["second"]
    (tmp_path / "work/first/step.json").write_text('{"name": "fir')
    assert work() == ["first"]
