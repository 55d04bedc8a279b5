"""`mip deploy validate` and `verify-report`: the acceptance test, and who trusts its report."""

from pathlib import Path
from typing import Annotated

import typer

from medmip.cli.deploy_server import FOLDER, FolderOption, installation_at
from medmip.cli.options import JsonOption
from medmip.errors import MipError


def validate(
    report: Annotated[
        Path | None,
        typer.Option(help="Write validation.html and validation.json, signed, into this folder."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the signed page into this file.")
    ] = None,
    as_json: JsonOption = False,
    folder: FolderOption = FOLDER,
) -> None:
    """Judge every server, here as root: each point, and what to do; exit 1 where one fails."""
    from importlib.metadata import version

    from medmip.catalogue.atomic_file import write_atomically
    from medmip.deploy.remote_validation import validate_all
    from medmip.deploy.signed_report import signed_html, signed_json

    installation = installation_at(folder)
    found = validate_all(installation, version("medmip"), lambda line: typer.echo(line, err=True))
    files = [] if html is None else [html]
    if report is not None:
        report.mkdir(parents=True, exist_ok=True)
        files += [report / "validation.html", report / "validation.json"]
    signer = installation.reporter()
    for path in files:
        sealed = signed_json if path.suffix == ".json" else signed_html
        write_atomically(path, sealed(found, signer))
    if as_json:
        typer.echo(signed_json(found, signer).decode(), nl=False)
    else:
        for check in found.checks:
            typer.echo(f"{'ok  ' if check.passed else 'FAIL'}  {check.name}: {check.found}")
            if not check.passed:
                typer.echo(f"      {check.remedy}")
    if not found.passed:
        raise typer.Exit(1)


def verify_report(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A report that `validate` wrote, page or JSON.")
    ],
    key: Annotated[
        Path | None,
        typer.Option(help="report-key.pub of the server; else that of the configuration folder."),
    ] = None,
    folder: FolderOption = FOLDER,
) -> None:
    """Prove that a report is what a server signed; exit 1 where a byte of it was changed."""
    from medmip.deploy.installation import report_key
    from medmip.deploy.signed_report import prove

    try:
        content = file.read_bytes()
    except OSError as error:
        raise MipError(
            f"The report cannot be read: {error.strerror}",
            where=str(file),
            remedy="Name the file that `mip deploy validate --report` wrote.",
        ) from None
    public = report_key(key or installation_at(folder).report_key)
    proved = prove(content, public)
    typer.echo(f"Signed by the key {public.fingerprint}, and not changed since:")
    typer.echo(f"{proved.name}, {proved.made:%d %B %Y %H:%M} UTC, MIP {proved.version}")
    typer.echo(
        f"failed in {len(proved.failed)} of {proved.points} points: {', '.join(proved.failed)}"
        if proved.failed
        else f"passed in all {proved.points} points"
    )
