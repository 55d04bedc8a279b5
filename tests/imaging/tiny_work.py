"""Work of a moment for a queue's tests, done by real workers in other processes."""

import os
import time
from pathlib import Path

from medmip.imaging.queue.worker import Ending, Errand, Outcome


def noted(errand: Errand) -> Outcome:
    """Notes the scan in a file of the home, by one write, and which process was at it."""
    line = f"{errand.scan} {os.getpid()}\n".encode()
    file = os.open(Path(errand.home, "noted"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line)
    os.close(file)
    return Outcome(Ending.DONE, anew=True)


def slow(errand: Errand) -> Outcome:
    """As `noted`, but the note comes before a while in which the worker may be killed."""
    outcome = noted(errand)
    time.sleep(1.0)
    return outcome


def deadly(errand: Errand) -> Outcome:
    """Ends its worker whenever the scan is called so."""
    if errand.scan == "deadly":
        os.kill(os.getpid(), 9)
    return noted(errand)


def told_to(errand: Errand) -> Outcome:
    """Ends as the scan's name says."""
    return Outcome(Ending(errand.scan.split("-")[0]), "why", anew=True)
