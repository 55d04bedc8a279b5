"""`mip algorithms`: what can be computed."""

import json

import typer

from medmip.cli.options import JsonOption

algorithms_app = typer.Typer(help="The algorithms and what they take.", no_args_is_help=True)


@algorithms_app.command("list")
def list_algorithms(as_json: JsonOption = False) -> None:
    """List the algorithms."""
    from rich.console import Console
    from rich.table import Table

    from medmip.algorithms.registry import registry
    from medmip.web.schemas import AlgorithmEntry

    if as_json:
        entries = [
            AlgorithmEntry.of(found).model_dump(mode="json") for found in registry().values()
        ]
        typer.echo(json.dumps(entries, indent=2))
        return
    table = Table("algorithm", "question", "outcome (y)", "covariates (x)", "what it does")
    for found in registry().values():
        roles = [role.noun(role.maximum or 2) if role else "–" for role in (found.y, found.x)]
        table.add_row(found.name, found.question, *roles, found.label)
    Console().print(table)


@algorithms_app.command("show")
def show(name: str, as_json: JsonOption = False) -> None:
    """Show one algorithm: what it takes, its parameters, what it discloses."""
    from medmip.algorithms.registry import find
    from medmip.web.schemas import AlgorithmEntry

    found = find(name)
    if as_json:
        typer.echo(json.dumps(AlgorithmEntry.of(found).model_dump(mode="json"), indent=2))
        return
    typer.echo(f"{found.label} ({found.name} {found.version})\n\n{found.description}\n")
    for key, role in (("y", found.y), ("x", found.x)):
        if role is not None:
            most = "any number of" if role.maximum is None else f"at most {role.maximum}"
            typer.echo(f"{key}  {role.label}: {role.minimum} or more, {most} {role.noun(2)}")
    for key, field in found.parameters.model_fields.items():
        needed = "required" if field.is_required() else f"default {field.default!r}"
        typer.echo(f"--parameter {key}=…  {field.title}: {field.description} ({needed})")
    typer.echo(f"\nDiscloses: {found.discloses}")
