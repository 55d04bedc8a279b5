"""How much memory this process has held at the most."""

from pathlib import Path


def peak_memory(process: int | None = None) -> float:
    """The largest resident size of a process so far, MB; this one's where none is named.

    Not getrusage: its figure outlives exec, so a small child of a large parent looks large.
    """
    for line in Path(f"/proc/{process or 'self'}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise OSError("this system does not tell a process's peak memory")
