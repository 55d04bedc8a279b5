"""Secrets that an administrator hands over: files of MIP's account alone, systemd's credentials."""

import os
from pathlib import Path

from medmip.errors import MipError

_CREDENTIALS = "CREDENTIALS_DIRECTORY"


def credential_file(name: str, where: str, raised: type[MipError]) -> Path:
    """The file of a systemd credential; raises the error given where none was handed over."""
    folder = os.environ.get(_CREDENTIALS)
    if not folder:
        raise raised(
            "No credential was handed over: MIP was not started by systemd.",
            where=where,
            remedy=f"Add LoadCredential={name}:FILE to its unit.",
        )
    return Path(folder) / name


def secret_of(file: Path, called: str, raised: type[MipError]) -> str:
    """What a secret's file says, without the end of its last line.

    called is what messages call the file. Raises the error given where it cannot be read, or
    others may read it.
    """
    try:
        others = file.stat().st_mode & 0o077
        secret = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise raised(f"{called} cannot be read: {type(error).__name__}.", where=str(file)) from None
    if others:
        raise raised(
            f"{called} may be read by others.",
            where=str(file),
            remedy="chmod 600, owned by the account that runs MIP.",
        )
    return secret
