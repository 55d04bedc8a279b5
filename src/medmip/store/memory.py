"""How much memory this process may still take, of the machine's and of what its unit is given."""

from collections.abc import Iterator
from pathlib import Path

_MACHINE = Path("/proc/meminfo")
_OWN = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
UNKNOWN = 4 * 2**30
"""Bytes that are taken to be free where the system does not tell."""


def available(machine: Path = _MACHINE, own: Path = _OWN, groups: Path = _GROUPS) -> int:
    """Bytes that can be had without anything being moved to a disk, or any limit reached.

    Limits are those of the control groups (version 2) that the process is in, as systemd's
    MemoryMax= and containers set them.
    """
    return max(min([_of_machine(machine), *_of_groups(own, groups)]), 0)


def _of_machine(machine: Path) -> int:
    try:
        for line in machine.read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "MemAvailable":
                return int(rest.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return UNKNOWN


def _of_groups(own: Path, groups: Path) -> Iterator[int]:
    """What is left below each limit, from the process's own group up to the root."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    path = next((line[3:] for line in lines if line.startswith("0::/")), "")
    group = groups / path.lstrip("/")
    for folder in (group, *group.parents):
        if not folder.is_relative_to(groups):
            return
        try:
            limits = [(folder / name).read_text().strip() for name in ("memory.max", "memory.high")]
            used = int((folder / "memory.current").read_text())
            # Pages of files that nobody reads are given back before a limit is reached.
            told = (folder / "memory.stat").read_text().splitlines()
            idle = next((int(line.split()[1]) for line in told if "inactive_file" in line), 0)
        except (OSError, ValueError, IndexError):
            continue
        yield from (int(limit) - used + idle for limit in limits if limit.isdecimal())
