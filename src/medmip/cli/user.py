"""`mip user`: the people who may enter; for whoever administers the server's own shell."""

import json
import os
import pwd
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.accounts.role import Role
from medmip.cli.options import HomeOption, JsonOption, opened

if TYPE_CHECKING:
    from pathlib import Path

    from medmip.accounts.doorman import Doorman

user_app = typer.Typer(
    name="user", help="Add and change the people who may enter.", no_args_is_help=True
)
NameArgument = Annotated[str, typer.Argument(help="The name that the person logs in with.")]
RolesOption = Annotated[
    list[Role] | None, typer.Option("--role", help="A role; repeat for several.")
]
StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@user_app.command()
def add(
    name: NameArgument,
    role: RolesOption = None,
    label: Annotated[str, typer.Option(help="The name that others see.")] = "",
    email: Annotated[str, typer.Option(help="An address.")] = "",
    password_stdin: StdinOption = False,
    home: HomeOption = None,
) -> None:
    """Add a local account; asks for its password."""
    doorman = _doorman(home)
    person = doorman.people.add(
        name,
        role or [Role.RESEARCHER],
        label=label,
        email=email,
        password=_password(stdin=password_stdin),
        actor=shell_user(),
    )
    typer.echo(f"{person.name}: {', '.join(person.roles)}")


@user_app.command(name="list")
def list_users(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List everybody who has an account."""
    people = _doorman(home).people.everybody()
    if as_json:
        typer.echo(json.dumps([person.model_dump(mode="json") for person in people], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    listed = Table("Name", "Label", "Roles", "Second factor", "Open", "Last log-in")
    for person in people:
        listed.add_row(
            person.name,
            person.label,
            ", ".join(person.roles),
            "yes" if person.second_factor else "no",
            "yes" if person.enabled else "no",
            f"{person.seen:%Y-%m-%d %H:%M} UTC" if person.seen else "never",
        )
    Console().print(listed)


@user_app.command()
def roles(
    name: NameArgument,
    role: Annotated[list[Role], typer.Option("--role", help="A role; repeat for several.")],
    home: HomeOption = None,
) -> None:
    """Give a person these roles, instead of those there were."""
    people = _doorman(home).people
    person = people.set_roles(people.named(name).id, role, shell_user())
    typer.echo(f"{person.name}: {', '.join(person.roles)}")


@user_app.command()
def password(
    name: NameArgument, password_stdin: StdinOption = False, home: HomeOption = None
) -> None:
    """Set a new password; the person's sessions end."""
    people = _doorman(home).people
    people.set_password(people.named(name).id, _password(stdin=password_stdin), shell_user())
    typer.echo(f"{name}: new password set")


@user_app.command(name="second-factor-drop")
def drop_second_factor(name: NameArgument, home: HomeOption = None) -> None:
    """Drop a person's second factor, who has lost it and all recovery codes."""
    people = _doorman(home).people
    people.drop_second_factor(people.named(name).id, shell_user())
    typer.echo(f"{name}: logs in by password alone until a new second factor is set")


@user_app.command()
def close(name: NameArgument, home: HomeOption = None) -> None:
    """Close an account; its sessions and tokens end at once."""
    people = _doorman(home).people
    people.enable(people.named(name).id, shell_user(), enabled=False)
    typer.echo(f"{name}: closed")


@user_app.command(name="open")
def reopen(name: NameArgument, home: HomeOption = None) -> None:
    """Open a closed account again, or one that waits after wrong passwords."""
    people = _doorman(home).people
    people.enable(people.named(name).id, shell_user())
    typer.echo(f"{name}: open")


@user_app.command("end-log-ins")
def end_log_ins(home: HomeOption = None) -> None:
    """End every session and revoke every access token of everybody; passwords stay."""
    from medmip.accounts.log_ins import end_every_log_in
    from medmip.store.state import open_state

    ended, revoked = end_every_log_in(open_state(opened(home)), shell_user())
    typer.echo(f"{ended} sessions ended, {revoked} access tokens revoked")


@user_app.command()
def allow(
    entry: Annotated[str, typer.Argument(help="An address, or a domain as @hospital.example.")],
    role: RolesOption = None,
    home: HomeOption = None,
) -> None:
    """Let an address or a domain in, where a provider vouches for people."""
    _doorman(home).allowed.add(entry, role or [Role.RESEARCHER], shell_user())
    typer.echo(f"{entry}: allowed")


@user_app.command()
def disallow(
    entry: Annotated[str, typer.Argument(help="An entry of the allow-list.")],
    home: HomeOption = None,
) -> None:
    """Let an address or a domain in no more."""
    _doorman(home).allowed.remove(entry, shell_user())
    typer.echo(f"{entry}: no longer allowed")


@user_app.command()
def allowed(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List whom the allow-list lets in."""
    entries = _doorman(home).allowed.entries()
    if as_json:
        typer.echo(json.dumps([entry.model_dump(mode="json") for entry in entries], indent=2))
        return
    for entry in entries:
        typer.echo(f"{entry.entry}: {', '.join(entry.roles)} (by {entry.by})")


def _doorman(home: "Path | None") -> "Doorman":
    from medmip.accounts.doorman import doorman_of

    return doorman_of(opened(home))


def shell_user() -> str:
    """Who works in the server's own shell, as journals name them."""
    return f"shell:{pwd.getpwuid(os.getuid()).pw_name}"


def _password(*, stdin: bool) -> str:
    if stdin:
        return typer.get_text_stream("stdin").readline().rstrip("\r\n")
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed
