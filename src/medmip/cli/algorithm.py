"""`mip algorithm`: what can be computed, and how an author adds to it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

algorithm_app = typer.Typer(help="The algorithms and what they take.", no_args_is_help=True)


@algorithm_app.command("list")
def list_algorithms(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the algorithms that may run here, and what installed packages offer besides."""
    from rich.console import Console
    from rich.table import Table

    from medmip.experiments.packages import algorithms_of, offered
    from medmip.web.schemas import AlgorithmEntry

    place = opened(home)
    known = algorithms_of(place)
    if as_json:
        entries = [AlgorithmEntry.of(found).model_dump(mode="json") for found in known.values()]
        typer.echo(json.dumps(entries, indent=2))
        return
    table = Table("algorithm", "question", "outcome (y)", "covariates (x)", "what it does")
    for found in known.values():
        roles = [
            "\n".join(f"{role.label}: {role.wanted}" for role in roles) or "–"
            for roles in (found.y, found.x)
        ]
        table.add_row(found.name, found.question, *roles, found.label)
    Console().print(table)
    for part in offered(place):
        if not part.enabled:
            typer.echo(
                f"{part.package} {part.version} offers {part.name}: not enabled; "
                f"`mip algorithm enable {part.name}` lets it run."
            )


@algorithm_app.command("show")
def show(name: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show one algorithm: what it takes, its parameters, what it discloses."""
    from medmip.algorithms.registry import find
    from medmip.experiments.packages import algorithms_of
    from medmip.web.schemas import AlgorithmEntry

    found = find(name, algorithms_of(opened(home)))
    if as_json:
        typer.echo(json.dumps(AlgorithmEntry.of(found).model_dump(mode="json"), indent=2))
        return
    typer.echo(f"{found.label} ({found.name} {found.version})\n\n{found.description}\n")
    for key, roles in (("y", found.y), ("x", found.x)):
        for turn, role in enumerate(roles):
            place = f"--{key}" if turn == 0 else "then"
            typer.echo(f"{place}  {role.label}: {role.wanted}. {role.hint}".rstrip())
    for key, field in found.parameters.model_fields.items():
        needed = "required" if field.is_required() else f"default {field.default!r}"
        typer.echo(f"--parameter {key}=…  {field.title}: {field.description} ({needed})")
    typer.echo(f"\nDiscloses: {found.discloses}")


@algorithm_app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Small letters, digits and underscores.")],
    folder: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Where its folder is made.")
    ] = Path(),
) -> None:
    """Begin an algorithm: a working file, its test, and the package that offers it."""
    from medmip.authoring.template import begin

    for path in begin(name, folder):
        typer.echo(str(path))
    # A bare name would be looked up in a package registry instead of this folder.
    package = str(folder / name) if folder.is_absolute() else f"./{folder / name}"
    typer.echo(
        f"\nTry it:    mip algorithm check {package}/{name}.py\n"
        f"Test it:   python -m pytest {package}\n"
        f"Offer it:  python -m pip install {package} && mip algorithm enable {name}\n"
        "All in the environment that MIP is installed in."
    )


@algorithm_app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="An algorithm's name, or the file that declares it.")],
    home: HomeOption = None,
) -> None:
    """Try an algorithm on generated cohorts: split, guarded, given bad input."""
    from medmip.authoring.check import check as checked
    from medmip.experiments.packages import find_anywhere

    failed = 0
    for part in checked(find_anywhere(name, opened(home))):
        typer.echo(f"{'ok  ' if part.passed else 'FAIL'}  {part.demand}")
        if part.problem:
            failed += 1
            typer.echo(f"      {part.problem}")
    if failed:
        raise typer.Exit(1)


@algorithm_app.command("enable")
def enable(name: str, home: HomeOption = None) -> None:
    """Let an algorithm of an installed package run; a running server takes it up at its start."""
    from medmip.experiments.packages import enable as enabled

    found = enabled(opened(home), name)
    typer.echo(f"{found.name} of {found.package} {found.version} may run.")


@algorithm_app.command("disable")
def disable(name: str, home: HomeOption = None) -> None:
    """Let an algorithm of an installed package run no more."""
    from medmip.experiments.packages import disable as disabled

    disabled(opened(home), name)
    typer.echo(f"{name} may not run any more.")
