"""`mip experiment share`, `comment` and `comments`: experiments among people."""

import json
from typing import Annotated

import typer

from medmip.cli.options import HomeOption, JsonOption, opened
from medmip.cli.user import shell_user


def share(
    identity: str,
    person: Annotated[
        list[str] | None, typer.Option("--with", help="An account's name; repeat for several.")
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--everybody", help="With everybody who has an account here.")
    ] = False,
    nobody: Annotated[bool, typer.Option("--nobody", help="With nobody any more.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Share an experiment's results, instead of as before; else show whom it is shared with.

    Whom it is shared with get no right to the data that it was made from.
    """
    from medmip.experiments.repository import Experiments
    from medmip.experiments.sharing import SharedResults
    from medmip.store.state import open_state

    if nobody and (person or everybody):
        raise typer.BadParameter("--nobody goes with neither --with nor --everybody")
    state = open_state(opened(home))
    Experiments(state).get(identity)
    sharing = SharedResults(state)
    if nobody or person or everybody:
        told = sharing.share(
            identity, shell_user(), everybody=everybody, persons=tuple(person or ())
        )
    else:
        told = sharing.of(identity)
    if as_json:
        typer.echo(json.dumps(told.model_dump(mode="json"), indent=2))
        return
    names = [one.name for one in told.persons]
    listed = ["everybody here"] * told.everybody + names
    typer.echo(f"{identity}: shared with {', '.join(listed) or 'nobody'}")


def comment(identity: str, text: str, home: HomeOption = None) -> None:
    """Say something of an experiment to all who may see it."""
    from medmip.experiments.comments import Comments
    from medmip.experiments.plain_text import checked_remark
    from medmip.store.state import open_state

    made = Comments(open_state(opened(home))).add(identity, shell_user(), checked_remark(text))
    typer.echo(made.id)


def comments(identity: str, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List what was said of an experiment, the oldest first."""
    from medmip.experiments.comments import Comments
    from medmip.experiments.repository import Experiments
    from medmip.store.state import open_state

    state = open_state(opened(home))
    Experiments(state).get(identity)
    found = Comments(state).of(identity)
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=2))
        return
    for one in found:
        typer.echo(f"{one.id}  {one.at:%Y-%m-%d %H:%M} UTC  {one.label}\n{one.text}\n")


def uncomment(
    identity: str,
    comment: Annotated[str, typer.Argument(help="Its id, as `comments` shows it.")],
    home: HomeOption = None,
) -> None:
    """Take a comment back that was made from this shell account."""
    from medmip.experiments.comments import Comments
    from medmip.store.state import open_state

    Comments(open_state(opened(home))).remove(identity, comment, shell_user())
    typer.echo(f"{comment} is removed")
