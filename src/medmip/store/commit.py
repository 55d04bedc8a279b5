"""New lists of versions of several datasets: current together, or not at all."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from medmip.catalogue.atomic_file import sync_folder, write_atomically
from medmip.store.errors import StoreError
from medmip.store.published import Published

_JOURNAL = "commit.json"
FolderOf = Callable[[str, str], Path]
"""The folder of a model's dataset."""


def is_pending(root: Path) -> bool:
    """Whether a publisher has decided what it has not carried out yet, alive or killed."""
    return (root / _JOURNAL).exists()


def commit(root: Path, lists: Sequence[Published], folder_of: FolderOf) -> None:
    """Make these the lists of their datasets' folders, after a kill at any moment all or none.

    Several are first written down in one file: its rename decides, and whoever takes the
    publishers' lock next carries out what a killed publisher decided. The caller holds the lock.
    """
    if len(lists) > 1:
        decided = [
            {
                "model": published.current.model,
                "dataset": published.current.dataset,
                "content": published.content().decode(),
            }
            for published in lists
        ]
        write_atomically(root / _JOURNAL, json.dumps(decided).encode())
    _write(lists, folder_of)
    if len(lists) > 1:
        _forget(root)


def carry_out(root: Path, folder_of: FolderOf) -> None:
    """Finish what a killed publisher decided; the caller holds the lock. Raises StoreError."""
    try:
        decided = json.loads((root / _JOURNAL).read_bytes())
        lists = [
            Published.parse(entry["content"].encode(), folder_of(entry["model"], entry["dataset"]))
            for entry in decided
        ]
    except FileNotFoundError:
        return
    except (AttributeError, KeyError, TypeError, ValueError, StoreError):
        raise StoreError(
            "The record of an import that was being published is damaged.",
            where=str(root / _JOURNAL),
            remedy="Delete that file, then import again what was being imported.",
        ) from None
    _write(lists, folder_of)
    _forget(root)


def _write(lists: Sequence[Published], folder_of: FolderOf) -> None:
    for published in lists:
        published.write(folder_of(published.current.model, published.current.dataset))


def _forget(root: Path) -> None:
    (root / _JOURNAL).unlink()
    sync_folder(root)
