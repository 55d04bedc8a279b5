"""A server that is killed loses no notice, and none comes as two."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.cli.main import app
from medmip.demo.cohorts import write_demo_csvs
from medmip.ingest.publish import bring_in
from tests.notices.conftest import Configure
from tests.notices.receivers import PASSWORD, Post, Web
from tests.ports import free_port

MIP = str(Path(sys.executable).with_name("mip"))
OPEN = '\n[login]\nkind = "open"\n'


def environment(home: Home) -> dict[str, str]:
    return os.environ | {"MIP_HOME": str(home.path), "COLUMNS": "200"}


def mip(home: Home, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MIP, *words],
        check=False,
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=120,
    )


@contextmanager
def serving(home: Home) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A running `mip serve`, killed in the end if it lives."""
    port = free_port()
    with subprocess.Popen(
        [MIP, "serve", "--port", str(port)],
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(600):
                try:
                    if httpx.get(f"{address}/readyz").is_success:
                        break
                except httpx.TransportError:
                    assert process.poll() is None, process.stderr and process.stderr.read()
                    time.sleep(0.1)
            yield address, process
        finally:
            process.kill()


def published(home: Home, folder: Path) -> None:
    (path,) = [path for path in write_demo_csvs(folder) if "edsd-synthetic" in path.name]
    bring_in(home, path, ModelStore(home).get("dementia:1.0"), synthetic=True)


def run(address: str) -> str:
    """The id of an experiment that has ended."""
    request = {
        "algorithm": "describe",
        "name": "Mrs Smith of ward 7",
        "inputdata": {
            "data_model": "dementia:1.0",
            "datasets": ["edsd-synthetic"],
            "y": ["lefthippocampus"],
        },
    }
    found = httpx.post(f"{address}/api/v1/experiments", json=request).json()
    for _ in range(300):
        state = httpx.get(f"{address}/api/v1/experiments/{found['id']}").json()["state"]
        if state not in ("queued", "running"):
            assert state == "done"
            return str(found["id"])
        time.sleep(0.1)
    pytest.fail("the experiment did not end")


@pytest.mark.slow
def test_a_kill_between_writing_and_sending_loses_nothing(
    configure: Configure, web: Web, tmp_path: Path
) -> None:
    # Quiet for an hour: what is written is not sent before the kill.
    home = configure(web=web, summary_minutes=60)
    with home.configuration.open("a") as file:
        file.write(OPEN)
    published(home, tmp_path)
    with serving(home) as (address, process):
        identity = run(address)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert web.posts == []
    assert "waiting" in mip(home, "notices", "list").stdout
    text = home.configuration.read_text()
    home.configuration.write_text(text.replace("summary_minutes = 60", "summary_minutes = 0"))
    with serving(home):
        web.wait(1)
        time.sleep(5)
    (document,) = web.documents()
    data = document["data"]
    assert isinstance(data, dict)
    assert [(one["kind"], one["identity"]) for one in data["events"]] == [
        ("experiments.finished", identity)
    ]
    assert "Smith" not in json.dumps(web.documents())


@pytest.mark.slow
def test_a_kill_while_sending_sends_again_under_the_same_id(configure: Configure, web: Web) -> None:
    home = configure(web=web)
    with home.configuration.open("a") as file:
        file.write(OPEN)
    web.hang = 60
    with serving(home) as (address, process):
        assert httpx.post(f"{address}/api/v1/notices/test").status_code == 202
        web.wait(1)
        process.send_signal(signal.SIGKILL)
        process.wait()
    web.hang = 0
    with serving(home):
        web.wait(2)
        time.sleep(5)
    assert len(web.posts) == 2
    assert len(set(web.ids())) == 1, "a receiver knows by the id that it has it"
    (line,) = json.loads(mip(home, "notices", "list", "--json").stdout)
    assert (line["state"], line["kind"]) == ("sent", "notices.test")


def test_where_no_server_runs_the_command_sends(configure: Configure, web: Web, post: Post) -> None:
    home = configure(web=web, post=post)

    def said(*words: str) -> tuple[int, str]:
        ended = CliRunner().invoke(app, [*words, "--home", str(home.path)])
        return ended.exit_code, ended.output

    assert said("notices", "tell", "mip") == (0, "")
    assert [len(web.posts), len(post.mails)] == [1, 1]
    assert said("notices", "tell", "sshd")[0] == 2
    assert said("notices", "test") == (0, "ok    webhook: sent\nok    email: sent\n")
    told = said("doctor")[1]
    assert "ok    notices: by email, webhook: 0 waiting, 4 sent, 0 given up" in told
    web.status = 500
    code, told = said("notices", "test")
    assert code == 1
    assert "FAIL  webhook: the receiver answers 500" in told
    assert "FAIL  notices: by email, webhook: 1 waiting" in said("doctor")[1]
    code, told = said("notices", "list")
    assert len(told.splitlines()) == 6
    assert "notices.test  waiting: the receiver answers 500" in told


def test_the_server_does_not_start_with_a_secret_that_is_not_there(
    configure: Configure, post: Post, tmp_path: Path
) -> None:
    home = configure(post=post)
    (tmp_path / "password").unlink()
    port = free_port()
    refused = mip(home, "serve", "--port", str(port))
    assert refused.returncode == 1
    assert "notices.email.secret_file" in refused.stderr
    assert "0600" in refused.stderr


@pytest.mark.slow
def test_no_secret_is_in_a_log_a_page_or_the_database(
    configure: Configure, web: Web, post: Post
) -> None:
    home = configure(web=web, slack=web, post=post)
    with home.configuration.open("a") as file:
        file.write(OPEN)
    web.status, post.answer = 500, "554 no, in-the-answer"
    with serving(home) as (address, _):
        asked = httpx.post(f"{address}/api/v1/notices/test", timeout=60)
        assert asked.status_code == 202, asked.text
        web.wait(2)
        for _ in range(100):
            seen = httpx.get(f"{address}/api/v1/notices")
            if all(one["attempts"] for one in seen.json()["deliveries"]):
                break
            time.sleep(0.2)
        assert {one["channel"] for one in seen.json()["deliveries"]} == {
            "email",
            "slack",
            "webhook",
        }
    logged = b"".join(path.read_bytes() for path in home.logs.iterdir())
    kept = b"".join(path.read_bytes() for path in home.path.glob("state.db*"))
    assert b"a notice was not delivered" in logged
    for word in (PASSWORD, "in-the-answer", "a2tra2tra"):
        assert word not in seen.text
        assert word.encode() not in logged
        assert word.encode() not in kept
    for place in (seen.text.encode(), logged, kept):
        assert b"in-the-url" not in place
