"""A bucket of an S3-compatible object store: where it is, and by whose keys it is reached.

What says so may travel: no secret is in it. Each process looks its keys up where it runs, so that
workers may have an account that only reads.
"""

import configparser
import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

from medmip.store.errors import StoreError
from medmip.store.secrets import credential_file, secret_of

SCHEME = "s3://"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*(/[A-Za-z0-9_=-][A-Za-z0-9._=-]*)*")
_CONNECT, _ANSWER = 10.0, 60.0
"""Seconds for a connection, and for a store that says nothing in the middle of an answer."""


@dataclass(frozen=True)
class Keys:
    """The two halves of an account's key, and the token of one that does not last."""

    name: str = field(repr=False)
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Bucket:
    """A bucket, and the prefix of the names in it that are MIP's.

    endpoint is `https://host[:port]`, empty for Amazon's own of the region; ca_file holds the
    authority that vouches for it, empty for the system's. The keys are the systemd credential of
    that name, a file in the form of AWS's, or, where neither is named, in the environment.
    """

    name: str
    prefix: str
    endpoint: str
    region: str
    ca_file: str
    credential: str
    credentials_file: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.root}"

    @property
    def root(self) -> str:
        """The bucket with its prefix, as names in it begin."""
        return f"{self.name}/{self.prefix}" if self.prefix else self.name

    @property
    def url(self) -> str:
        """Where the store answers."""
        return self.endpoint or f"https://s3.{self.region}.amazonaws.com"

    @classmethod
    def of(cls, folder: str, **settings: str) -> Self:
        """The bucket of `s3://bucket/prefix`; raises ValueError where that is none."""
        name, _, prefix = folder.removeprefix(SCHEME).rstrip("/").partition("/")
        if not _BUCKET.fullmatch(name) or (prefix and not _PREFIX.fullmatch(prefix)):
            raise ValueError("folder is s3://bucket/prefix, in letters, digits, `.`, `_` and `-`")
        return cls(name, prefix, **settings)

    def opened(self) -> S3FileSystem:
        """The store, by the keys as they are now; raises StoreError where there are none."""
        return _opened(self.endpoint, self.region, self.ca_file, self._keys())

    def _keys(self) -> Keys:
        if self.credential:
            file = credential_file(self.credential, "engine.credential", StoreError)
        elif self.credentials_file:
            file = Path(self.credentials_file)
        else:
            return _of_environment()
        return _of_file(secret_of(file, "The file of the object store's keys", StoreError), file)


def refuse_endpoint(endpoint: str) -> None:
    """Raises ValueError where that is no address of an object store, or sends in the clear."""
    parts = urlsplit(endpoint)
    try:
        whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        whole = False
    bare = not (parts.path or parts.query or parts.fragment) and "@" not in parts.netloc
    if not whole or not bare or parts.scheme not in ("https", "http"):
        raise ValueError("endpoint is https://host:port")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("http:// is not encrypted: https:// but for a store on this machine")


@lru_cache(maxsize=8)
def _opened(endpoint: str, region: str, ca_file: str, keys: Keys) -> S3FileSystem:
    parts = urlsplit(endpoint)
    return S3FileSystem(
        access_key=keys.name,
        secret_key=keys.secret,
        session_token=keys.token,
        region=region,
        scheme=parts.scheme or "https",
        endpoint_override=parts.netloc or None,
        tls_ca_file_path=ca_file or None,
        connect_timeout=_CONNECT,
        request_timeout=_ANSWER,
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=3),
    )


def _of_environment() -> Keys:
    name, secret = (os.environ.get(f"AWS_{part}", "") for part in ("ACCESS_KEY_ID", _SECRET))
    if not name or not secret:
        # Named, as the library would ask a cloud's own address for them.
        raise StoreError(
            "There are no keys for the object store.",
            where="engine.credentials_file",
            remedy="Name credential or credentials_file in mip.toml, or set AWS_ACCESS_KEY_ID and "
            f"AWS_{_SECRET}; on each worker too.",
        )
    return Keys(name, secret, os.environ.get("AWS_SESSION_TOKEN") or None)


_SECRET = "SECRET_ACCESS_KEY"  # noqa: S105 - the name of what holds it


def _of_file(text: str, file: Path) -> Keys:
    found = configparser.ConfigParser(interpolation=None)
    try:
        found.read_string(text)
        section = found["default"]
        return Keys(
            section["aws_access_key_id"],
            section["aws_secret_access_key"],
            section.get("aws_session_token") or None,
        )
    except (configparser.Error, KeyError):
        raise StoreError(
            "The file of the object store's keys is not in AWS's form.",
            where=str(file),
            remedy="[default], then aws_access_key_id = … and aws_secret_access_key = …",
        ) from None
