"""`mip deploy`: back an installation up, prove a backup, restore it; `deploy_server` has more."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption

if TYPE_CHECKING:
    from medmip.catalogue.home import Home

deploy_app = typer.Typer(
    name="deploy",
    help="Configure and set up a server; back up, prove a backup, restore.",
    no_args_is_help=True,
)
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")]
IdentityOption = Annotated[
    Path, typer.Option("--identity", help="The file of the identity that it is encrypted to.")
]


@deploy_app.command()
def keys(
    out: Annotated[Path, typer.Option(help="A new file for the secret identity.")],
) -> None:
    """Make an identity that reads backups, and print its public key.

    Keep the file away from the server, which needs the public key alone.
    """
    from medmip.deploy.encryption import make_identity

    typer.echo(make_identity(out))
    typer.echo(f"The secret identity is in {out}: keep it safe, and not on the server.", err=True)
    typer.echo("Next: mip deploy backup --to FOLDER --recipient PUBLIC_KEY", err=True)


@deploy_app.command()
def backup(
    to: Annotated[
        Path | None, typer.Option(help="The folder for the backup; else the one in mip.toml.")
    ] = None,
    recipient: Annotated[
        list[str] | None,
        typer.Option(help="A public key, age1… or ssh-…; several may be; else those in mip.toml."),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(min=0, help="How many of this home's backups stay there; 0 keeps all."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back up what cannot be made anew into one encrypted file; MIP may run meanwhile."""
    from medmip.deploy import encryption
    from medmip.deploy.backup import back_up
    from medmip.deploy.settings import backup_settings
    from medmip.errors import RequestError

    place = _chosen(home)
    settings = backup_settings(place)
    folder = to or (Path(settings.to) if settings.to else None)
    if folder is None:
        raise RequestError(
            "No folder is named for the backup",
            remedy="Give --to, or `to` in the section [backup] of mip.toml.",
        )
    recipients = [encryption.recipient(one) for one in recipient or settings.recipients]
    made = back_up(place, folder, recipients, settings.keep if keep is None else keep)
    if as_json:
        told = {
            "file": str(made.path),
            "files": len(made.manifest.files),
            "bytes": made.manifest.size,
            "removed": [old.name for old in made.removed],
            "left_out": [*made.left_out],
        }
        typer.echo(json.dumps(told, indent=2))
        return
    typer.echo(f"{made.path}: {len(made.manifest.files)} files, {made.manifest.size} bytes")
    for old in made.removed:
        typer.echo(f"Removed {old.name}")
    for name in made.left_out:
        typer.echo(f"Not backed up, since MIP does not know it: {name}", err=True)


@deploy_app.command("verify-backup")
def verify(file: FileArgument, identity: IdentityOption, as_json: JsonOption = False) -> None:
    """Prove a backup: every hash, the state database, the ledger; nothing is changed."""
    from dataclasses import asdict

    from medmip.deploy.verification import verify_backup

    held = verify_backup(file, identity)
    if as_json:
        typer.echo(json.dumps(asdict(held) | {"made": held.made.isoformat()}, indent=2))
        return
    typer.echo(f"Sound, made {held.made:%d %B %Y %H:%M} UTC by MIP {held.version}:")
    typer.echo(f"{held.experiments} experiments, {held.people} people")
    typer.echo(f"{held.datasets} datasets in {held.versions} versions")
    typer.echo(f"{held.ledger_rows} rows of the ledger, none changed")
    typer.echo(f"{held.files} files, {held.size} bytes")


@deploy_app.command()
def restore(
    file: FileArgument,
    identity: IdentityOption,
    home: Annotated[Path, typer.Option("--home", help="The new home: missing, or empty.")],
) -> None:
    """Make a home out of a backup, whole or not at all, onto an empty folder only."""
    from medmip.deploy.restore import restore as restored

    place = _chosen(home)
    manifest = restored(file, identity, place)
    typer.echo(f"{place.path}: {len(manifest.files)} files, as of {manifest.made:%d %B %Y %H:%M}")
    typer.echo(f"Next: mip doctor --home {place.path}")


@deploy_app.command()
def drill(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where backups are.")],
    identity: IdentityOption,
    report: Annotated[
        Path | None, typer.Option(help="Write what was found into this file, JSON.")
    ] = None,
    units: Annotated[
        Path | None,
        typer.Option(help="Write a weekly timer of systemd into this folder, and drill nothing."),
    ] = None,
) -> None:
    """Restore the newest backup into a temporary home and prove it; exit 1 where it fails."""
    from medmip.catalogue.atomic_file import write_atomically
    from medmip.deploy.drill import drill as drilled
    from medmip.deploy.drill import units as texts

    if units is not None:
        for name, text in texts(folder.absolute(), identity.absolute()).items():
            write_atomically(units / name, text.encode())
            typer.echo(units / name)
        return
    found = drilled(folder, identity)
    if report is not None:
        write_atomically(report, found.as_json().encode())
    if found.contents:
        held = found.contents
        typer.echo(f"{found.backup}: restored in {found.seconds} s")
        typer.echo(f"{held.experiments} experiments, {held.people} people, {held.files} files")
    if not found.passed:
        typer.echo(f"The drill failed: {found.failed}", err=True)
        raise typer.Exit(1)


def _chosen(home: Path | None) -> "Home":
    from medmip.catalogue.home import Home

    return Home.default() if home is None else Home(home.expanduser().absolute())
