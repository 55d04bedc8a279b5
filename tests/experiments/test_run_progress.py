"""What a person who waits for a result is told."""

from medmip.experiments.runner import Run


def test_a_round_that_waits_says_for_whom_until_it_gets_on():
    run = Run()
    run.advanced(2, 0.5)
    assert run.progress.message == "round 3"
    run.held_up("worker 10.0.0.5:4000 since 14:03:05 UTC")
    run.advanced(2, 0.5)
    waiting = "round 3, waiting for worker 10.0.0.5:4000 since 14:03:05 UTC"
    assert (run.progress.message, run.progress.fraction) == (waiting, 0.5)
    run.held_up("")
    assert run.progress.message == "round 3"
    run.advanced(3, None)
    assert run.progress.message == "3 rounds done"
