"""Which engine folds published records, as the home's `mip.toml` says."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from medmip.catalogue.configuration import section
from medmip.catalogue.home import Home
from medmip.store.bucket import SCHEME, Bucket, refuse_endpoint
from medmip.store.cluster_address import ClusterAddress
from medmip.store.memory import available

_OF_STORE = frozenset({"endpoint", "region", "store_ca_file", "credential", "credentials_file"})


class EngineSettings(ClusterAddress):
    """The section `[engine]`.

    kind is `duckdb`, this process alone, or `dask`, a cluster. folder is where published versions
    are divided into partitions of about so many records: at the same path on every worker, or
    `s3://bucket/prefix` of an object store; empty for `partitions/` in the home. endpoint is that
    store's address, region its region, store_ca_file the authority that vouches for it; its keys
    are the systemd credential or the file named, else in the environment. memory is the megabytes
    of records that a worker keeps between rounds, memory_share the share of free memory that MIP's
    own process keeps them in, whatever the kind; patience the seconds after which a round that does
    not get on is given up.
    """

    kind: Literal["duckdb", "dask"] = "duckdb"
    folder: str = ""
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
        self._refuse_folder()
        self.refuse_unreachable()
        if not self.is_local and not self.folder:
            raise ValueError("folder is needed: one that every worker reads at the same path")
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
