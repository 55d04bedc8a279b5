"""The acceptance test of an installation: whether everything is there, shut and working."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version as metadata_version
from pathlib import Path

from medmip.catalogue.atomic_file import write_atomically
from medmip.deploy.acceptance import Check, Report
from medmip.deploy.answers import Answers
from medmip.deploy.blocks.declaration import HOME, PROGRAM, USER, Audience, BlockName
from medmip.deploy.certificate_renewal import Renewal
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from medmip.deploy.portal_validation import look_at_portal
from medmip.deploy.server_files import server_files, used_secrets
from medmip.errors import MipError

BACKUP_AGE = timedelta(hours=26)
"""A night's backup, and two hours' grace."""
FREE = 0.10
"""The share of a disk that should be free."""
LARGEST_DIFFERENCE = 1e-9


def validate(installation: Installation, version: str) -> Report:
    """Looks at the server that this runs on, as root; changes nothing. Raises DeployError."""
    answers = installation.answers
    if os.geteuid() != 0:
        raise DeployError("Only root sees all of a server", remedy="Run it as root, or by sudo.")
    groups: Sequence[tuple[str, Callable[[], Iterator[Check]]]] = (
        ("services", lambda: _services(answers)),
        ("ports", lambda: _ports(answers)),
        ("firewall", _firewall),
        ("files", lambda: _files(answers)),
        ("node", _node),
        ("database", lambda: _database(answers)),
        ("analysis", _analysis),
        ("the certificate by ACME", lambda: _certificate(answers)),
        ("portal", lambda: _portal(installation, answers)),
        ("backups", lambda: _backups(answers)),
        ("disk", lambda: _disk(answers)),
        ("time", _time),
    )
    checks = [check for name, look in groups for check in _looked(name, look)]
    return Report(answers.name, datetime.now(UTC), version, tuple(checks))


def _looked(name: str, look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """What cannot be looked at has not passed; the others are looked at all the same."""
    try:
        yield from look()
    except MipError as error:
        yield Check(name, False, error.what, error.remedy or "Run `mip doctor`.")
    except (OSError, HTTPException, subprocess.SubprocessError) as error:
        yield Check(
            name, False, f"it could not be looked at: {type(error).__name__}", "Run it as root."
        )


def _said(*command: str) -> str:
    ended = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, timeout=120, cwd="/"
    )
    return ended.stdout.strip()


def _services(answers: Answers) -> Iterator[Check]:
    units = [service.unit for block in answers.every_block for service in block.services]
    units += [program.unit for block in answers.every_block for program in block.foreign]
    for unit in units:
        active, enabled = (
            _said("systemctl", "is-active", unit),
            _said("systemctl", "is-enabled", unit),
        )
        yield Check(
            f"service {unit}",
            (active, enabled) == ("active", "enabled"),
            f"{active}, at boot {enabled}",
            f"`journalctl -u {unit}` says why; `mip deploy setup` starts it.",
        )
    failed = _said("systemctl", "--failed", "--plain", "--no-legend").split("\n")
    names = ", ".join(line.split()[0] for line in failed if line)
    yield Check("no failed unit", not names, names or "none", "`systemctl status NAME` says why.")


def _ports(answers: Answers) -> Iterator[Check]:
    declared = {port.number: port for block in answers.every_block for port in block.every_port}
    heard: dict[int, list[str]] = {}
    for line in _said("ss", "-Hltn").splitlines():
        address, _, where = line.split()[3].rpartition(":")
        heard.setdefault(int(where), []).append(address.strip("[]"))
    for port in declared.values():
        number = port.number
        yield Check(
            f"port {number}",
            number in heard,
            f"{port.program} listens" if number in heard else "nobody listens",
            "`mip deploy setup` starts what should listen.",
        )
    inside = {number for number, port in declared.items() if port.audience is Audience.NOBODY}
    open_ones = sorted(
        number
        for number, addresses in heard.items()
        if (number not in declared or number in inside) and not all(map(_is_loopback, addresses))
    )
    yield Check(
        "no other port",
        not open_ones,
        f"other programs listen at {open_ones}" if open_ones else "all others are on loopback",
        "`ss -ltnp` names the program; the firewall drops what comes for it.",
    )


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _firewall() -> Iterator[Check]:
    rules = _said("nft", "list", "table", "inet", "mip")
    there = rules.count("policy drop") == 2
    yield Check(
        "firewall",
        there,
        "all but the declared ports is dropped" if there else "its rules are not in force",
        "`systemctl restart nftables`, then `mip deploy setup`.",
    )


def _files(answers: Answers) -> Iterator[Check]:
    changed, wrong = [], []
    for file in server_files(answers):
        path = Path(file.path)
        if not path.is_file() or path.read_text() != file.text:
            changed.append(file.path)
        elif (path.owner(), stat.S_IMODE(path.stat().st_mode)) != (file.owner, file.mode):
            wrong.append(file.path)
    for block in answers.every_block:
        for folder in block.folders:
            path = Path(folder.path.format(backups=answers.backup.to))
            if not path.is_dir() or (path.owner(), stat.S_IMODE(path.stat().st_mode)) != (
                folder.owner,
                folder.mode,
            ):
                wrong.append(str(path))
    secrets = [secret.path for secret in used_secrets(answers) if secret.path]
    wrong += [path for path in secrets if Path(path).stat().st_mode & 0o077]
    others = sum(not path.is_symlink() and path.owner() != USER for path in Path(HOME).rglob("*"))
    yield Check(
        "configuration",
        not changed,
        ", ".join(changed) + " differ" if changed else "every file is as it was set up",
        "Change the answers instead, then `mip deploy setup`.",
    )
    yield Check(
        "permissions",
        not wrong,
        ", ".join(wrong) or "folders, files and secrets are their owners' alone",
        "`mip deploy setup` puts them right.",
    )
    yield Check(
        "owner of the home's files",
        not others,
        f"{others} are not {USER}'s" if others else f"all are {USER}'s",
        f"`chown -R {USER}: {HOME}`; run commands by `runuser -u {USER} -- mip`, not as root.",
    )


def _node() -> Iterator[Check]:
    connection = HTTPConnection("127.0.0.1", 8080, timeout=20)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    finally:
        connection.close()
    yield Check(
        "node and state database", status == 200, f"HTTP {status}", "`journalctl -u mip` says why."
    )


def _database(answers: Answers) -> Iterator[Check]:
    if not answers.has(BlockName.HOSPITAL_DATABASE):
        return
    said = _said(
        "runuser", "-u", USER, "--", "psql", "-XqAt", "-h", "/var/run/postgresql", "-U", "postgres",
        "-d", "mip", "-c", "SELECT current_setting('listen_addresses') = ''",
    )  # fmt: skip
    yield Check(
        "PostgreSQL",
        said == "t",
        "answers by its socket, and nowhere else" if said == "t" else "does not let MIP in",
        "`journalctl -u postgresql@*` says why; `mip deploy setup` writes who is let in.",
    )


def _analysis() -> Iterator[Check]:
    # By the account of the node, with what that account may do.
    said = _said(
        "runuser", "-u", USER, "--", f"{PROGRAM}/bin/python", "-m", "medmip.deploy.known_result"
    )
    done = re.fullmatch(r"[\d.e+-]+", said)
    yield Check(
        "an analysis with a known result",
        bool(done) and float(said) <= LARGEST_DIFFERENCE,
        f"linear regression differs from the closed form by {float(said):.1e}"
        if done
        else "it does not run",
        f"`runuser -u {USER} -- {PROGRAM}/bin/python -m medmip.deploy.known_result` says why; "
        "install the program again.",
    )


def _portal(installation: Installation, answers: Answers) -> Iterator[Check]:
    if answers.has(BlockName.WEB_ANALYTICS):
        yield from look_at_portal(answers.name, installation.trusted)


def _certificate(answers: Answers) -> Iterator[Check]:
    if answers.has(BlockName.CERTIFICATE_RENEWAL):
        why = Renewal().why_due(datetime.now(UTC))
        yield Check(
            "the certificate by ACME",
            not why,
            why or "it is of this authority, and not due",
            "`systemctl start mip-certificate` orders it; `journalctl -u mip-certificate` says "
            "what the authority met: it comes by port 80 of the name.",
        )


def _backups(answers: Answers) -> Iterator[Check]:
    made = [path.stat().st_mtime for path in Path(answers.backup.to).glob("mip-*.tar.age")]
    age = datetime.now(UTC) - datetime.fromtimestamp(max(made, default=0), UTC)
    hours = f"the newest of {len(made)} is {age.total_seconds() / 3600:.1f} hours old"
    yield Check(
        "backups",
        age < BACKUP_AGE,
        hours if made else "there is none",
        "`systemctl start mip-backup` makes one; `journalctl -u mip-backup` says what is wrong.",
    )


def _disk(answers: Answers) -> Iterator[Check]:
    for place in (HOME, answers.backup.to):
        usage = shutil.disk_usage(place)
        yield Check(
            f"disk of {place}",
            usage.free / usage.total >= FREE,
            f"{usage.free / usage.total:.0%} of {usage.total / 1e9:.0f} GB are free",
            "Free space, or a larger disk: MIP refuses imports and backups when it is full.",
        )


def _time() -> Iterator[Check]:
    # A container has the clock of the machine that it runs on.
    contained = _said("systemd-detect-virt", "--container") not in ("", "none")
    synchronised = re.search("^yes$", _said("timedatectl", "show", "-PNTPSynchronized"))
    yield Check(
        "time",
        contained or bool(synchronised),
        "the clock of the machine below"
        if contained
        else "in step"
        if synchronised
        else "the clock is not in step with any other",
        "`apt install systemd-timesyncd`, and the hospital's time server in its timesyncd.conf.",
    )


if __name__ == "__main__":
    # Asked for by `mip deploy validate` on another machine; see `remote_validation`.
    place = Path(sys.argv[1])
    told = validate(Installation(place), metadata_version("medmip")).as_json()
    write_atomically(place / "report.json", told.encode())
