"""Published datasets: immutable snapshots named by their content; one of each is current."""

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex

import pyarrow as pa

from medmip.catalogue.atomic_file import sync_folder, write_atomically
from medmip.catalogue.home import PUBLISHED_RECORD, Home, dataset_folder
from medmip.errors import Conflict
from medmip.store.commit import carry_out, commit, is_pending
from medmip.store.errors import StoreBusy, StoreError, UnknownDataset
from medmip.store.parquet import Contents, contents, write_table
from medmip.store.partitions import forget_partitions
from medmip.store.published import MAPPING_SUFFIX, Published, Snapshot

__all__ = ["Datasets", "Snapshot", "file_hash", "is_dataset_code"]

Snapshots = list[Snapshot]
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}:[A-Za-z0-9][A-Za-z0-9_.-]{0,49}")
_PARTIAL = ".partial"
_LOCK_PATIENCE = 60.0
"""Seconds to wait for another publisher; a publication itself holds the lock for a few."""


def is_dataset_code(code: str) -> bool:
    """Whether a dataset may have this code: letters, digits, `_`, `.` and `-`, at most 100."""
    return _CODE.fullmatch(code) is not None


class Datasets:
    """The published datasets of a home; publishers take turns.

    root is the folder that they lie in, by default the home's own for them. Readers need no lock,
    but where several datasets are just being made current together.
    """

    def __init__(self, home: Home, root: Path | None = None) -> None:
        self._home = home
        self._root = root or home.datasets

    def publish(
        self,
        data: pa.Table | Path,
        model: str,
        dataset: str,
        source: str,
        synthetic: bool = False,
        *,
        move: bool = False,
    ) -> Snapshot:
        """Make data the current version of a dataset, wholly or not at all; see publish_all."""
        (snapshot,) = self.publish_all({dataset: data}, model, source, synthetic, move=move)
        return snapshot

    def publish_all(
        self,
        data: Mapping[str, pa.Table | Path],
        model: str,
        source: str,
        synthetic: bool = False,
        *,
        move: bool = False,
        applied: Mapping[str, str] | None = None,
        mapping: bytes | None = None,
        upon: Snapshot | None = None,
    ) -> tuple[Snapshot, ...]:
        """Make data the current versions of the datasets of these codes, all of them or none.

        Each is a table, or a Parquet file (moved into the store where move says so, else
        copied), with a column for each variable and `__patient`, integers 0 … patients - 1.
        The column `dataset` is added to a table that lacks it. Content equal to the current
        version's publishes nothing new; applied says of each dataset what was done to it, as
        JSON, and mapping is what the data were read through: both are kept with the version.
        upon is the version that the data were made from; raises Conflict where another is current
        by now. Raises StoreError where data or names break the rules, StoreBusy where another
        publisher does not finish.
        """
        folders = {dataset: self._folder(model, dataset) for dataset in data}
        with self._locked():
            self._refuse_outrun(upon)
            found: list[Snapshot] = []
            lists: list[Published] = []
            try:
                for dataset, folder in folders.items():
                    former = self._published(model, dataset)
                    digest, held = _brought(data[dataset], folder, former, dataset, move=move)
                    done = (applied or {}).get(dataset, "")
                    if former and (digest, synthetic, done) == (
                        former.current.hash,
                        former.current.synthetic,
                        former.current.applied,
                    ):
                        found.append(former.current)
                        continue
                    snapshot = Snapshot(
                        model=model,
                        dataset=dataset,
                        hash=digest,
                        path=folder / f"{digest}.parquet",
                        records=held.records,
                        patients=held.patients,
                        variables=held.variables,
                        source=Path(source).name,
                        published=datetime.now(UTC),
                        version=former.following if former else 1,
                        synthetic=synthetic,
                        applied=done,
                        mapping=_kept(mapping, folder),
                    )
                    versions = (*former.versions, snapshot) if former else (snapshot,)
                    found.append(snapshot)
                    lists.append(Published(versions, snapshot.version))
            except BaseException:
                for published in lists:
                    _clean(published.current.path.parent, _kept_files(published.versions[:-1]))
                raise
            commit(self._root, lists, self._folder)
        return tuple(found)

    def current(self, model: str, dataset: str) -> Snapshot:
        """The version that analyses see; raises UnknownDataset."""
        return self._existing(model, dataset).current

    def versions(self, model: str, dataset: str) -> Snapshots:
        """Every version, oldest first; raises UnknownDataset."""
        return [*self._existing(model, dataset).versions]

    def list(self, model: str | None = None) -> Snapshots:
        """The current version of every dataset, of one model or of all, by model and name."""
        self._catch_up()
        found = []
        for pointer in self._root.glob(f"*/*/{PUBLISHED_RECORD}"):
            published = Published.read(pointer.parent)
            if published and model in (None, published.current.model):
                found.append(published.current)
        return sorted(found, key=lambda snapshot: (snapshot.model, snapshot.dataset))

    def rollback(self, model: str, dataset: str, version: int) -> Snapshot:
        """Make a former version current again; raises UnknownDataset, StoreError."""
        with self._locked():
            versions = self._existing(model, dataset).versions
            for snapshot in versions:
                if snapshot.version == version:
                    self.verify(snapshot)
                    Published(versions, version).write(snapshot.path.parent)
                    return snapshot
        known = ", ".join(str(snapshot.version) for snapshot in versions)
        raise UnknownDataset(
            f"{model} {dataset} has no version {version}.", remedy=f"Its versions are {known}."
        )

    def forget(self, model: str, dataset: str, numbers: Collection[int]) -> None:
        """Remove former versions for good; after a kill they are all listed still, or none is.

        Raises UnknownDataset, StoreError where the current version is among them.
        """
        with self._locked():
            published = self._existing(model, dataset)
            if published.number in numbers:
                raise StoreError(
                    f"Version {published.number} of {dataset} is the current one and stays.",
                    remedy="Roll back to another version first, or remove the dataset.",
                )
            kept = tuple(v for v in published.versions if v.version not in numbers)
            gone = {v.hash for v in published.versions} - {v.hash for v in kept}
            forget_partitions(self._home, gone)
            folder = published.current.path.parent
            Published(kept, published.number).write(folder)
            _clean(folder, _kept_files(kept))
            sync_folder(folder)

    def remove(self, model: str, dataset: str) -> None:
        """Unpublish a dataset and delete all its versions; raises UnknownDataset."""
        with self._locked():
            published = self._existing(model, dataset)
            forget_partitions(self._home, {version.hash for version in published.versions})
            folder = self._folder(model, dataset)
            doomed = self._root / f"{token_hex(8)}{_PARTIAL}"
            folder.rename(doomed)
            sync_folder(folder.parent)
            sync_folder(self._root)
            shutil.rmtree(doomed)

    def verify(self, snapshot: Snapshot) -> None:
        """Read a snapshot's whole file; raises StoreError where it is gone or was changed."""
        try:
            sound = file_hash(snapshot.path) == snapshot.hash
        except OSError:
            sound = False
        if not sound:
            raise StoreError(
                f"Version {snapshot.version} of {snapshot.dataset} is missing or was changed.",
                where=str(snapshot.path),
                remedy="Import the dataset again, or roll back to another version.",
            )

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nobody publishes meanwhile, and nothing is left that a killed publisher decided.

        Raises StoreBusy where another publisher does not finish.
        """
        with self._locked():
            yield

    def _existing(self, model: str, dataset: str) -> Published:
        self._catch_up()
        published = self._published(model, dataset)
        if published is None:
            raise UnknownDataset(
                f"{model} has no dataset “{dataset}”.", remedy="See them with: mip data list"
            )
        return published

    def _refuse_outrun(self, upon: Snapshot | None) -> None:
        if upon is None:
            return
        now = self._published(upon.model, upon.dataset)
        if now is None or (now.current.version, now.current.hash) != (upon.version, upon.hash):
            raise Conflict(
                f"Another version of {upon.dataset} has become current meanwhile; nothing was "
                "published.",
                remedy="Look at it, then do the same again.",
            )

    def _published(self, model: str, dataset: str) -> Published | None:
        folder = self._folder(model, dataset)
        published = Published.read(folder)
        if published and (published.current.model, published.current.dataset) != (model, dataset):
            raise StoreError(
                f"The folder of {model} {dataset} holds another model's data.", where=str(folder)
            )
        return published

    def _catch_up(self) -> None:
        """Before reading: wait for a publisher that has decided, or carry out a killed one's."""
        if is_pending(self._root):
            with self._locked():
                pass

    def _folder(self, model: str, dataset: str) -> Path:
        if not _MODEL.fullmatch(model):
            raise StoreError(
                "A data model is named code:version, in letters, digits, `_`, `.` and `-`."
            )
        if not is_dataset_code(dataset):
            raise StoreError(
                "A dataset's code is made of letters, digits, `_`, `.` and `-`, 100 at most."
            )
        return dataset_folder(self._root, model, dataset)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One publisher at a time, over processes and threads; a killed one's lock is free."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
            for doomed in self._root.glob(f"*{_PARTIAL}"):
                if doomed.is_dir():
                    shutil.rmtree(doomed, ignore_errors=True)
                else:
                    doomed.unlink(missing_ok=True)
            carry_out(self._root, self._folder)
            yield
        finally:
            os.close(descriptor)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreBusy(
                    "Another import has been publishing for a minute.",
                    remedy="Wait until it has finished, then try again.",
                ) from None
            time.sleep(0.02)


