"""Parts of the documents that are derived from the code while they are built.

A page says `<!-- derived: name -->` where the part belongs. `python docs/derived.py FOLDER PAGE…`
writes whole pages for the portal.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from typer.core import TyperGroup
from typer.main import get_command

from medmip.algorithms.declaration import Algorithm
from medmip.algorithms.registry import registry
from medmip.algorithms.role import Roles
from medmip.cli.main import app
from medmip.deploy.blocks.declaration import BACKUPS
from medmip.deploy.blocks.registry import BLOCKS
from medmip.deploy.monitoring import ALERTS
from medmip.federation.offering import Offering
from medmip.harmonise.expression import OWN
from medmip.ingest.dialect import MISSING
from medmip.privacy.policy import Policy
from medmip.store.filters import Operator
from medmip.web.openapi import document

MARK = re.compile(r"^<!-- derived: ([a-z]+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    """MkDocs calls this for every page."""
    return MARK.sub(lambda match: PARTS[match[1]](), markdown)


def algorithms() -> str:
    """A section for each declared algorithm."""
    sections = []
    question = ""
    for algorithm in registry().values():
        if algorithm.question != question:
            question = algorithm.question
            sections.append(f"## {question}")
        sections.append(_algorithm(algorithm))
    return "\n\n".join(sections)


def _algorithm(algorithm: Algorithm[Any, Any]) -> str:
    schema = algorithm.parameters.model_json_schema()
    parameters = [
        (
            f"`{name}`",
            _sentence(field.get("title", ""), field.get("description", "")),
            f"`{_value(field['default'])}`" if "default" in field else "required",
            _bounds(field),
        )
        for name, field in schema.get("properties", {}).items()
    ]
    dropped = "dropped" if algorithm.missing == "drop" else "kept and counted"
    lines = [
        f"### {algorithm.label} {{#{algorithm.name}}}",
        algorithm.description,
        f"- Name in requests: `{algorithm.name}`, version {algorithm.version}",
        f"- `y`: {_roles(algorithm.y)}",
        f"- `x`: {_roles(algorithm.x)}",
        f"- Records with a missing value are {dropped}.",
        f"- What leaves the hospital: {algorithm.discloses}",
        *(f"- Reference: {citation}" for citation in algorithm.citations),
    ]
    head, items = "\n\n".join(lines[:2]), "\n".join(lines[2:])
    table = _table(("Parameter", "", "Default", "Bounds"), parameters) if parameters else ""
    return f"{head}\n\n{items}\n\n{table}".rstrip()


def _roles(roles: Roles) -> str:
    told = [f"{role.label}: {role.wanted}. {role.hint}".rstrip() for role in roles]
    return " Then ".join(told) or "none"


def _bounds(field: dict[str, Any]) -> str:
    names = {
        "minimum": "≥",
        "exclusiveMinimum": ">",
        "maximum": "≤",
        "exclusiveMaximum": "<",
    }
    nested = [field, *field.get("anyOf", [])]
    bounds = [
        f"{sign} {part[key]}" for part in nested for key, sign in names.items() if key in part
    ]
    if "level_of" in field:
        bounds.append(f"a level of {_place(field['level_of'])}")
    for part in nested:
        bounds += [f"`{choice}`" for choice in part.get("enum", [])]
    return ", ".join(bounds)


def _place(name: str) -> str:
    return f"the variable in `{name}`" if name in ("y", "x") else f"the {name.replace('_', ' ')}"


def commands() -> str:
    """A section for each command of `mip`."""
    return "\n\n".join(_command(path, command) for path, command in every_command())


def every_command() -> Iterator[tuple[str, Any]]:
    """The words and the parsed declaration of every command that a person may type."""

    def walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
        if not isinstance(command, TyperGroup):
            yield path, command
            return
        for name, child in command.commands.items():
            if not child.hidden:
                yield from walk(f"{path} {name}", child)

    return walk("mip", get_command(app))


def _command(path: str, command: Any) -> str:  # noqa: ANN401
    shown = [one for one in command.params if not getattr(one, "hidden", False)]
    arguments = [one for one in shown if one.param_type_name == "argument"]
    options = [one for one in shown if one.param_type_name == "option"]
    usage = " ".join([path, *(["[OPTIONS]"] if options else []), *map(_metavar, arguments)])
    rows = [
        (
            ", ".join(f"`{name}`" for name in (*one.opts, *one.secondary_opts))
            if one.param_type_name == "option"
            else f"`{_metavar(one)}`",
            (getattr(one, "help", "") or "").replace("\n", " "),
            _setting(one),
        )
        for one in (*arguments, *options)
        if one.name != "help"
    ]
    table = _table(("", "", "Setting"), rows) if rows else ""
    return f"## {path}\n\n{command.help or ''}\n\n```\n{usage}\n```\n\n{table}".rstrip()


def _metavar(argument: Any) -> str:  # noqa: ANN401
    name = (argument.metavar or argument.name or "").upper()
    name = f"{name}…" if argument.nargs == -1 else name
    return name if argument.required else f"[{name}]"


def _setting(parameter: Any) -> str:  # noqa: ANN401
    named = parameter.envvar
    names = [named] if isinstance(named, str) else list(named or ())
    return ", ".join(f"`{name}`" for name in names)


def routes() -> str:
    """A row for each route of the HTTP API."""
    rows = [
        (f"`{method.upper()} {path}`", operation.get("summary", ""))
        for path, operations in json.loads(document())["paths"].items()
        for method, operation in operations.items()
    ]
    return _table(("Route", ""), rows)


def policy() -> str:
    """A row for each threshold of the policy."""
    rows = [
        (f"`{name}`", _sentence(field.title or "", field.description or ""), _value(field.default))
        for name, field in Policy.model_fields.items()
    ]
    return _table(("Rule", "", "Default"), rows)


def offering() -> str:
    """A row for each field of `site.toml`."""
    rows = [
        (f"`{name}`", _sentence(field.title or "", field.description or ""))
        for name, field in Offering.model_fields.items()
    ]
    return _table(("Field", ""), rows)


def operators() -> str:
    """The operators of a filter's rules."""
    return ", ".join(f"`{operator.value}`" for operator in Operator)


