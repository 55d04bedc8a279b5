"""The connection to a cluster of dask.distributed: one that is there, or processes begun here."""

import contextlib
import logging
import ssl
import threading
from datetime import datetime
from typing import TYPE_CHECKING

from medmip.errors import MipError
from medmip.federation.address import Address
from medmip.federation.authority import AUTHORITY_LIFE, Authority, TlsKey
from medmip.federation.clock import now
from medmip.store.cluster_address import ClusterAddress

if TYPE_CHECKING:
    from distributed import Client, LocalCluster
    from distributed.security import Security

_HERE = "127.0.0.1"
_ANSWER = 30.0
"""Seconds within which a scheduler answers, and workers of this machine have begun."""
_MOST_DEATHS = 3
"""Workers that may die over one partition before it is given up."""


class ClusterTrouble(MipError):
    """The cluster does not do what it should."""

    title = "The cluster cannot do its work"
    status = 503


class Connection:
    """A client of the cluster, connected when it is first needed and again when it was lost."""

    def __init__(self, settings: ClusterAddress) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._client: Client | None = None
        self._cluster: LocalCluster | None = None

    def client(self) -> "Client":
        """The connected client; raises ClusterTrouble."""
        with self._lock:
            if self._client is not None and self._client.status == "running":
                return self._client
            self.close()
            try:
                import distributed  # noqa: F401, PLC0415 - an optional part
            except ImportError:
                raise ClusterTrouble(
                    "A cluster needs the package distributed, which is not installed",
                    remedy="Install it with: pip install 'medmip[dask]'",
                ) from None
            try:
                self._client = self._connected()
            except MipError:
                raise
            except Exception as error:  # noqa: BLE001 - of many libraries
                self.close()
                raise ClusterTrouble(
                    f"The scheduler {self._settings.scheduler} cannot be reached: "
                    f"{type(error).__name__}",
                    remedy="See that it runs, and that its authority made MIP's certificate; "
                    "`mip doctor` tells what it finds.",
                ) from None
            return self._client

    def close(self) -> None:
        """Ends the connection, and the processes that it began."""
        with self._lock:
            client, cluster = self._client, self._cluster
            self._client = self._cluster = None
            for part in (client, cluster):
                if part is not None:
                    with contextlib.suppress(Exception):
                        part.close(timeout=10)

    def _connected(self) -> "Client":
        from distributed import Client  # noqa: PLC0415

        if not self._settings.is_local:
            security = _security_of(self._settings)
            return Client(
                self._settings.scheduler,
                security=security,
                set_as_default=False,
                timeout=_ANSWER,
            )
        security = _own_security(now())
        self._cluster = _begun(self._settings.workers, security)
        client = Client(
            self._cluster,
            security=security,
            set_as_default=False,
            timeout=_ANSWER,
            direct_to_workers=True,
        )
        client.wait_for_workers(1, timeout=_ANSWER)
        return client


_ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": 2**27, "MALLOC_MMAP_THRESHOLD_": 2**25}
"""Dask tells workers to give every piece of memory back at once: a kernel that needs some megabytes
again and again then takes more than twice as long for fetching them."""


def _begun(workers: int, security: "Security") -> "LocalCluster":
    """A cluster of processes of this machine, each of one thread."""
    import dask  # noqa: PLC0415
    from distributed import LocalCluster  # noqa: PLC0415

    dask.config.set(
        {
            "distributed.scheduler.work-stealing": False,
            "distributed.scheduler.allowed-failures": _MOST_DEATHS,
            # Its pages ask nobody who they are.
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
            **{f"distributed.nanny.pre-spawn-environ.{name}": v for name, v in _ALLOCATOR.items()},
        }
    )
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host=_HERE,
        protocol="tls://",
        security=security,
        dashboard_address=f"{_HERE}:0",
        worker_dashboard_address=f"{_HERE}:0",
        silence_logs=logging.ERROR,
        preload=["medmip.federation.deaf_worker"],
        # Without a limit nothing of what is between workers is moved to a disk.
        memory_limit=0,
    )


def _security_of(settings: ClusterAddress) -> "Security | None":
    from distributed.security import Security  # noqa: PLC0415

    if not settings.ca_file:
        return None
    return Security(
        require_encryption=True,
        tls_min_version=ssl.TLSVersion.TLSv1_3,
        tls_ca_file=settings.ca_file,
        tls_client_cert=settings.certificate_file,
        tls_client_key=settings.key_file,
    )


def _own_security(at: datetime) -> "Security":
    """Keys and certificates of an authority that lives as long as the cluster, in memory alone."""
    from distributed.security import Security  # noqa: PLC0415

    authority = Authority.made("cluster", at)
    held: dict[str, str] = {}
    for role in ("scheduler", "worker", "client"):
        key = TlsKey.made()
        address = (Address(_HERE, 0),)
        certificate = authority.for_server(key.public, address, at, AUTHORITY_LIFE)
        held |= {f"tls_{role}_key": key.pem.decode(), f"tls_{role}_cert": certificate.decode()}
    return Security(
        require_encryption=True,
        tls_min_version=ssl.TLSVersion.TLSv1_3,
        tls_ca_file=authority.pem.decode(),
        **held,
    )
