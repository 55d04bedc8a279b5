"""A server over SSH: by which key, whom it is taken for, what it judges itself by."""

from pathlib import Path

import pytest

from medmip.deploy import playbook, remote_validation
from medmip.deploy.answers import Answers, parsed
from medmip.deploy.errors import DeployError
from medmip.deploy.server_files import server_files
from medmip.deploy.servers import Server
from tests.deploy.answered import PLAIN, alone, everything

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKJRSzk7XQgBfhufbkej0zC26J7nkLc4Tu3f1B6fHW53"


def far(**more: str) -> Answers:
    """Answers with a server elsewhere."""
    server = Server(host="mip-server", user="admin", **more)
    return parsed(PLAIN, "answers.toml").model_copy(update={"server": server})


def how(answers: Answers) -> dict[str, str]:
    return {
        name: str(value)
        for name, value in playbook._host(answers.server, Path("/workspace")).items()
    }


def test_no_server_is_taken_at_its_word() -> None:
    assert "StrictHostKeyChecking=yes" in how(far())["ansible_ssh_common_args"]
    assert "known_hosts" not in how(far())["ansible_ssh_common_args"]
    pinned = how(far(host_key=HOST_KEY))["ansible_ssh_common_args"]
    assert "UserKnownHostsFile=/workspace/known_hosts" in pinned
    assert "GlobalKnownHostsFile=/dev/null" in pinned


def test_a_named_key_is_the_only_one() -> None:
    told = how(far(key="/etc/ssh/mip-maintenance"))
    assert told["ansible_ssh_private_key_file"] == "/etc/ssh/mip-maintenance"
    assert "IdentitiesOnly=yes" in told["ansible_ssh_common_args"]
    assert "ansible_ssh_private_key_file" not in how(far())


def test_this_machine_is_not_reached_over_ssh() -> None:
    assert how(parsed(PLAIN, "a")) == {
        "ansible_connection": "local",
        "ansible_python_interpreter": "/usr/bin/python3",
    }


def test_a_server_judges_itself_by_the_same_files() -> None:
    answers = everything().model_copy(update={"server": Server(host="mip-server")})
    seen = parsed(remote_validation._as_seen_there(alone(answers)), "answers.toml")
    assert seen.server.is_here
    assert server_files(alone(seen)) == server_files(alone(answers))


@pytest.mark.parametrize("text", ["", "[]", '{"name": "x"}', '{"checks": [{"name": 1}]}'])
def test_a_report_of_another_version_is_refused(text: str) -> None:
    with pytest.raises(DeployError, match="cannot be read"):
        remote_validation._read(text)
