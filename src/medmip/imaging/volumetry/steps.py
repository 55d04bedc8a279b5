"""A piece of work as a graph of steps, each kept whole once done, so that none is done twice."""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from medmip.catalogue.atomic_file import sync_folder, sync_tree
from medmip.imaging.space import refuse_short

RECORD = "step.json"
DEFACE = "deface"
"""The step that empties a face, whose result must outlive the work."""
_PASSING = ".partial-"


@dataclass(frozen=True)
class Given:
    """What a step works on: sources by name, and the folders of the steps that it needs.

    folder is its own, empty; what it writes there is its result.
    """

    sources: Mapping[str, Path]
    needed: Mapping[str, Path]
    folder: Path


Facts = Mapping[str, float]
"""What a step tells besides its files, in numbers; its log."""


@dataclass(frozen=True)
class Step:
    """One step: which sources and earlier steps it uses, by what settings, and how.

    version rises whenever its results may change, and then it is done anew.
    """

    name: str
    version: int
    run: Callable[[Given], Facts]
    sources: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    settings: Mapping[str, object] | None = None


class StepRecord(BaseModel):
    """What is kept of a step: the hashes of all that went in and came out, facts, and its time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: int
    inputs: str
    outputs: str
    facts: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Told:
    """A step that begins, where record is None, or is done, anew or since an earlier run."""

    name: str
    record: StepRecord | None = None
    anew: bool = True


def carried_out(
    graph: Sequence[Step],
    folder: Path,
    sources: Mapping[str, Path],
    tools: Mapping[str, str],
    told: Callable[[Told], None],
    *,
    free: int = 0,
) -> list[StepRecord]:
    """All steps of a graph, in its order; those whose inputs are as they were are not repeated.

    Each writes aside; its folder appears in `folder` by one rename, synced, or not at all. tools
    are the versions of what the steps compute with, and count as inputs. One process at a time
    may work on a folder. A step is not begun with less than so many bytes free on the disk.
    Raises NoSpace, and whatever a step raises; what was done before stays.
    """
    for left in folder.glob(f"{_PASSING}*"):
        shutil.rmtree(left)
    hashes = {name: hash_of(path) for name, path in sources.items()}
    records: dict[str, StepRecord] = {}
    for step in graph:
        inputs = _inputs(step, hashes, records, tools)
        record = _kept(folder / step.name, inputs)
        if record is not None:
            told(Told(step.name, record, anew=False))
        else:
            refuse_short(folder, free)
            told(Told(step.name))
            record = _done(step, inputs, folder, sources)
            told(Told(step.name, record))
        records[step.name] = record
    return list(records.values())


def hash_of(path: Path) -> str:
    """The SHA-256 of a file, or of the names and contents of all files below a folder."""
    if path.is_dir():
        names = sorted(one for one in path.rglob("*") if one.is_file() and one.name != RECORD)
        told = "\n".join(f"{one.relative_to(path)} {hash_of(one)}" for one in names)
        return hashlib.sha256(told.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inputs(
    step: Step,
    hashes: Mapping[str, str],
    records: Mapping[str, StepRecord],
    tools: Mapping[str, str],
) -> str:
    told = {
        "step": [step.name, step.version],
        "settings": step.settings,
        "tools": dict(tools),
        "sources": {name: hashes[name] for name in step.sources},
        "needs": {name: records[name].outputs for name in step.needs},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _kept(folder: Path, inputs: str) -> StepRecord | None:
    """The record of a step done with these inputs, whose files are as they were written."""
    with suppress(FileNotFoundError, ValidationError):
        record = StepRecord.model_validate_json((folder / RECORD).read_bytes())
        if record.inputs == inputs and record.outputs == hash_of(folder):
            return record
    return None


def _done(step: Step, inputs: str, folder: Path, sources: Mapping[str, Path]) -> StepRecord:
    aside = Path(tempfile.mkdtemp(prefix=f"{_PASSING}{step.name}-", dir=folder))
    try:
        begun = time.monotonic()
        facts = step.run(
            Given(
                {name: sources[name] for name in step.sources},
                {name: folder / name for name in step.needs},
                aside,
            )
        )
        record = StepRecord(
            name=step.name,
            version=step.version,
            inputs=inputs,
            outputs=hash_of(aside),
            facts={name: float(value) for name, value in facts.items()},
            seconds=round(time.monotonic() - begun, 2),
        )
        (aside / RECORD).write_text(record.model_dump_json(indent=2) + "\n", "utf-8")
        sync_tree(aside)
        place = folder / step.name
        if place.exists():
            os.rename(place, folder / f"{_PASSING}former-{aside.name}")
        os.rename(aside, place)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    sync_folder(folder)
    return record
