"""Bounds of what a process may take of the machine."""

import resource


def bound(limit: int, most: int) -> None:
    """Bound this process, for good, as resource.RLIMIT_AS bounds its memory; never loosens."""
    _, hard = resource.getrlimit(limit)
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(limit, (least, least))
