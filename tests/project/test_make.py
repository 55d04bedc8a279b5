"""`make` tells what it can do, and what the documents say of it is so."""

import re
import shutil
import subprocess

import pytest

from tests.project.tree import ROOT, text_of, tracked

DOCUMENTED = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def help_of(*arguments: str) -> str:
    make = shutil.which("make")
    assert make, "these tests are run from a checkout that make has set up"
    return subprocess.run(
        [make, "--no-print-directory", *arguments],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench", "docs", "portal", "clean"])
def test_help_lists_a_target(target: str) -> None:
    assert re.search(rf"^  {target} +\S", help_of("help"), re.MULTILINE)


def test_make_alone_is_help() -> None:
    assert help_of() == help_of("help")


def test_documents_name_only_targets_that_exist() -> None:
    named = {
        (str(path.relative_to(ROOT)), target)
        for path in tracked()
        if path.suffix == ".md"
        for line in (text_of(path) or "").splitlines()
        for target in re.findall(r"(?:^|`|\$ )make ([a-z][a-z-]*)", line)
    }
    assert {pair for pair in named if pair[1] not in DOCUMENTED} == set()
    assert ("README.md", "demo") in named
    assert ("README.md", "test") in named
