"""Another version of the program on this server, and the way back."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from medmip.catalogue.atomic_file import write_atomically
from medmip.catalogue.home import Home
from medmip.deploy.answers import Answers
from medmip.deploy.before import forget
from medmip.deploy.blocks.declaration import (
    CONFIGURATION,
    HOME,
    UPGRADING,
    USER,
    VERSIONS,
    BlockName,
)
from medmip.deploy.blocks.firewall import QUIET, quiet
from medmip.deploy.contents import BEFORE
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from medmip.deploy.placement import of_node
from medmip.deploy.playbook import dies_with_this
from medmip.deploy.program import Release, installed, offered
from medmip.deploy.remote_validation import validate_all
from medmip.deploy.restore import restore
from medmip.deploy.setup import stage

Say = Callable[[str], None]
UNFINISHED = Path(UPGRADING)
"""There while an upgrade or a way back is going on."""
DONE = Path(CONFIGURATION, "upgraded.json")
"""The last upgrade that ended well: what `mip deploy rollback` goes back by."""


@dataclass(frozen=True, slots=True)
class Step:
    """From which version to which, the backup between them, and whether data were kept aside."""

    former: str
    latter: str
    backup: str
    data: bool = True

    def write(self, path: Path) -> None:
        write_atomically(path, json.dumps(asdict(self), indent=1).encode() + b"\n")

    @classmethod
    def read(cls, path: Path) -> "Step | None":
        """What a file says; None where there is none."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None


def upgrade(installation: Installation, wheels: str, number: str, say: Say) -> str | None:
    """Brings another version onto this server; returns its name, None where it runs already.

    It is that of the newest wheel in a folder, or of this number in pip's index. An upgrade that
    was interrupted is gone back on first. What failed in
    the acceptance test before may fail after it; anything else leads back, and so does a step that
    fails: then program, data and settings are as they were. Raises DeployError.
    """
    answers = installation.answers
    former = _present(answers)
    if step := Step.read(UNFINISHED):
        say("A former upgrade was interrupted")
        go_back(installation, step, say)
        former = _present(answers)
    latter = offered(of_node(answers), wheels, number)
    if latter.name == former.name:
        return None
    report = validate_all(installation, version("medmip"), say)
    known = {check.name for check in report.checks if not check.passed}
    say(f"Version {latter.name} is laid beside {former.name}")
    stage(installation, latter, say)
    step = _kept(answers, former, latter, say)
    say("The new version takes the place of the former one")
    try:
        _mip(latter, installation, "setup", say=say)
        failed = [
            f"{name}: {found}"
            for name, found in _failing(latter, installation).items()
            if name not in known
        ]
    except (DeployError, OSError, ValueError) as error:
        failed = [str(error)]
    if failed:
        go_back(installation, step, say)
        _notify(answers, "deployment-failed")
        raise DeployError(
            f"Version {latter.name} failed, and {former.name} runs again with its data as they "
            f"were: {'; '.join(failed)}",
            remedy=f"The backup of before is {step.backup}. Report this to MIP's makers.",
        )
    step.write(DONE)
    _finish(answers, latter)
    _notify(answers, "deployment-finished")
    _prune({former.name, latter.name})
    return latter.name


def roll_back(installation: Installation, identity: Path | None, say: Say) -> Step:
    """Goes back to the version before the last upgrade, or ends one that was interrupted.

    Data stay as they are where the former version reads them. Else they come back as of before
    the upgrade, out of its backup, which identity reads; the present ones are backed up first.
    Raises DeployError.
    """
    answers = installation.answers
    _present(answers)
    if step := Step.read(UNFINISHED):
        go_back(installation, step, say)
        return step
    done = Step.read(DONE)
    if done is None or not Path(VERSIONS, done.former).is_dir():
        raise DeployError("There is no former version", remedy="`mip deploy upgrade` brings one.")
    former = Release(done.former, (), ())
    same = _schema(former) == _schema(Release(done.latter, (), ()))
    if not same and identity is None:
        raise DeployError(
            f"Version {done.former} cannot read the data of version {done.latter}",
            remedy=f"Give --identity, the key that reads {done.backup}: data come back as of that "
            "backup, and what was written since is in a backup that is made first.",
        )
    with _undone(answers, done.latter):
        step = Step(done.former, done.latter, _backed_up(answers), data=not same)
        say(f"Backed up: {step.backup}")
        if not same and identity is not None:
            folder = Home(Path(HOME, BEFORE))
            restore(Path(done.backup), identity, folder)
            _ran("chown", "--recursive", f"{USER}:", str(folder.path))
        step.write(UNFINISHED)
    go_back(installation, step, say)
    DONE.unlink(missing_ok=True)
    if step.data:
        # The newest backup would be the left version's, which this one cannot read.
        say(f"Backed up: {_backed_up(answers)}")
    return step


def go_back(installation: Installation, step: Step, say: Say) -> None:
    """Lets the former version run, with the data that were kept aside; may be run again."""
    answers, former = installation.answers, Release(step.former, (), ())
    say(f"Going back to version {step.former}")
    _keep_out(answers)
    if step.data:
        _as_account(former, "bring-back")
    # What ran meanwhile was started with something else than the notes say.
    for note in Path(CONFIGURATION, "applied").iterdir():
        note.unlink()
    _mip(former, installation, "setup", say=say)
    _finish(answers, former)


