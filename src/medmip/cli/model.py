"""`mip model`: the data models of this installation."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from medmip.catalogue.cdes import read_cdes
from medmip.catalogue.data_model import DataModel, Group
from medmip.catalogue.model_store import ModelStore
from medmip.catalogue.variable import Variable
from medmip.cli.options import HomeOption, JsonOption, opened

model_app = typer.Typer(no_args_is_help=True, help="Data models: add, list, show, export, remove.")

Key = Annotated[str, typer.Argument(metavar="MODEL", help="code:version, such as dementia:1.0")]


@model_app.command()
def add(
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, readable=True, help="CDEsMetadata.json files"),
    ],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a model that has the same code and version.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add data models; nothing is added unless every file is valid."""
    store = ModelStore(opened(home))
    models = [read_cdes(file.read_bytes(), str(file)) for file in files]
    added = [_summary(store.add(model, replace=replace), store) for model in models]
    if as_json:
        typer.echo(_json(added))
        return
    for model in models:
        count = len(store.get(model.key).all_variables)
        typer.echo(f"{model.key} is there, with {count} variable{'s' * (count != 1)}.")


@model_app.command("list")
def list_(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the data models."""
    store = ModelStore(opened(home))
    rows = [_summary(model, store) for model in store.list()]
    if as_json:
        typer.echo(_json(rows))
        return
    table = Table("Model", "Label", "Variables", "Longitudinal", "Datasets")
    table.columns[0].no_wrap = True
    for row in rows:
        datasets = row["datasets"]
        table.add_row(
            Text(str(row["code"])),
            Text(str(row["label"])),
            str(row["variables"]),
            "yes" if row["longitudinal"] else "no",
            Text(", ".join(datasets) if isinstance(datasets, list) else ""),
        )
    Console().print(table)


@model_app.command()
def show(
    key: Key,
    variable: Annotated[
        str | None, typer.Argument(help="The code of a variable, to see all about it")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the tree of a data model, or one of its variables."""
    model = ModelStore(opened(home)).get(key)
    if variable is not None:
        found = model.variable(variable)
        path = model.path_of(variable)
        if as_json:
            typer.echo(_json(found.model_dump(mode="json") | {"path": list(path)}))
        else:
            _print_variable(found, path)
    elif as_json:
        typer.echo(_json({"key": model.key} | model.model_dump(mode="json")))
    else:
        Console().print(_tree(model))


@model_app.command()
def export(
    key: Key,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", dir_okay=False, help="A file, instead of the screen"),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write a data model as CDEsMetadata.json."""
    text = ModelStore(opened(home)).export(key)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8", newline="\n")


@model_app.command()
def remove(key: Key, home: HomeOption = None) -> None:
    """Remove a data model that no published dataset needs."""
    ModelStore(opened(home)).remove(key)
    typer.echo(f"{key} is removed.")


def _summary(model: DataModel, store: ModelStore) -> dict[str, str | int | list[str]]:
    return {
        "code": model.key,
        "label": model.label,
        "version": model.version,
        "longitudinal": model.longitudinal,
        "variables": len(model.all_variables),
        "datasets": store.home.published(model.key),
    }


def _tree(model: DataModel) -> Tree:
    count = len(model.all_variables)
    tree = Tree(Text(f"{model.key}  {model.label}, {count} variables", style="bold"))
    _grow(tree, model)
    return tree


def _grow(tree: Tree, level: DataModel | Group) -> None:
    for variable in level.variables:
        branch = Text(variable.code, style="cyan")
        tree.add(branch.append(f"  {variable.label} ({_values(variable)})", style="default"))
    for group in level.groups:
        _grow(tree.add(Text(group.label, style="bold")), group)


def _print_variable(variable: Variable, path: tuple[str, ...]) -> None:
    table = Table(show_header=False, box=None)
    rows = {
        "Code": variable.code,
        "Label": variable.label,
        "Group": " / ".join(path),
        "Values": _values(variable),
        "Description": variable.description,
        "Method": variable.methodology,
    }
    for name, value in rows.items():
        if value:
            table.add_row(Text(name, style="bold"), Text(value))
    for level in variable.enumerations:
        table.add_row("", Text(f"{level.code}  {level.label}"))
    Console().print(table)


def _values(variable: Variable) -> str:
    """What the values are, in a few words: `integer, 0 to 30 points`."""
    if variable.enumerations:
        return f"{variable.type}, {len(variable.enumerations)} levels"
    low, high = variable.minimum, variable.maximum
    bounds = ""
    if low is not None and high is not None:
        bounds = f"{low:g} to {high:g}"
    elif low is not None:
        bounds = f"at least {low:g}"
    elif high is not None:
        bounds = f"at most {high:g}"
    return ", ".join(
        filter(None, (variable.type, " ".join(filter(None, (bounds, variable.units)))))
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
