"""A restore drill: the newest backup is really restored and proved, where its identity is."""

import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.deploy.backup import ENDING
from medmip.deploy.blocks.units import HARDENED, ON_FAILURE
from medmip.deploy.errors import BackupError
from medmip.deploy.restore import restore
from medmip.deploy.validation import BACKUP_AGE
from medmip.deploy.verification import Contents, proved
from medmip.errors import MipError

SERVICE, TIMER = "mip-drill.service", "mip-drill.timer"
_FOLDER = "/var/lib/mip-drill"


@dataclass(frozen=True, slots=True)
class Drill:
    """What a drill found; contents are missing where the backup could not be restored."""

    made: datetime
    backup: str
    seconds: float
    contents: Contents | None
    failed: str

    @property
    def passed(self) -> bool:
        return not self.failed

    def as_json(self) -> str:
        told = asdict(self) | {"passed": self.passed}
        return json.dumps(told, indent=2, default=str) + "\n"


def drill(folder: Path, identity: Path) -> Drill:
    """Restores the newest backup of a folder into a temporary home, proves it, removes it.

    Needs as much room below TMPDIR as the home has. Raises BackupError where there is no backup.
    """
    backups = sorted(folder.glob(f"mip-*{ENDING}"), key=lambda path: path.stat().st_mtime)
    if not backups:
        raise BackupError("There is no backup to restore", where=str(folder))
    newest, begun, made = backups[-1], time.monotonic(), datetime.now(UTC)
    contents, failed = None, ""
    with tempfile.TemporaryDirectory(prefix="mip-drill-") as name:
        home = Home(Path(name, "home"))
        try:
            contents = proved(home, restore(newest, identity, home))
        except MipError as error:
            failed = error.what
    if contents and made - contents.made > BACKUP_AGE:
        hours = (made - contents.made).total_seconds() / 3600
        failed = f"the newest backup is {hours:.0f} hours old"
    return Drill(made, newest.name, round(time.monotonic() - begun, 1), contents, failed)


def units(folder: Path, identity: Path) -> dict[str, str]:
    """A service and a timer of systemd that drill each week; a failed drill is a failed unit.

    The service is root's, to read backups and the identity, and may do nothing else.
    """
    program = Path(sys.executable).with_name("mip")
    service = f"""\
# Written by `mip deploy drill --units`.
[Unit]
Description=MIP: restore drill
{ON_FAILURE}

[Service]
Type=oneshot
LoadCredential=identity:{identity}
ExecStart={program} deploy drill {folder} --identity %d/identity --report {_FOLDER}/report.json
Environment=HOME={_FOLDER} TMPDIR={_FOLDER} PYTHONUNBUFFERED=1
StateDirectory={Path(_FOLDER).name}
StateDirectoryMode=0700
PrivateNetwork=yes
RestrictAddressFamilies=AF_UNIX
IPAddressDeny=any
{HARDENED.replace("CapabilityBoundingSet=", "CapabilityBoundingSet=CAP_DAC_READ_SEARCH")}"""
    timer = """\
# Written by `mip deploy drill --units`.
[Unit]
Description=MIP: restore drill, each week

[Timer]
OnCalendar=Sun *-*-* 05:00:00
RandomizedDelaySec=1h
Persistent=yes

[Install]
WantedBy=timers.target
"""
    return {SERVICE: service, TIMER: timer}
