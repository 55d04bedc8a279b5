"""Keeps the database up to date while a server runs: copies, readers, and what they asked."""

import threading
from contextlib import ExitStack

from medmip.accounts.doorman import Doorman
from medmip.catalogue.home import Home
from medmip.errors import MipError
from medmip.ldsm.copying import copy_published
from medmip.ldsm.database import connected, served
from medmip.ldsm.queries import note_queries
from medmip.ldsm.readers import hold_readers
from medmip.ldsm.settings import LdsmSettings
from medmip.logbook import logger
from medmip.privacy.ledger import Ledger
from medmip.store.snapshots import Snapshot

log = logger("medmip.ldsm")


def refresh(
    home: Home, address: str, doorman: Doorman, ledger: Ledger
) -> tuple[list[Snapshot], int]:
    """What was copied anew, and how many statements of readers were written into the ledger."""
    with connected(address) as connection:
        fresh = copy_published(home, connection)
        hold_readers(home, connection, doorman)
    with connected(address) as connection:
        return fresh, note_queries(home, connection, ledger)


class Keeper:
    """Refreshes the database every so often, in a thread of its own, until it is left."""

    def __init__(
        self, home: Home, settings: LdsmSettings, doorman: Doorman, ledger: Ledger
    ) -> None:
        self._home = home
        self._settings = settings
        self._doorman = doorman
        self._ledger = ledger
        self._stop = threading.Event()
        self._stack = ExitStack()
        self._thread = threading.Thread(target=self._run, name="ldsm", daemon=True)
        self.address = ""

    def __enter__(self) -> "Keeper":
        """Raises LdsmError where an embedded database cannot be started."""
        self.address = self._stack.enter_context(served(self._home, self._settings))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)
        self._stack.close()

    def _run(self) -> None:
        while True:
            try:
                refresh(self._home, self.address, self._doorman, self._ledger)
            except MipError as error:
                log.warning("published data could not be copied", reason=str(error))
            except Exception as error:  # noqa: BLE001 - keeping goes on, whatever one round met
                log.error("published data could not be copied", kind=type(error).__name__)
            if self._stop.wait(self._settings.seconds):
                return