def missing() -> str:
    """The cells of a file that mean a missing value."""
    return ", ".join(f"`{cell}`" if cell else "empty" for cell in MISSING)


def functions() -> str:
    """The functions that a mapping's expressions have beside SQL's."""
    return _table(("Function", ""), [(f"`{name}`", text) for name, text in OWN.items()])


def blocks() -> str:
    """A row for each building block."""
    rows: list[tuple[str, ...]] = [
        (
            f"`{block.name}`",
            block.what,
            ", ".join(
                f"`{name}`"
                for name in (
                    *(service.name for service in block.services),
                    *(program.unit.removesuffix(".service") for program in block.foreign),
                )
            ),
            ", ".join(
                [
                    *(f"`{need}`" for need in block.needs),
                    *(f"`{need}`, here or on another server" for need in block.somewhere),
                ]
            ),
        )
        for block in BLOCKS
    ]
    return _table(("Block", "What", "Services", "Needs"), rows)


def ports() -> str:
    """A row for each port of an installation."""
    rows: list[tuple[str, ...]] = [
        (str(port.number), f"`{block.name}`", f"`{port.program}`", port.audience.words, port.what)
        for block in BLOCKS
        for port in block.every_port
    ]
    return _table(("Port", "Block", "Program", "Who may come in", "What"), rows)


def folders() -> str:
    """A row for each folder of an installation, and whether a backup holds it."""
    rows: list[tuple[str, ...]] = [
        (
            f"`{folder.path.format(backups=BACKUPS)}`",
            f"`{folder.owner}`",
            f"{folder.mode:o}",
            "yes" if folder.kept else "no",
            folder.what,
        )
        for block in BLOCKS
        for folder in block.folders
    ]
    return _table(("Folder", "Owner", "Mode", "Backed up", "What"), rows)


def secrets() -> str:
    """A row for each secret of an installation."""
    rows: list[tuple[str, ...]] = [
        (f"`{secret.name}`", f"`{block.name}`", secret.what)
        for block in BLOCKS
        for secret in block.secrets
    ]
    return _table(("Secret", "Block", "What"), rows)


def alerts() -> str:
    """A row for each alert rule."""
    rows: list[tuple[str, ...]] = [
        (f"`{alert.name}`", alert.severity, alert.what, alert.holds, alert.remedy)
        for alert in ALERTS
    ]
    return _table(("Alert", "", "What", "For", "What to do"), rows)


def _sentence(title: str, text: str) -> str:
    return f"**{title}.** {text}" if title else text


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ([], ()):
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


PARTS: dict[str, Callable[[], str]] = {
    part.__name__: part
    for part in (
        algorithms,
        commands,
        routes,
        policy,
        offering,
        operators,
        missing,
        functions,
        blocks,
        ports,
        folders,
        secrets,
        alerts,
    )
}


def main(folder: Path, names: list[str]) -> None:
    """Writes these pages whole, so that nothing else need know how they are derived."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        page = Path(__file__).with_name(f"{name}.md").read_text(encoding="utf-8")
        (folder / f"{name}.md").write_text(on_page_markdown(page), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
