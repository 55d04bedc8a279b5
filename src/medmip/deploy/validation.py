"""The acceptance test of a server: whether everything is there, shut and working."""

import json
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
from medmip.deploy.blocks import database
from medmip.deploy.blocks.declaration import HOME, PROGRAM, USER, Audience, BlockName
from medmip.deploy.certificate_renewal import Renewal
from medmip.deploy.errors import DeployError
from medmip.deploy.far_database import valid
from medmip.deploy.installation import Installation
from medmip.deploy.placement import Placement, placements
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
    placed = next((one for one in placements(installation.answers) if one.is_here), None)
    if placed is None:
        raise DeployError(
            "No server of this installation is this machine",
            remedy="Look at them by `mip deploy validate`, or run this on one of them.",
        )
    if os.geteuid() != 0:
        raise DeployError("Only root sees all of a server", remedy="Run it as root, or by sudo.")
    groups: Sequence[tuple[str, Callable[[], Iterator[Check]]]] = (
        ("services", lambda: _services(placed)),
        ("ports", lambda: _ports(placed)),
        ("firewall", _firewall),
        ("files", lambda: _files(placed)),
        *((("owner of the home's files", _home), ("node", _node)) if placed.has_node else ()),
        ("database", lambda: _database(placed)),
        *((("analysis", _analysis),) if placed.has_node else ()),
        ("the certificate by ACME", lambda: _certificate(placed)),
        ("portal", lambda: _portal(installation, placed)),
        *((("backups", lambda: _backups(placed)),) if placed.has_node else ()),
        ("disk", lambda: _disk(placed)),
        ("time", _time),
    )
    checks = [check for name, look in groups for check in _looked(name, look)]
    return Report(placed.answers.name, datetime.now(UTC), version, tuple(checks))


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


def _services(placed: Placement) -> Iterator[Check]:
    units = [service.unit for block in placed.every_block for service in block.services]
    units += [program.unit for block in placed.every_block for program in block.foreign]
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


def _ports(placed: Placement) -> Iterator[Check]:
    declared = {port.number: port for block in placed.every_block for port in block.every_port}
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


def _files(placed: Placement) -> Iterator[Check]:
    changed, wrong = [], []
    for file in server_files(placed):
        path = Path(file.path)
        if not path.is_file() or path.read_text() != file.text:
            changed.append(file.path)
        elif (path.owner(), stat.S_IMODE(path.stat().st_mode)) != (file.owner, file.mode):
            wrong.append(file.path)
    for block in placed.every_block:
        for folder in block.folders:
            path = Path(folder.path.format(backups=placed.answers.backup.to))
            if not path.is_dir() or (path.owner(), stat.S_IMODE(path.stat().st_mode)) != (
                folder.owner,
                folder.mode,
            ):
                wrong.append(str(path))
    secrets = [secret.path for secret in used_secrets(placed) if secret.path]
    wrong += [path for path in secrets if Path(path).stat().st_mode & 0o077]
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


def _home() -> Iterator[Check]:
    others = sum(not path.is_symlink() and path.owner() != USER for path in Path(HOME).rglob("*"))
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


def _database(placed: Placement) -> Iterator[Check]:
    if not placed.has(BlockName.HOSPITAL_DATABASE):
        if placed.is_apart:
            yield from _far_database()
        return
    # By the account that fills it, or by its own where that is on another server.
    account, to = (USER, "to MIP") if placed.has_node else ("postgres", "to its own account")
    heard = database.settings(
        placed.address_of(BlockName.HOSPITAL_DATABASE) if placed.is_apart else None
    )
    wanted = re.search("listen_addresses = '(.*)'", heard)
    said = _said(
        "runuser", "-u", account, "--", "psql", "-XqAt", "-h", database.SOCKET, "-U", "postgres",
        "-d", "mip", "-c",
        "SELECT current_setting('listen_addresses'), current_setting('ssl_ca_file')",
    )  # fmt: skip
    known = database.AUTHORITY if placed.is_apart else ""
    good = said.startswith(f"{wanted[1] if wanted else ''}|") and (known in said)
    where = "by TLS to whom its authority vouches for" if placed.is_apart else "nowhere else"
    yield Check(
        "PostgreSQL",
        good,
        f"answers by its socket, and {where}" if good else f"does not answer {to} as it should",
        "`journalctl -u postgresql@*` says why; `mip deploy setup` writes who is let in.",
    )
    if placed.is_apart:
        yield valid(Path(database.SERVER), "certificate of the database", datetime.now(UTC))


def _far_database() -> Iterator[Check]:
    # By the account of the node, with the key that account has.
    program = (f"{PROGRAM}/bin/python", "-m", "medmip.deploy.far_database", HOME)
    said = _said("runuser", "-u", USER, "--", *program)
    if not said:
        raise DeployError("it could not be looked at", remedy=f"Run `{' '.join(program)}` as mip.")
    for line in said.splitlines():
        yield Check(**json.loads(line))


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


def _portal(installation: Installation, placed: Placement) -> Iterator[Check]:
    if placed.has(BlockName.WEB_ANALYTICS):
        yield from look_at_portal(placed.answers.name, installation.trusted)


def _certificate(placed: Placement) -> Iterator[Check]:
    if placed.has(BlockName.CERTIFICATE_RENEWAL):
        why = Renewal().why_due(datetime.now(UTC))
        yield Check(
            "the certificate by ACME",
            not why,
            why or "it is of this authority, and not due",
            "`systemctl start mip-certificate` orders it; `journalctl -u mip-certificate` says "
            "what the authority met: it comes by port 80 of the name.",
        )


def _backups(placed: Placement) -> Iterator[Check]:
    made = [path.stat().st_mtime for path in Path(placed.answers.backup.to).glob("mip-*.tar.age")]
    age = datetime.now(UTC) - datetime.fromtimestamp(max(made, default=0), UTC)
    hours = f"the newest of {len(made)} is {age.total_seconds() / 3600:.1f} hours old"
    yield Check(
        "backups",
        age < BACKUP_AGE,
        hours if made else "there is none",
        "`systemctl start mip-backup` makes one; `journalctl -u mip-backup` says what is wrong.",
    )


def _disk(placed: Placement) -> Iterator[Check]:
    places = (HOME, placed.answers.backup.to) if placed.has_node else ("/var/lib/postgresql",)
    for place in places:
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
