"""The tree stays portable and readable, and its versions are locked."""

import json
import re
import tomllib

from tests.project.tree import ROOT, text_of, tracked

LONGEST = 450
REGISTRIES = [
    ".".join(parts)
    for parts in [
        ("files", "pythonhosted", "org"),
        ("pypi", "org/simple"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("proxy", "golang", "org"),
    ]
]
MACHINE = re.compile(r"(?<![\w.<>)])/" + r"(work/(main|shared|plan|steering)|farm|root|opt/pypi)\b")


def test_no_file_names_a_registry_host() -> None:
    named = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in tracked()
        for host in REGISTRIES
        if host in (text_of(path) or "")
    ]
    assert not named


def test_no_file_names_a_path_of_one_machine() -> None:
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked()
        for number, line in enumerate((text_of(path) or "").splitlines(), 1)
        if MACHINE.search(line)
    ]
    assert not named


def test_a_source_file_fits_in_a_head() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked()
        if path.suffix in {".py", ".ts", ".tsx", ".css"}
        and path.is_relative_to(ROOT / "src") | path.is_relative_to(ROOT / "portal" / "src")
        and "auto-generated" not in (text_of(path) or "")[:200]
        and (lines := len((text_of(path) or "").splitlines())) > LONGEST
    }
    assert not long


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"]]
    for group in project["dependency-groups"].values():
        wanted += group
    locked = {
        line.split("==")[0]
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if re.match(r"[a-z0-9.-]+==\S+( ; .+)?$", line)
    }
    names = {re.split(r"[^\w.-]", requirement)[0].lower() for requirement in wanted}
    assert names <= locked


def test_constraints_hold_nothing_but_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if "==" not in line or "://" in line] == []


def test_the_portals_lock_names_no_address() -> None:
    packages = json.loads((ROOT / "portal" / "package-lock.json").read_text())["packages"]
    assert len(packages) > 1
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [
        name
        for name, package in packages.items()
        if name and not package.get("link") and "integrity" not in package
    ] == []
