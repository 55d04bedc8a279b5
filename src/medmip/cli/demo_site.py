"""A hospital's process in the demonstration: the same as `mip site run`."""

import os
import signal
import threading
from multiprocessing import parent_process
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.cli.site_run import serve_as_site
from medmip.experiments.service import ExperimentService
from medmip.federation.site_service import SiteService

LOADED = (ExperimentService, SiteService)
"""What takes long to load, loaded once for all hospitals."""


def serve_site(home: str) -> None:
    """Answers the hub until told to stop, or until the process that began it has gone."""
    threading.Thread(target=_go_with_parent, daemon=True).start()
    # A Ctrl-C in the terminal is for the demonstration, which then tells its hospitals to stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve_as_site(Home(Path(home)), quiet=True)


def _go_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
