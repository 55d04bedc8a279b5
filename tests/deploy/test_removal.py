"""What is taken off a server, and what stays; the whole of it is in test_fleet."""

import subprocess
from pathlib import Path

from typer.testing import CliRunner

from medmip.cli.main import app
from medmip.deploy.blocks.declaration import HOME, BlockName
from medmip.deploy.blocks.registry import BLOCKS
from medmip.deploy.encryption import make_identity
from medmip.deploy.installation import Installation
from medmip.deploy.removal import everything_removed, left, removal
from medmip.deploy.server_files import server_files, used_secrets
from tests.deploy.answered import alone, everything, plain

FOLDER = Path("/etc/mip/installation")


def said(script: str, mode: str) -> list[str]:
    ended = subprocess.run(
        ["sh", "-c", script, "removal", mode], capture_output=True, text=True, check=True
    )
    return ended.stdout.splitlines()


def test_every_file_secret_and_unit_of_every_block_is_removed() -> None:
    script = everything_removed(alone(everything()), FOLDER, purge=False)
    words = set(script.split())
    ours = [one.path for one in server_files(alone(everything())) if not one.path.startswith(HOME)]
    ours += [secret.path for secret in used_secrets(alone(everything())) if secret.path]
    assert [path for path in ours if path not in words] == []
    for block in BLOCKS:
        for service in block.services:
            unit = service.unit
            assert f"stopped {unit}\n" in script
        for program in block.foreign:
            assert f"as_before {program.unit}\n" in script


def test_data_are_removed_only_where_they_are_purged() -> None:
    kept = everything_removed(alone(everything()), FOLDER, purge=False)
    assert not {HOME, "/var/backups/mip", "/etc/mip", "userdel"} & set(kept.split())
    purged = everything_removed(alone(everything()), FOLDER, purge=True)
    assert {HOME, "/var/backups/mip", "/etc/mip", "userdel"} <= set(purged.split())


def test_what_is_left_is_told() -> None:
    told = " ".join(left(plain(), FOLDER, purge=False))
    assert all(one in told for one in (HOME, "/var/backups/mip", str(FOLDER), "nginx-light"))
    assert HOME not in " ".join(left(plain(), FOLDER, purge=True))
    assert "/srv/mine" in " ".join(left(plain(), Path("/srv/mine"), purge=True))


def test_a_file_that_stood_there_before_comes_back(tmp_path: Path) -> None:
    script = removal(plain(), BLOCKS)
    former = tmp_path / "former/files"
    (tmp_path / "etc").mkdir()
    ours, others = tmp_path / "etc/ours", tmp_path / "etc/others"
    for path in (ours, others):
        path.write_text("# Written by `mip deploy setup`.\n")
    stood = former / str(others).lstrip("/")
    stood.parent.mkdir(parents=True)
    stood.write_text("of another\n")
    verbs = script.split("# The blocks.\n")[0].replace("/etc/mip/former", str(tmp_path / "former"))
    told = [f"removed {ours}", f"put back {others}"]
    assert said(verbs + f"back {ours}\nback {others}\n", "plan") == told
    assert ours.exists()
    assert said(verbs + f"back {ours}\nback {others}\nback {ours}\n", "do") == told
    assert not ours.exists()
    assert others.read_text() == "of another\n"


def test_a_block_that_is_wanted_is_not_removed() -> None:
    unwanted = [block for block in BLOCKS if not plain().has(block.name)]
    script = removal(plain(), unwanted)
    assert BlockName.DATA_FACTORY in {block.name for block in unwanted}
    assert "stopped mip-imaging.service\n" in script
    assert "stopped mip.service\n" not in script
    assert "as_before nginx.service" not in script


def test_nothing_is_removed_without_the_name(tmp_path: Path) -> None:
    folder = tmp_path / "installation"
    person = make_identity(tmp_path / "person.txt")
    Installation(folder).configure(
        f'name = "localhost"\nrecipients = ["{person}"]\n[server]\nhost = "mip-server"\n'
        '[who]\nmaintainers = ["10.0.0.0/8"]\n',
        "a",
    )
    command = ["deploy", "uninstall", "--folder", str(folder)]
    wrong = CliRunner().invoke(app, [*command, "--purge-data"], input="mip\n")
    assert "another name" in str(wrong.exception)
    declined = CliRunner().invoke(app, command, input="n\n")
    assert "Nothing was removed" in str(declined.exception)
    assert str(HOME) in declined.output
