"""Bounds of what a process may take of the machine, and of how long it lives."""

import ctypes
import resource
import signal

_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2), which Linux alone has."""
_prctl = getattr(ctypes.CDLL(None), "prctl", None)


def bound(limit: int, most: int) -> None:
    """Bound this process, for good, as resource.RLIMIT_AS bounds its memory; never loosens."""
    _, hard = resource.getrlimit(limit)
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(limit, (least, least))


def die_with_parent() -> None:
    """Ends this process where the one that began it is killed, so that nothing works on alone."""
    if _prctl is not None:
        _prctl(_DIE_WITH_PARENT, signal.SIGKILL)
