"""The one secret of a way: a line of a file that others cannot read, or a systemd credential."""

import os
from pathlib import Path

from medmip.catalogue.configuration import SettingsError
from medmip.notices.settings import ChannelSettings

CREDENTIALS = "CREDENTIALS_DIRECTORY"
_LONGEST = 4096


def secret_of(name: str, settings: ChannelSettings) -> str:
    """The secret, empty where none is named; raises SettingsError, which never quotes it."""
    where = f"notices.{name}"
    if settings.secret_file:
        file = Path(settings.secret_file)
        return _line(file, f"{where}.secret_file", private=True)
    if not settings.credential:
        return ""
    folder = os.environ.get(CREDENTIALS)
    if not folder:
        raise SettingsError(
            "No credential was handed over: this was not started by systemd.",
            where=f"{where}.credential",
            remedy=f"Add LoadCredential={settings.credential}:FILE to the unit, or name a "
            "secret_file.",
        )
    # Only its service can enter that folder; the mode of a file there shows the mask of an ACL.
    return _line(Path(folder) / settings.credential, f"{where}.credential", private=False)


def _line(file: Path, where: str, *, private: bool) -> str:
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read(_LONGEST + 1)
        text = content.decode().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{file} cannot be read: {type(error).__name__}.",
            where=where,
            remedy="Let the account that runs MIP own it, with mode 0600.",
        ) from None
    if private and mode & 0o077:
        raise SettingsError(
            f"{file} may be read by others.",
            where=where,
            remedy="chmod 600, owned by the account that runs MIP.",
        )
    if not text or len(content) > _LONGEST or not text.isprintable():
        raise SettingsError(f"{file} is not one line of text.", where=where)
    return text
