"""A cluster of worker processes on this machine: for whatever holds of every engine."""

import os
from dataclasses import replace

from medmip.catalogue.home import Home
from medmip.federation.dask_cluster import DaskCluster
from medmip.store.engine_settings import EngineSettings


class Cluster:
    """Two workers of one thread each, for which a few hundred records are many."""

    def __init__(self, home, partition_records=200, **settings):
        self.home = Home(home).prepare()
        said = {"kind": "dask", "partition_records": partition_records} | settings
        self.settings = EngineSettings(**said)
        self.workers = DaskCluster(self.settings, self.home)

    def site(self, site):
        """A site whose records are folded here."""
        return replace(site, workers=self.workers)

    def divided(self, folder, partition_records, store=None):
        """What makes of a site one that these workers fold too, in partitions of another size."""
        said = {"folder": str(folder), "partition_records": partition_records} | (store or {})
        workers = self.asked(said)
        return lambda site: replace(site, workers=workers)

    def asked(self, said):
        """The same workers, of whom something else is said."""
        workers = DaskCluster(self.settings.model_copy(update=said), self.home)
        workers._connection = self.workers._connection
        return workers

    def processes(self):
        """The workers' process numbers by address, once those that were killed are back."""
        self.workers._connection.client().wait_for_workers(self.settings.workers, timeout=60)
        return self.workers._connection.client().run(os.getpid)

    def close(self):
        self.workers.close()
