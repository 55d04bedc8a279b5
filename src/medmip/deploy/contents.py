"""What of a home folder a backup holds, and what it leaves out: the one table of both."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medmip.catalogue.home import Home

STATE = "state.db"
HEAD = "keys/ledger.head"
LEDGER_KEY = "keys/ledger.key"
BEFORE = ".before"
CLOSED_HUB = "hub-closed"
_PASSING = (".partial", ".lock", ".pid")


@dataclass(frozen=True, slots=True)
class Part:
    """A file or folder at the top of a home, whether a backup holds it, and why."""

    name: str
    kept: bool
    why: str


def _named(path: Path) -> str:
    return path.name


_HOME = Home(Path())

PARTS = (
    Part(_named(_HOME.state_db), True, "experiments, people, the ledger, a hub's sites"),
    Part(_named(_HOME.datasets), True, "published versions, and the mappings they were read by"),
    Part(_named(_HOME.in_place), True, "what is known of datasets that are analysed in place"),
    Part(_named(_HOME.models), True, "data models that were added"),
    Part(_named(_HOME.policies), True, "what the site says of its datasets"),
    Part(_named(_HOME.policy), True, "what may leave"),
    Part(_named(_HOME.configuration), True, "what the administrator says"),
    Part(_named(_HOME.algorithms), True, "which algorithms of installed packages may run"),
    Part(_named(_HOME.keys), True, "the ledger's key and head, pseudonyms and the way back"),
    Part(_named(_HOME.hub), True, "a hub's identity, authority and certificates"),
    Part(CLOSED_HUB, True, "a hub's, whose block was removed"),
    Part(_named(_HOME.site), True, "a site's identity, certificate, offer and approvals"),
    Part(_named(_HOME.desk), True, "how the inbox's files are read"),
    Part(_named(_HOME.imaging), True, "scans that were taken, and the site's rules for them"),
    Part(_named(_HOME.inbox), False, "source files, kept where they come from"),
    Part("quarantine", False, "rows set aside, which the source files still hold"),
    Part(_named(_HOME.logs), False, "history, not needed to go on"),
    Part("ldsm", False, "copies of published versions; `mip ldsm sync` makes them anew"),
    Part("ldsm-log.json", False, "how far a log was read that is left out as well"),
    Part(_named(_HOME.partitions), False, "published versions divided for a cluster, made anew"),
    Part(_named(_HOME.received), False, "images not brought in yet, identifiers and all"),
    Part(_named(_HOME.work), False, "temporary files of imports, of data and of scans"),
    Part(BEFORE, False, "what an upgrade that is going on would bring back"),
    Part("serve.lock", False, "held while a server runs"),
    Part("notices.lock", False, "held while notices are sent"),
    Part(".backup", False, "temporary files of a backup"),
    Part("backup.lock", False, "held while a backup runs"),
    Part(f"{STATE}-wal", False, "a running database's, contained in the copy of the state"),
    Part(f"{STATE}-shm", False, "a running database's, made anew"),
)
KEPT = frozenset(part.name for part in PARTS if part.kept)
_KNOWN = frozenset(part.name for part in PARTS)


def is_passing(name: str) -> bool:
    """Whether a file of this name is a lock, a process' number or half of another file."""
    return name.endswith(_PASSING)


def unknown(home: Home) -> list[str]:
    """What lies at the top of a home and is in no line of the table: it is not backed up."""
    return sorted(entry.name for entry in home.path.iterdir() if entry.name not in _KNOWN)


def may_hold(path: str) -> bool:
    """Whether a backup may hold a file of this path below the home.

    The path is relative, in its shortest form, and begins with a part that is kept.
    """
    parts = path.split("/")
    plain = all(part not in ("", ".", "..") and "\0" not in part for part in parts)
    return plain and str(PurePosixPath(path)) == path and parts[0] in KEPT
