"""`mip policy`: what this hospital lets out."""

import json
from typing import Annotated, Any

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

policy_app = typer.Typer(
    name="policy", help="Show or change what may leave this hospital.", no_args_is_help=True
)


@policy_app.command()
def show(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show every threshold, its value, and what it does."""
    from rich.console import Console
    from rich.table import Table

    from medmip.privacy.policy import site_policy

    place = opened(home)
    policy = site_policy(place)
    if as_json:
        typer.echo(policy.model_dump_json(indent=2))
        return
    listed = Table("Field", "Value", "What it does")
    for name, field in type(policy).model_fields.items():
        listed.add_row(name, _written(getattr(policy, name)), field.description)
    Console().print(listed)


@policy_app.command(name="set")
def change(
    values: Annotated[list[str], typer.Argument(help="Fields as name=value.")],
    home: HomeOption = None,
) -> None:
    """Change thresholds; a server that runs takes them up when it starts again.

    Every policy that comes into force is a row of the ledger.
    """
    from medmip.catalogue.atomic_file import write_atomically
    from medmip.privacy.policy import Policy, checked, site_policy

    place = opened(home)
    before = site_policy(place)
    stated = before.model_dump(exclude_defaults=True) | dict(field_of(text) for text in values)
    after = checked(stated, "name=value")
    kept = after.model_dump(exclude_defaults=True)
    lines = [f"{name} = {_written(value)}\n" for name, value in kept.items()]
    write_atomically(place.policy, "".join(lines).encode())
    for name in Policy.model_fields:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            typer.echo(f"{name}: {_written(old)} -> {_written(new)}")


def field_of(text: str) -> tuple[str, Any]:
    """A threshold's name and value, as typed: name=value."""
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not name=value")
    try:
        return name.strip(), json.loads(value)
    except json.JSONDecodeError:
        return name.strip(), value.strip()


def _written(value: object) -> str:
    return json.dumps(value)
