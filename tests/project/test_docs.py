"""The documents tell of everything there is, and of nothing else."""

import importlib.util
import json
import re
import shlex
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.main import get_command

from medmip.algorithms.registry import registry
from medmip.cli.main import app
from medmip.federation.offering import Offering
from medmip.ingest.report import Kind
from medmip.privacy.policy import Policy
from medmip.web.openapi import document
from tests.project.tree import ROOT

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@cache
def derived() -> ModuleType:
    spec = importlib.util.spec_from_file_location("derived", DOCS / "derived.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def rendered(path: Path) -> str:
    """A page as MkDocs sees it, derived parts filled in."""
    return str(derived().on_page_markdown(path.read_text()))


COMMANDS = [path for path, _ in derived().every_command()]
ROUTES = sorted(json.loads(document())["paths"])
SETTINGS = sorted(
    {
        name
        for path in (ROOT / "src").rglob("*.py")
        for name in re.findall(r"\"(MIP_[A-Z_]+)\"", path.read_text())
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_reference_lists_a_command_with_its_help(command: str) -> None:
    page = rendered(DOCS / "reference" / "cli.md")
    assert re.search(rf"^## {command}\n\n\w", page, re.MULTILINE)


@pytest.mark.parametrize("name", sorted(registry()))
def test_the_reference_lists_an_algorithm(name: str) -> None:
    page = rendered(DOCS / "reference" / "algorithms.md")
    algorithm = registry()[name]
    assert f"### {algorithm.label} {{#{name}}}" in page
    assert algorithm.discloses in page
    for parameter in algorithm.parameters.model_fields:
        assert f"| `{parameter}` |" in page


@pytest.mark.parametrize("route", ROUTES)
def test_the_reference_lists_a_route(route: str) -> None:
    assert f" {route}` |" in rendered(DOCS / "reference" / "api.md")


@pytest.mark.parametrize("rule", sorted(Policy.model_fields))
def test_the_privacy_officer_reads_every_rule(rule: str) -> None:
    assert f"| `{rule}` |" in rendered(DOCS / "privacy-officer.md")


@pytest.mark.parametrize("field", sorted(Offering.model_fields))
def test_a_site_reads_every_field_of_what_it_offers(field: str) -> None:
    assert f"| `{field}` |" in rendered(DOCS / "federation.md")


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_administrator_reads_every_setting(setting: str) -> None:
    assert f"`{setting}`" in (DOCS / "it-administrator.md").read_text()


@pytest.mark.parametrize("kind", list(Kind))
def test_the_data_manager_reads_every_problem(kind: Kind) -> None:
    page = (DOCS / "data-manager.md").read_text()
    assert re.search(rf"^\| ([\w ]+, )*{kind}(, [\w ]+)* \|", page, re.MULTILINE)


def test_the_administrator_reads_the_port() -> None:
    ports = {
        str(option.default)
        for path, command in derived().every_command()
        for option in command.params
        if option.name == "port"
    }
    page = (DOCS / "it-administrator.md").read_text()
    assert ports
    assert {port for port in ports if f"| {port} |" not in page} == set()


def written_commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in FENCE.findall(page.read_text()):
            for line in block.replace("\\\n", " ").splitlines():
                said = line.removeprefix("$ ").split("  #")[0].strip()
                if re.match(r"(\.venv/bin/)?mip [a-z-]", said) and "…" not in said:
                    found.append((page.name, said))
    return found


@pytest.mark.parametrize("page, said", written_commands())
def test_a_written_command_can_be_typed(page: str, said: str) -> None:
    words = shlex.split(re.sub(r" [|>] .*", "", said))[1:]
    command: Any = get_command(app)
    while hasattr(command, "commands"):
        assert words, f"{said} is no whole command"
        assert words[0] in command.commands, f"{page}: {said}"
        command = command.commands[words.pop(0)]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    asked = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert asked <= known | {"--help"}, f"{page}: {said}"


def test_written_addresses_exist() -> None:
    patterns = [re.compile(re.sub(r"\{\w+\}", "[^/]+", route) + "$") for route in ROUTES]
    written = {
        (page.name, address)
        for page in PAGES
        for address in re.findall(r"/api/v1/[\w/{}:.-]*[\w}]", page.read_text())
    }
    assert {
        pair for pair in written if not any(pattern.match(pair[1]) for pattern in patterns)
    } == set()


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_links_and_pictures_of_the_front_pages_exist(page: Path) -> None:
    linked = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [target for target in linked if not (ROOT / target).exists()] == []
