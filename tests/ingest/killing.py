"""Ends a process at a change that it makes to its files, as a power cut would."""

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def killer(folders: Sequence[Path], changes: int) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that kills this process before so many changes below the folders are made."""
    left = changes

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        told = event in ("os.rename", "os.remove") and str(arguments)
        if told and any(str(folder) in told for folder in folders):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook
