"""How an installation is backed up, as the section `[backup]` of the home's `mip.toml` says."""

import tomllib

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medmip.accounts.settings import SettingsError
from medmip.catalogue.home import Home


class BackupSettings(BaseModel):
    """The section `[backup]`: recipients are public keys of age or SSH, to a folder, keep how
    many backups of this home stay in it (0 is all of them).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipients: tuple[str, ...] = ()
    to: str = ""
    keep: int = Field(0, ge=0)


def backup_settings(home: Home) -> BackupSettings:
    """What the home says, the defaults for what it leaves out; raises SettingsError."""
    path = home.configuration
    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8"))
        return BackupSettings.model_validate(stated.get("backup", {}))
    except FileNotFoundError:
        return BackupSettings()
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        what = f"It cannot be read: {type(error).__name__}."
    except ValidationError as error:
        what = "; ".join(
            f"backup.{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors()
        )
    raise SettingsError(
        what, where=path.name, remedy="docs/it-administrator.md lists what the file may say."
    )
