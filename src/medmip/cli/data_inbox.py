"""`mip data inbox`: what lies in the drop folder, as the running server knows it."""

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from medmip.cli.import_report import as_text
from medmip.cli.options import HomeOption, JsonOption, opened

if TYPE_CHECKING:
    from medmip.inbox.item import Item


def inbox(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the inbox's files: how each is read, what is wrong with it, what it became.

    A running `mip serve` looks at the files; without one this tells what was known last.
    """
    from medmip.inbox.records import Records

    items = Records(opened(home)).all()
    if as_json:
        typer.echo(as_text([item.model_dump(mode="json") for item in items]))
        return
    table = Table("File", "State", "Rows", "Model", "Mapping", "Problems", "Published")
    for item in items:
        table.add_row(*map(Text, _cells(item)))
    Console().print(table)


def _cells(item: "Item") -> tuple[str, ...]:
    rows = sum(table.rows + table.split for table in item.tables)
    problems = sum(problem.count for problem in item.problems)
    wrong = item.trouble.detail if item.trouble else f"{problems:,}" if problems else ""
    last = item.published[-1] if item.published else None
    return (
        item.name,
        "gone" if item.gone else str(item.state),
        f"{rows:,}" if item.tables else "",
        item.choice.model if item.choice else "",
        item.kind,
        wrong,
        f"{last.dataset}, version {last.version}" if last else "",
    )
