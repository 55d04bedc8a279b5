"""Partitions as objects of a bucket: named by a manifest that is written last.

An object is there whole or not at all, so a manifest names only whole ones; what a killed writer
left has none, and goes with the next write. A worker reads an object into memory, checks it there
and gives it back: none of it comes to a disk.
"""

import contextlib
import hashlib
import os
import re
import shutil
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from secrets import token_hex

import httpx
from pyarrow.fs import FileSelector, FileType, S3FileSystem

from medmip.catalogue.atomic_file import alone
from medmip.store.bucket import Bucket
from medmip.store.errors import StoreError
from medmip.store.stored_partition import MANIFEST, PARTIAL, StoredPartition, changed

_VERSION = re.compile(r"([0-9a-f]{64})-[0-9]+")
"""What a version's folder is called: nothing else in the bucket is ever removed."""
_PROBE = "probe-"
_REASON = re.compile(r"AWS Error ([A-Z_]+)")
_CHUNK = 2**23
_CLOCK = 300.0
"""Seconds; a store refuses what is signed by a clock that is 900 from its own."""
_REMEDIES = {
    "ACCESS_DENIED": "The account needs to list, read, write and delete below the prefix.",
    "INVALID_ACCESS_KEY_ID": "See that the store knows the account of these keys.",
    "SIGNATURE_DOES_NOT_MATCH": "The secret key is not the account's.",
    "NO_SUCH_BUCKET": "Let the store's administrator make it.",
}


@dataclass(frozen=True)
class ObjectFolder:
    """A bucket's prefix, the one of one installation; staging is a folder of this machine that
    partitions are divided in before they are sent.
    """

    bucket: Bucket
    staging: Path

    def __str__(self) -> str:
        return str(self.bucket)

    @property
    def root(self) -> Path:
        return Path(f"/proc/{os.getpid()}/fd")

    @property
    def passing(self) -> bool:
        return True

    def manifest(self, name: str) -> bytes | None:
        with self._store() as store:
            return self._read(store, f"{name}/{MANIFEST}")

    def bring(self, name: str, divide: Callable[[Path], bytes]) -> None:
        self.staging.mkdir(mode=0o750, parents=True, exist_ok=True)
        with alone(self.staging):
            for doomed in self.staging.glob(f"*{PARTIAL}"):
                shutil.rmtree(doomed, ignore_errors=True)
            with self._store() as store:
                if self._read(store, f"{name}/{MANIFEST}") is not None:
                    return
                self._remove_left(store)
            partial = self.staging / f"{token_hex(8)}{PARTIAL}"
            partial.mkdir(mode=0o750)
            try:
                manifest = divide(partial)
                with self._store() as store:
                    for file in sorted(partial.iterdir()):
                        self._send(store, file, f"{name}/{file.name}")
                    self._write(store, f"{name}/{MANIFEST}", manifest)
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    @contextmanager
    def opened(self, part: StoredPartition) -> Iterator[Path]:
        descriptor = os.memfd_create("mip-partition")
        try:
            with self._store() as store:
                sound = self._fetched(store, part, descriptor)
            if not sound:
                raise changed(part)
            yield self.root / str(descriptor)
        finally:
            os.close(descriptor)

    def forget(self, digests: Iterable[str]) -> None:
        doomed = set(digests)
        with self._store() as store:
            for name in self._versions(store):
                if name.partition("-")[0] in doomed:
                    self._remove(store, name)

    @contextmanager
    def probe(self) -> Iterator[str]:
        self._check_clock()
        name, content = f"{_PROBE}{token_hex(8)}", os.urandom(32)
        with self._store() as store:
            self._write(store, name, content)
            try:
                if self._read(store, name) != content:
                    raise StoreError(
                        "The object store does not give back what was written.", where=str(self)
                    )
                yield name
            finally:
                store.delete_file(self._path(name))

    def trouble(self, probe: str) -> str:
        try:
            with self._store() as store:
                seen = self._read(store, probe) is not None
        except StoreError as error:
            return f"cannot read {self}: {error}"
        return "" if seen else f"does not see {self}"

    def _path(self, name: str) -> str:
        return f"{self.bucket.root}/{name}"

    @contextmanager
    def _store(self) -> Iterator[S3FileSystem]:
        """The store; its errors, which quote what was sent, are told by their kind."""
        store = self.bucket.opened()
        try:
            yield store
        except OSError as error:
            found = _REASON.search(str(error))
            reason = found[1] if found else type(error).__name__
            raise StoreError(
                f"The object store cannot be used: {reason}.",
                where=str(self),
                remedy=_REMEDIES.get(
                    reason, "See that it runs and can be reached; `mip doctor` looks."
                ),
            ) from None

    def _read(self, store: S3FileSystem, name: str) -> bytes | None:
        try:
            with store.open_input_file(self._path(name)) as file:
                content: bytes = file.readall()
        except FileNotFoundError:
            return None
        return content

    def _write(self, store: S3FileSystem, name: str, content: bytes) -> None:
        with store.open_output_stream(self._path(name)) as file:
            file.write(content)

    def _send(self, store: S3FileSystem, source: Path, name: str) -> None:
        with source.open("rb") as content, store.open_output_stream(self._path(name)) as file:
            shutil.copyfileobj(content, file, _CHUNK)

    def _fetched(self, store: S3FileSystem, part: StoredPartition, descriptor: int) -> bool:
        """Whether a partition's object is what was written; its content is in the file then."""
        digest = hashlib.sha256()
        try:
            with (
                store.open_input_file(self._path(part.file)) as source,
                open(descriptor, "wb", closefd=False) as file,
            ):
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
        except FileNotFoundError:
            return False
        return digest.hexdigest() == part.sha256

    def _versions(self, store: S3FileSystem) -> list[str]:
        listed = store.get_file_info(FileSelector(self.bucket.root, allow_not_found=True))
        return [one.base_name for one in listed if _VERSION.fullmatch(one.base_name)]

    def _remove_left(self, store: S3FileSystem) -> None:
        """Removes versions without a manifest: their writer was killed."""
        for name in self._versions(store):
            if store.get_file_info(self._path(f"{name}/{MANIFEST}")).type == FileType.NotFound:
                self._remove(store, name)

    def _remove(self, store: S3FileSystem, name: str) -> None:
        # The manifest first: it names only what is there.
        with contextlib.suppress(FileNotFoundError):
            store.delete_file(self._path(f"{name}/{MANIFEST}"))
        store.delete_dir(self._path(name))

    def _check_clock(self) -> None:
        try:
            context = ssl.create_default_context(cafile=self.bucket.ca_file or None)
            answer = httpx.head(self.bucket.url, verify=context, timeout=10)
            told = parsedate_to_datetime(answer.headers["date"])
        except (httpx.HTTPError, OSError) as error:
            raise StoreError(
                f"The object store does not answer: {type(error).__name__}.",
                where=self.bucket.url,
                remedy="See that it runs, and that its certificate is by the authority named.",
            ) from None
        except (KeyError, ValueError):
            return  # A store that tells no time refuses, or takes, what is signed.
        apart = abs((told - datetime.now(UTC)).total_seconds())
        if apart > _CLOCK:
            raise StoreError(
                f"The object store's clock is {apart:.0f} seconds from this machine's; what is "
                "signed by a clock 900 seconds from its own it refuses.",
                where=self.bucket.url,
                remedy="See that both keep time by NTP.",
            )
