"""Where the partitions of published versions lie: a shared folder, or a bucket of an object store.

MIP writes them; workers of a cluster read them, and find the same place by the same words.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Protocol

from medmip.catalogue.atomic_file import alone, sync_folder, write_atomically
from medmip.catalogue.home import Home
from medmip.store.engine_settings import EngineSettings
from medmip.store.errors import StoreError
from medmip.store.object_folder import ObjectFolder
from medmip.store.stored_partition import MANIFEST, PARTIAL, StoredPartition, changed


class PartitionFolder(Protocol):
    """A place for partitions; it travels to workers, and holds no secret."""

    @property
    def root(self) -> Path:
        """The folder that files which are opened lie below, in this process."""

    @property
    def passing(self) -> bool:
        """Whether they are there only while they are open, and others under their names then."""

    def manifest(self, name: str) -> bytes | None:
        """The list of a version's partitions, None where it is not there; raises OSError,
        StoreError.
        """

    def bring(self, name: str, divide: Callable[[Path], bytes]) -> None:
        """Let a version appear, whole or not at all, unless it is there meanwhile.

        divide writes its files into an empty folder and gives its manifest. What a killed writer
        left is removed. Raises OSError, StoreError.
        """

    def opened(self, part: StoredPartition) -> AbstractContextManager[Path]:
        """A partition's file, once its content is found to be what was written, to read meanwhile.

        Raises StoreError, naming the file.
        """

    def forget(self, digests: Iterable[str]) -> None:
        """Remove the partitions of versions of these hashes; raises StoreError."""

    def probe(self) -> AbstractContextManager[str]:
        """What whoever reads partitions must be able to see, by its name; raises StoreError."""

    def trouble(self, probe: str) -> str:
        """Why a worker does not see what was put there for a trial; empty where it does."""


@dataclass(frozen=True)
class SharedFolder:
    """A folder at the same path for MIP and every worker."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    @property
    def root(self) -> Path:
        return self.path

    @property
    def passing(self) -> bool:
        return False

    def manifest(self, name: str) -> bytes | None:
        try:
            return (self.path / name / MANIFEST).read_bytes()
        except FileNotFoundError:
            return None

    def bring(self, name: str, divide: Callable[[Path], bytes]) -> None:
        self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        with alone(self.path):
            for doomed in self.path.glob(f"*{PARTIAL}"):
                shutil.rmtree(doomed, ignore_errors=True)
            if (self.path / name / MANIFEST).exists():
                return
            shutil.rmtree(self.path / name, ignore_errors=True)
            partial = self.path / f"{token_hex(8)}{PARTIAL}"
            partial.mkdir(mode=0o750)
            try:
                write_atomically(partial / MANIFEST, divide(partial))
                (partial / MANIFEST).chmod(0o640)
                sync_folder(partial)
                partial.rename(self.path / name)
                sync_folder(self.path)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise

    @contextmanager
    def opened(self, part: StoredPartition) -> Iterator[Path]:
        path = self.path / part.file
        try:
            with path.open("rb") as file:
                sound = hashlib.file_digest(file, "sha256").hexdigest() == part.sha256
        except OSError:
            sound = False
        if not sound:
            raise changed(part)
        yield path

    def forget(self, digests: Iterable[str]) -> None:
        for digest in digests:
            for doomed in self.path.glob(f"{digest}-*"):
                try:
                    shutil.rmtree(doomed)
                except OSError as error:
                    raise StoreError(
                        f"Partitions of a removed version cannot be removed: {error.strerror}.",
                        where=str(doomed),
                        remedy="Delete the folder.",
                    ) from None

    @contextmanager
    def probe(self) -> Iterator[str]:
        try:
            self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The folder of partitions cannot be made: {error.strerror}.", where=str(self.path)
            ) from None
        yield ""

    def trouble(self, probe: str) -> str:
        return "" if (self.path / probe).is_dir() else f"does not see {self.path}"


def partition_folder(settings: EngineSettings, home: Home) -> PartitionFolder:
    """Where a home's partitions lie, by what its `mip.toml` says."""
    bucket = settings.bucket
    if bucket is not None:
        return ObjectFolder(bucket, home.partitions)
    return SharedFolder(Path(settings.folder) if settings.folder else home.partitions)
