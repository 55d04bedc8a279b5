"""How an installation is backed up, as the section `[backup]` of the home's `mip.toml` says."""

from pydantic import BaseModel, ConfigDict, Field

from medmip.catalogue.configuration import section
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
    return section(home, "backup", BackupSettings) or BackupSettings()
