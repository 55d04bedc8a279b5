"""Where a dataset's records lie, for whoever looks after them."""

from dataclasses import dataclass
from typing import Literal

from medmip.catalogue.home import Home
from medmip.store.engine_settings import engine_settings
from medmip.store.partition_folders import partition_folder
from medmip.store.placed import Placed
from medmip.store.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class Residence:
    """On this server; there and, divided, where a cluster's workers read; or in a database alone.

    where is the folder or bucket of partitions, or the source with its table.
    """

    kind: Literal["server", "cluster", "database"]
    where: str = ""


def residence(home: Home, snapshot: Snapshot) -> Residence:
    """Where the records of a dataset's version lie; raises SettingsError."""
    if isinstance(snapshot, Placed):
        place = snapshot.there
        return Residence("database", f"{place.source}: {place.shown}")
    settings = engine_settings(home)
    if settings.kind == "dask":
        return Residence("cluster", str(partition_folder(settings, home)))
    return Residence("server")
