"""What a server watches of itself and its federation, to tell of it before somebody asks."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from cryptography import x509

from medmip.catalogue.home import Home
from medmip.deploy.monitoring import backup_age, free_shares
from medmip.deploy.validation import BACKUP_AGE
from medmip.federation.sites import Sites
from medmip.notices.conditions import Observed, see
from medmip.notices.event import Kind
from medmip.notices.outbox import Outbox

LOW, ENOUGH = 0.10, 0.12
"""Free shares of a disk: below the one it is told of, above the other it is over."""
ENDING = timedelta(days=21)
SHARE_ENDING = 4
"""Of one that is signed for weeks or days: a quarter of its life, after it should be renewed."""
SILENCE = 300.0
"""Seconds without a sign of life before a hospital counts as lost; a restart takes less."""


class Watch:
    """Looks at disks, backups, certificates and hospitals, and notes what has begun or ended."""

    def __init__(self, home: Home, outbox: Outbox, sites: Sites | None) -> None:
        self._home = home
        self._outbox = outbox
        self._sites = sites
        self._begun = time.monotonic()

    def look(self) -> None:
        """Called once a minute."""
        see(self._outbox, [*self._machine(), *self._hospitals()])

    def _machine(self) -> Iterator[Observed]:
        for place, share in free_shares(self._home).items():
            low = True if share < LOW else False if share > ENOUGH else None
            yield Observed(f"disk {place}", Kind.DISK_LOW, low)
        age = backup_age(self._home)
        if age is not None:
            yield Observed("backup", Kind.BACKUP_OLD, age > BACKUP_AGE.total_seconds())
        for path in self._outbox.settings.certificates:
            # A column holds the name, and paths of any length must stay apart.
            name = f"certificate {sha256(path.encode()).hexdigest()}"
            yield Observed(name, Kind.CERTIFICATE_ENDING, _ends(Path(path)))

    def _hospitals(self) -> Iterator[Observed]:
        if self._sites is None:
            return
        coordinator = self._sites.coordinator
        for peer in coordinator.peers():
            alive = coordinator.alive(peer)
            silent = time.monotonic() - max(peer.heard, self._begun)
            yield Observed(
                f"site {peer.site.node}",
                Kind.SITE_LOST,
                False if alive else True if silent > SILENCE else None,
                peer.site.node,
                Kind.SITE_BACK,
            )


def _ends(path: Path) -> bool | None:
    """Whether the first certificate of a file runs out soon; None where it cannot be read."""
    try:
        (held, *_) = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return None
    life = held.not_valid_after_utc - held.not_valid_before_utc
    return held.not_valid_after_utc - datetime.now(UTC) < min(ENDING, life / SHARE_ENDING)
