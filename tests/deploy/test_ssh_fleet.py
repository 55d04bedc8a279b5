"""A bare Debian server that is set up and judged from another machine, over SSH with a key."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from medmip.deploy.encryption import make_identity
from tests.deploy import booted, kept
from tests.project.tree import ROOT

NETWORK = "mipssh"
ANSWERS = """
name = "{address}"
recipients = ["{recipient}"]
blocks = ["web-analytics"]
wheels = "{wheels}"
[server]
host = "{address}"
key = "{key}"
host_key = "{host_key}"
[who]
maintainers = ["10.77.0.0/24"]
people = ["10.77.0.0/24"]
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@dataclass(frozen=True)
class Far:
    """A server, and an administrator's machine from which it is reached."""

    server: booted.Server
    folder: Path
    answers: dict[str, str]

    def mip(self, *words: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """Runs `mip deploy` on the administrator's machine, which has no root's SSH settings."""
        process = self.begun(*words)
        out, errors = process.communicate(timeout=seconds)
        return subprocess.CompletedProcess(words, process.returncode, out, errors)

    def begun(self, *words: str) -> subprocess.Popen[str]:
        """The same, while it goes on."""
        return subprocess.Popen(
            [
                *("ip", "netns", "exec", NETWORK, str(Path(sys.executable).with_name("mip"))),
                *("deploy", *words, "--folder", str(self.folder / "installation")),
            ],
            env=os.environ
            | {
                "HOME": str(self.folder),
                "PYTHONPATH": str(ROOT / "src"),
                "PATH": f"{self.folder}/ansible/bin:{os.environ['PATH']}",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def configured(self, **changed: str) -> None:
        path = self.folder / "answers.toml"
        path.write_text(ANSWERS.format(**(self.answers | changed)))
        ended = self.mip("configure", "--answers", str(path))
        assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory, need: Callable[..., str]) -> Iterator[Far]:
    booted.refuse_where_none_can_boot()
    need("ssh")
    folder = tmp_path_factory.mktemp("far")
    with ThreadPoolExecutor() as both:
        making = both.submit(kept.root)
        wheels = kept.wheels(folder / "wheels")
        root = making.result()
    ansible = folder / "ansible"
    subprocess.run([sys.executable, "-m", "venv", str(ansible)], check=True)
    pip = (str(ansible / "bin/pip"), "install", "--quiet", "--disable-pip-version-check")
    subprocess.run([*pip, "--no-index", f"--find-links={wheels}", "ansible-core"], check=True)
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with booted.network(NETWORK), booted.layered(root, folder / "layers") as disk:
        booted.prepare(disk, "mip.hospital.example")
        (disk / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
        shutil.copy(f"{key}.pub", disk / "root/.ssh/authorized_keys")
        answers = {
            "address": booted.ADDRESS,
            "recipient": make_identity(folder / "person.txt"),
            "wheels": str(wheels),
            "key": str(key),
            "host_key": (disk / "etc/ssh/ssh_host_ed25519_key.pub").read_text().strip(),
        }
        with booted.booted(disk, NETWORK, folder, folder / "console") as server:
            server.wait()
            yield Far(server, folder, answers)


def test_a_server_that_is_not_the_one_it_says_is_not_touched(far: Far) -> None:
    far.configured(host_key=Path(f"{far.answers['key']}.pub").read_text().strip())
    ended = far.mip("setup")
    assert ended.returncode == 1
    assert "Host key verification failed" in ended.stdout
    assert far.server.run("test", "-e", "/etc/mip", check=False).returncode == 1


def test_a_server_that_loses_its_power_meanwhile_is_told_of(far: Far) -> None:
    far.configured()
    setting_up = far.begun("setup")
    seconds = random.uniform(8, 25)
    time.sleep(seconds)
    far.server.cut_power()
    far.server.boot()
    out, errors = setting_up.communicate(timeout=120)
    assert setting_up.returncode == 1, f"after {seconds:.1f} s: {out}"
    assert "goes on where it stopped" in errors
    # What follows sets it up.


def test_it_is_set_up_by_the_key_and_a_second_run_changes_nothing(far: Far) -> None:
    far.configured()
    first = far.mip("setup")
    assert first.returncode == 0, first.stdout + first.stderr
    second = far.mip("setup")
    assert second.returncode == 0, second.stdout + second.stderr
    assert second.stdout.splitlines()[-1].endswith(", 0 changed")
    # The private halves of what vouches for the portal and for reports stay where they were made.
    assert far.server.run("ls", "/etc/mip/secrets").stdout.split() == ["portal-key.pem"]
    assert far.server.run("test", "-e", "/etc/mip/installation", check=False).returncode == 1


def test_it_is_judged_from_there_and_the_report_is_signed_there(far: Far) -> None:
    report = far.folder / "report"
    ended = far.mip("validate", "--json", "--report", str(report))
    told = json.loads(ended.stdout)
    failed = [check for check in told["checks"] if not check["passed"]]
    # Of the disk that tests run on this says nothing.
    assert [one for one in failed if not one["name"].startswith("disk")] == []
    names = {check["name"] for check in told["checks"]}
    assert {"portal", "an analysis with a known result", "firewall"} <= names
    proved = far.mip("verify-report", str(report / "validation.html"))
    assert "not changed since" in proved.stdout
    assert far.server.run("test", "-e", "/run/mip-validation", check=False).returncode == 1
    far.server.run("systemctl", "stop", "nginx")
    ended = far.mip("validate", "--json")
    far.server.run("systemctl", "start", "nginx")
    assert ended.returncode == 1
    failed = [check["name"] for check in json.loads(ended.stdout)["checks"] if not check["passed"]]
    assert {"service nginx.service", "port 443", "portal"} <= set(failed)