def _present(answers: Answers) -> Release:
    """The version that runs here; raises DeployError where none does, or here is elsewhere."""
    node = of_node(answers)
    if not node.is_here:
        raise DeployError(
            "A version is changed on the server itself",
            where=node.server.host,
            remedy="Copy the configuration folder there, with host = 'localhost', and run it.",
        )
    if os.geteuid() != 0:
        raise DeployError("Only root changes the version", remedy="Run it as root, or by sudo.")
    name = installed()
    if name is None:
        raise DeployError("Nothing is installed here", remedy="Run `mip deploy setup`.")
    return Release(name, (), ())


def _kept(answers: Answers, former: Release, latter: Release, say: Say) -> Step:
    """Keeps people out, backs up and keeps the data aside; undone where one of it fails."""
    with _undone(answers, former.name):
        step = Step(former.name, latter.name, _backed_up(answers))
        _as_account(former, "keep")
        step.write(UNFINISHED)
    say(f"Backed up: {step.backup}")
    return step


@contextmanager
def _undone(answers: Answers, runs: str) -> Iterator[None]:
    """Nobody comes in and nothing of ours runs; what runs now does again where this fails."""
    Step(runs, runs, "", data=False).write(UNFINISHED)
    try:
        forget(Home(Path(HOME)))
        _keep_out(answers)
        yield
    except BaseException:
        _finish(answers, Release(runs, (), ()))
        raise


def _keep_out(answers: Answers) -> None:
    """Nobody comes in and nothing of ours runs, until `_finish`."""
    node = of_node(answers)
    database = node.address_of(BlockName.HOSPITAL_DATABASE) if node.is_apart else None
    write_atomically(Path(QUIET), quiet(node.every_block, database).encode())
    _ran("nft", "-f", QUIET)
    _ran("systemctl", "stop", *_services(answers))


def _finish(answers: Answers, runs: Release) -> None:
    """Starts what should run, and lets people in again."""
    # Killed from here on, a way back leaves data and version as they are now.
    Step(runs.name, runs.name, "", data=False).write(UNFINISHED)
    _ran("systemctl", "start", *_services(answers))
    forget(Home(Path(HOME)))
    Path(QUIET).unlink(missing_ok=True)
    subprocess.run(
        ["nft", "delete", "table", "inet", "mip_quiet"],  # noqa: S607
        check=False,
        capture_output=True,
    )
    UNFINISHED.unlink(missing_ok=True)


def _notify(answers: Answers, happened: str) -> None:
    """Has people told, where they asked for it; what cannot be told is done all the same."""
    if answers.notices.channels:
        subprocess.run(  # noqa: S603
            ["systemctl", "start", f"mip-notice@{happened}.service"],  # noqa: S607
            check=False,
            capture_output=True,
        )


def _services(answers: Answers) -> list[str]:
    return [service.unit for block in of_node(answers).every_block for service in block.services]


def _backed_up(answers: Answers) -> str:
    """The file of a backup that is made now."""
    begun = datetime.now(UTC).timestamp()
    _ran("systemctl", "start", "mip-backup.service")
    made = max(Path(answers.backup.to).glob("mip-*.tar.age"), default=None, key=_age)
    if made is None or _age(made) < begun - 1:
        raise DeployError(
            "The backup was not made, and nothing further is changed",
            remedy="`journalctl -u mip-backup` says why.",
        )
    return str(made)


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _as_account(release: Release, word: str) -> None:
    # After the change of account, which would take it back.
    python = [*dies_with_this(), f"{release.folder}/bin/python"]
    _ran("runuser", "-u", USER, "--", *python, "-m", "medmip.deploy.before", word, HOME)


def _schema(release: Release) -> str:
    """The newest schema of the state database that a version knows."""
    return _ran(f"{release.folder}/bin/python", "-m", "medmip.store.schema").strip()


def _failing(release: Release, installation: Installation) -> dict[str, str]:
    """What fails in another version's own acceptance test; raises ValueError where it has none."""
    ended = subprocess.run(  # noqa: S603
        [release.command, "deploy", "validate", "--json", "--folder", str(installation.folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        check["name"]: check["found"]
        for check in json.loads(ended.stdout)["checks"]
        if not check["passed"]
    }


def _mip(release: Release, installation: Installation, word: str, *, say: Say) -> None:
    """Runs `mip deploy` of a version; raises DeployError where it fails."""
    words = ("deploy", word, "--folder", str(installation.folder))
    command = [*dies_with_this(), release.command, *words]
    with subprocess.Popen(  # noqa: S603
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(line.rstrip())
    if process.returncode:
        raise DeployError(f"`mip deploy {word}` of version {release.name} failed")


def _ran(*command: str) -> str:
    ended = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, cwd="/"
    )
    if ended.returncode:
        raise DeployError(f"`{' '.join(command[:4])}` failed: {ended.stderr.strip()[-300:]}")
    return ended.stdout


def _prune(kept: set[str]) -> None:
    """Removes versions that neither run nor are the way back."""
    for folder in Path(VERSIONS).iterdir():
        if folder.name not in kept:
            # Whatever is left by a kill is not taken for a whole version.
            (folder / "installed").unlink(missing_ok=True)
            shutil.rmtree(folder)
