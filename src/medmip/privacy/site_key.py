"""The keys that a site keeps to itself."""

import fcntl
import os
import secrets

from medmip.catalogue.atomic_file import write_atomically
from medmip.catalogue.home import Home


def site_key(home: Home, name: str) -> bytes:
    """A key of 32 bytes under this name, made at its first use, readable by its owner alone."""
    path = home.keys / f"{name}.key"
    folder = os.open(home.keys, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if not path.exists():
            write_atomically(path, secrets.token_bytes(32))
    finally:
        os.close(folder)
    return path.read_bytes()
