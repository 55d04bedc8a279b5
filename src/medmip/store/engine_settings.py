"""Which engine folds published records, as the home's `mip.toml` says."""

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from medmip.catalogue.configuration import section
from medmip.catalogue.home import Home
from medmip.store.bucket import LOOPBACK, SCHEME, Bucket, refuse_endpoint
from medmip.store.memory import available

LOCAL = "local"
_OF_STORE = frozenset({"endpoint", "region", "store_ca_file", "credential", "credentials_file"})
_FILES = ("ca_file", "certificate_file", "key_file")


class EngineSettings(BaseModel):
    """The section `[engine]`.

    kind is `duckdb`, this process alone, or `dask`, a cluster. scheduler is `local` for a cluster
    of processes on this machine, workers many, or `tls://host:port`, for which ca_file,
    certificate_file and key_file are the PEM files of the cluster's authority and of MIP's own
    certificate; `tcp://` only on this machine. folder is where published versions are divided
    into partitions of about so many records: at the same path on every worker, or
    `s3://bucket/prefix` of an object store; empty for `partitions/` in the home. endpoint is that
    store's address, region its region, store_ca_file the authority that vouches for it; its keys
    are the systemd credential or the file named, else in the environment. memory is the megabytes
    of records that a worker keeps between rounds, memory_share the share of free memory that MIP's
    own process keeps them in, whatever the kind; patience the seconds after which a round that does
    not get on is given up.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["duckdb", "dask"] = "duckdb"
    scheduler: str = LOCAL
    workers: int = Field(2, ge=1, le=256)
    folder: str = ""
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    endpoint: str = ""
    region: str = Field("us-east-1", pattern=r"^[A-Za-z0-9-]{1,40}$")
    store_ca_file: str = ""
    credential: str = Field("", pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$")
    credentials_file: str = ""
    partition_records: int = Field(250_000, ge=1)
    memory: int = Field(1024, ge=16, le=1_048_576)
    memory_share: float = Field(0.25, gt=0, le=0.75)
    patience: int = Field(600, ge=1, le=86_400)

    @model_validator(mode="after")
    def _one_cluster(self) -> Self:
        said = sorted(self.model_fields_set - {"kind", "folder", "memory_share"})
        if self.kind == "duckdb":
            if said:
                raise ValueError(f"{said[0]} is of a cluster, and kind is duckdb")
            return self
        files = [name for name in _FILES if getattr(self, name)]
        self._refuse_folder()
        if self.scheduler == LOCAL:
            if files:
                raise ValueError(f"{files[0]} is not needed where scheduler is local")
            return self
        if "workers" in said:
            raise ValueError("workers are counted where scheduler is local; a cluster has its own")
        if not self.folder:
            raise ValueError("folder is needed: one that every worker reads at the same path")
        scheme, host = _address(self.scheduler)
        if scheme == "tls" and len(files) < len(_FILES):
            lacking = next(name for name in _FILES if name not in files)
            raise ValueError(f"{lacking} is needed for a scheduler that is reached by tls://")
        if scheme == "tcp" and (host not in LOOPBACK or files):
            raise ValueError("tcp:// is not encrypted: tls:// but for a scheduler on this machine")
        return self

    @property
    def bucket(self) -> Bucket | None:
        """The bucket of partitions, None where they lie in a folder."""
        if not self.folder.startswith(SCHEME):
            return None
        return Bucket.of(
            self.folder,
            endpoint=self.endpoint,
            region=self.region,
            ca_file=self.store_ca_file,
            credential=self.credential,
            credentials_file=self.credentials_file,
        )

    def kept(self, held: int) -> int:
        """Bytes of records that MIP's process may keep, where it holds so many by now.

        The share is of what would be free without them, so that less is kept when others need
        memory.
        """
        return int(self.memory_share * (available() + held))

    def _refuse_folder(self) -> None:
        """Raises ValueError where the folder, or what is said of its store, cannot be."""
        if self.bucket is not None:
            if self.credential and self.credentials_file:
                raise ValueError("keys are either in credentials_file or a credential")
            if self.endpoint:
                refuse_endpoint(self.endpoint)
            return
        if self.folder and not Path(self.folder).is_absolute():
            raise ValueError("folder begins with / or s3://")
        said = sorted(self.model_fields_set & _OF_STORE)
        if said:
            raise ValueError(f"{said[0]} is of an object store, and folder is none")


def engine_settings(home: Home) -> EngineSettings:
    """What the home says, the embedded engine where it says nothing; raises SettingsError."""
    return section(home, "engine", EngineSettings) or EngineSettings()


def _address(scheduler: str) -> tuple[str, str]:
    """The scheme and host of a scheduler's address; raises ValueError."""
    try:
        parts = urlsplit(scheduler)
        whole = bool(parts.hostname and parts.port) and scheduler.endswith(f":{parts.port}")
    except ValueError:
        whole = False
    if not whole or parts.scheme not in ("tls", "tcp") or "@" in parts.netloc:
        raise ValueError("scheduler is local or tls://host:port")
    return parts.scheme, str(parts.hostname)