def _bring(data: pa.Table | Path, partial: Path, dataset: str, *, move: bool) -> Contents:
    """Put data at partial, on disk for good, and check it."""
    if isinstance(data, pa.Table):
        if "dataset" not in data.column_names:
            data = data.append_column("dataset", pa.repeat(dataset, data.num_rows))
        write_table(data, partial)
    elif move:
        shutil.move(data, partial)
    else:
        shutil.copyfile(data, partial)
    partial.chmod(0o600)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    return contents(partial)


def _brought(
    data: pa.Table | Path, folder: Path, former: Published | None, dataset: str, *, move: bool
) -> tuple[str, Contents]:
    """Put data into a dataset's folder under the name of its hash, where no reader looks yet."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sync_folder(folder.parent)
    _clean(folder, _kept_files(former.versions if former else ()))
    partial = folder / f"{token_hex(8)}{_PARTIAL}"
    try:
        held = _bring(data, partial, dataset, move=move)
        digest = file_hash(partial)
        os.replace(partial, folder / f"{digest}.parquet")
        sync_folder(folder)
    finally:
        partial.unlink(missing_ok=True)
    return digest, held


def _kept(mapping: bytes | None, folder: Path) -> str:
    """Keep a mapping in a dataset's folder; its hash, empty where there is none."""
    if mapping is None:
        return ""
    digest = hashlib.sha256(mapping).hexdigest()
    write_atomically(folder / f"{digest}{MAPPING_SUFFIX}", mapping)
    return digest


def _kept_files(versions: Iterable[Snapshot]) -> set[str]:
    """The names of the files that versions need."""
    paths = [path for version in versions for path in (version.path, version.mapping_path)]
    return {path.name for path in paths if path is not None}


def _clean(folder: Path, keep: set[str]) -> None:
    """Remove what a killed publisher left: partial files, and content that no version names."""
    for file in folder.iterdir():
        leftover = file.suffix == _PARTIAL
        content = file.name.endswith((".parquet", MAPPING_SUFFIX))
        if leftover or (content and file.name not in keep):
            file.unlink(missing_ok=True)
