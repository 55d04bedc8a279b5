"""Where a cluster of dask.distributed is: processes of this machine, or a scheduler reached."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from medmip.store.bucket import LOOPBACK

LOCAL = "local"
_FILES = ("ca_file", "certificate_file", "key_file")


class ClusterAddress(BaseModel):
    """What a section of `mip.toml` says of the cluster that it works on.

    scheduler is `local` for a cluster of processes on this machine, workers many, or
    `tls://host:port`, for which ca_file, certificate_file and key_file are the PEM files of the
    cluster's authority and of MIP's own certificate; `tcp://` only on this machine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scheduler: str = LOCAL
    workers: int = Field(2, ge=1, le=256)
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""

    @property
    def is_local(self) -> bool:
        return self.scheduler == LOCAL

    def refuse_unreachable(self) -> Self:
        """This; raises ValueError where the address and what is said beside it do not agree."""
        files = [name for name in _FILES if getattr(self, name)]
        if self.is_local:
            if files:
                raise ValueError(f"{files[0]} is not needed where scheduler is local")
            return self
        if "workers" in self.model_fields_set:
            raise ValueError("workers are counted where scheduler is local; a cluster has its own")
        scheme, host = _address(self.scheduler)
        if scheme == "tls" and len(files) < len(_FILES):
            lacking = next(name for name in _FILES if name not in files)
            raise ValueError(f"{lacking} is needed for a scheduler that is reached by tls://")
        if scheme == "tcp" and (host not in LOOPBACK or files):
            raise ValueError("tcp:// is not encrypted: tls:// but for a scheduler on this machine")
        return self


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
