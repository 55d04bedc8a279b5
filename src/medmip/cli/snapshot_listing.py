"""How `mip data` lists published snapshots."""

import json
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from medmip.store.snapshots import Snapshot

_HEADINGS = ("Model", "Dataset", "Version", "Patients", "Records", "Published")


def print_snapshots(snapshots: "list[Snapshot]", as_json: bool, current: int | None = None) -> None:
    """Print snapshots as a table or JSON, the version `current` marked where given."""
    rows = [snapshot_json(snapshot) for snapshot in snapshots]
    if as_json:
        for row in rows if current else []:
            row["current"] = row["version"] == current
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    table = Table(*_HEADINGS)
    for row, snapshot in zip(rows, snapshots, strict=True):
        mark = " (current)" if snapshot.version == current else ""
        table.add_row(
            Text(snapshot.model, overflow="fold"),
            Text(snapshot.dataset + _kind(snapshot), overflow="fold"),
            f"{snapshot.version}{mark}",
            f"{snapshot.patients:,}",
            f"{snapshot.records:,}",
            str(row["published"])[:16].replace("T", " "),
        )
    Console().print(table)


def _kind(snapshot: "Snapshot") -> str:
    from medmip.store.placed import Placed

    synthetic = " (synthetic)" if snapshot.synthetic else ""
    return f"{synthetic} (in place)" if isinstance(snapshot, Placed) else synthetic


def snapshot_json(snapshot: "Snapshot") -> dict[str, str | int | list[str]]:
    """A snapshot as listings show it."""
    return {
        "model": snapshot.model,
        "dataset": snapshot.dataset,
        "version": snapshot.version,
        "records": snapshot.records,
        "patients": snapshot.patients,
        "synthetic": snapshot.synthetic,
        "source": snapshot.source,
        "published": snapshot.published.isoformat(),
        "hash": snapshot.hash,
        "variables": list(snapshot.variables),
    }
