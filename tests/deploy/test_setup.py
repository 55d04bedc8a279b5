"""What Ansible is given: built-in modules alone, a role for each block, no secret on a disk."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from medmip.catalogue.home import Home
from medmip.deploy import playbook, setup
from medmip.deploy.answers import Answers
from medmip.deploy.blocks.registry import BLOCKS
from medmip.deploy.encryption import make_identity
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from medmip.deploy.reference import bring_in_references
from medmip.deploy.server_files import server_files
from tests.deploy.answered import alone

ANSIBLE = Path(setup.__file__).parent / "ansible"
KEYWORDS = {
    "name", "loop", "loop_control", "register", "when", "changed_when", "failed_when", "until",
    "retries", "delay", "check_mode", "diff", "no_log", "ignore_errors", "environment", "block",
    "rescue", "delegate_to", "become",
}  # fmt: skip


def tasks(document: Any) -> list[dict[str, Any]]:
    found = []
    for task in document:
        inner = [task.get(key, []) for key in ("tasks", "block", "rescue")]
        if "hosts" not in task:
            found.append(task)
        found += [one for part in inner for one in tasks(part)]
    return found


def test_every_task_is_of_a_module_that_comes_with_ansible() -> None:
    for path in ANSIBLE.rglob("*.yml"):
        for task in tasks(yaml.safe_load(path.read_text())):
            modules = task.keys() - KEYWORDS
            assert task["name"], path
            assert all(module.startswith("ansible.builtin.") for module in modules), path
            assert len(modules) == (0 if "block" in task else 1), path


def test_every_block_has_a_role_and_every_role_a_block() -> None:
    roles = {path.name for path in (ANSIBLE / "roles").iterdir()}
    assert roles == {block.name for block in BLOCKS}


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "installation")
    person = make_identity(tmp_path / "person.txt")
    made.configure(
        f'name = "localhost"\nrecipients = ["{person}"]\n'
        'blocks = ["web-analytics", "federation-hub", "data-factory", "hospital-database"]\n'
        '[server]\nhost = "mip-server"\n[who]\nmaintainers = ["10.0.0.0/8"]\n',
        "answers.toml",
    )
    return made


def test_what_ansible_is_told_holds_no_secret(installation: Installation, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    told = setup._variables(installation, alone(installation.answers), workspace)
    key = installation.secret("portal-key").decode()
    assert key.splitlines()[1] not in json.dumps(told)
    assert (workspace / "files/etc/mip/secrets/portal-key.pem").read_text() == key
    assert not list(workspace.rglob("authority-key*"))


def test_every_file_of_the_server_is_laid_out(installation: Installation, tmp_path: Path) -> None:
    setup._variables(installation, alone(installation.answers), tmp_path)
    laid = {f"/{path.relative_to(tmp_path / 'files')}" for path in (tmp_path / "files").rglob("*")}
    assert {file.path for file in server_files(alone(installation.answers))} <= laid


def test_another_answer_starts_what_depends_on_it_again(
    installation: Installation, tmp_path: Path
) -> None:
    def fingerprints(text: str) -> dict[str, str]:
        answers = Answers.model_validate(installation.answers.model_dump() | json.loads(text))
        told: Any = setup._variables(installation, alone(answers), tmp_path)
        units = [unit for block in told["blocks"].values() for unit in block["units"]]
        return {unit["unit"]: unit["fingerprint"] for unit in units}

    before = fingerprints("{}")
    assert fingerprints("{}") == before
    people = fingerprints('{"who": {"maintainers": ["10.0.0.0/8"], "people": ["10.1.0.0/16"]}}')
    changed = {unit for unit in before if people[unit] != before[unit]}
    assert "nftables.service" in changed
    assert not changed & {"mip.service", "nginx.service", "postgresql.service"}
    login = fingerprints('{"login": {"idle_minutes": 5}}')
    assert login["mip.service"] != before["mip.service"]
    assert login["nginx.service"] == before["nginx.service"]


def test_a_failed_step_is_an_error_that_says_to_go_on() -> None:
    said: list[str] = []
    recap = "h : ok=5    changed=2    unreachable=0    failed=0    skipped=1"
    done = playbook._ran(["sh", "-c", f"echo; echo '{recap}'"], {"PATH": "/bin"}, said.append)
    assert (done.looked_at, done.changed) == (5, 2)
    assert said == [recap]
    two = f"echo '{recap}'; echo '{recap.replace('h :', 'i :')}'"
    done = playbook._ran(["sh", "-c", two], {"PATH": "/bin"}, print)
    assert (done.looked_at, done.changed) == (10, 4)
    with pytest.raises(DeployError, match="step failed"):
        playbook._ran(["sh", "-c", f"echo '{recap}'; exit 2"], {"PATH": "/bin"}, said.append)


ORPHAN = """
import sys
from pathlib import Path
from medmip.deploy import playbook
from medmip.deploy.installation import Installation
with playbook.workspace_of(Installation(Path(sys.argv[1]))) as workspace:
    (workspace / "secret").touch()
    # The second one is a step, which outlives what started it.
    script = "(sleep 3; rm $0) & touch $0; exec sleep 60"
    command = [*playbook.dies_with_this(), "sh", "-c", script, sys.argv[2]]
    playbook._ran(command, {"PATH": "/bin"}, print)
"""


def test_what_a_killed_run_started_is_waited_for(
    installation: Installation, tmp_path: Path
) -> None:
    running = tmp_path / "running"
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN, str(installation.folder), str(running)]
    ) as process:
        until = time.monotonic() + 30
        while not running.exists() and time.monotonic() < until:
            time.sleep(0.02)
        process.kill()
    assert running.exists()
    with playbook.workspace_of(installation) as workspace:
        assert not running.exists()
        left = workspace.parent.glob(f"{workspace.name.rpartition('-')[0]}-*/secret")
        assert list(left) == [], "no secret of a killed run is left"


def test_nothing_is_set_up_where_nothing_is_configured(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="Nothing is configured"):
        setup.set_up(Installation(tmp_path), print)


def test_references_are_brought_in_once(home: Home) -> None:
    assert len(bring_in_references(home)) == 3
    assert bring_in_references(home) == []
