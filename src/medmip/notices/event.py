"""What a notice may be about; nothing in it was typed by a person, or is of a patient."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from uuid import uuid4

SERVICES = ("mip", "mip-backup", "mip-certificate", "mip-drill", "mip-imaging")
"""Units of systemd that a notice may name."""
_UUID = re.compile(r"([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?")
_NODE = re.compile(r"([a-z2-7]{16})?")
_SERVICE = re.compile("|".join(("", *SERVICES)))
_NONE = re.compile("")


class Kind(StrEnum):
    """What happened; the part before the point is the kind's group."""

    EXPERIMENT_FINISHED = "experiments.finished"
    EXPERIMENT_FAILED = "experiments.failed"
    EXPERIMENT_REFUSED = "experiments.refused"
    SCANS_FINISHED = "scans.finished"
    SCANS_FAILED = "scans.failed"
    SCANS_WAITING = "scans.waiting"
    IMPORT_PUBLISHED = "imports.published"
    IMPORT_REFUSED = "imports.refused"
    BACKUP_FAILED = "backups.failed"
    BACKUP_OLD = "backups.old"
    DRILL_FAILED = "backups.drill"
    SITE_JOINED = "federation.joined"
    SITE_LEFT = "federation.left"
    SITE_LOST = "federation.lost"
    SITE_BACK = "federation.back"
    DISK_LOW = "machine.disk"
    CERTIFICATE_ENDING = "machine.certificate"
    SERVICE_FAILED = "machine.service"
    DEPLOYED = "deployment.finished"
    DEPLOYMENT_FAILED = "deployment.failed"
    TEST = "notices.test"

    @property
    def group(self) -> str:
        return self.value.partition(".")[0]

    @property
    def urgent(self) -> bool:
        """Whether it is told at once, whatever the pause between summaries."""
        return self.group not in _QUIET

    @property
    def screen(self) -> str:
        """The portal's screen that tells more, as the beginning of its address."""
        return _SCREENS.get(self.group, "/administration")


_QUIET = ("experiments", "scans", "imports")
_SCREENS = {
    "experiments": "/experiments",
    "scans": "/scans",
    "imports": "/inbox",
    "federation": "/federation",
}
_IDENTITIES = {"experiments": _UUID, "federation": _NODE, "machine": _SERVICE}
GROUPS = tuple(dict.fromkeys(kind.group for kind in Kind))


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, so many times.

    identity is an experiment's id, a site's node or a service's name; raises ValueError for all
    else, since it could be a person's words. id is the same at every delivery, so
    that a receiver knows it again.
    """

    kind: Kind
    count: int = 1
    identity: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=lambda: str(uuid4()))

    def __post_init__(self) -> None:
        if not _IDENTITIES.get(self.kind.group, _NONE).fullmatch(self.identity):
            raise ValueError(f"an event of {self.kind.group} has no such identity")

    def link(self, portal: str) -> str:
        """Where the portal tells more; empty where its address is not known."""
        if not portal:
            return ""
        more = f"/{self.identity}" if self.kind.group == "experiments" and self.identity else ""
        return f"{portal.rstrip('/')}{self.kind.screen}{more}"
