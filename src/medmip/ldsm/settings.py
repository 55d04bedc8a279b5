"""Which PostgreSQL published versions are copied into, as the home's `mip.toml` says."""

from pydantic import BaseModel, ConfigDict, Field

from medmip.catalogue.configuration import section
from medmip.catalogue.home import Home

EMBEDDED = "embedded"


class LdsmSettings(BaseModel):
    """The section `[ldsm]`: database is a libpq connection string such as `dbname=mip`, by which
    MIP is a superuser, or `embedded` for a PostgreSQL that comes with the demonstration. seconds
    says how often a running server brings it up to date; longest_seconds ends a reader's query.
    readers_host is where readers find it, where that is another way than MIP's own: the folder of
    its socket on its own server.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: str = Field(min_length=1)
    seconds: int = Field(10, ge=1, le=86_400)
    longest_seconds: int = Field(300, ge=1, le=86_400)
    readers_host: str = ""


def ldsm_settings(home: Home) -> LdsmSettings | None:
    """What the home says, None where it says nothing; raises SettingsError, naming the field."""
    return section(home, "ldsm", LdsmSettings)
