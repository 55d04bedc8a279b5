"""Which PostgreSQL published versions are copied into, as the home's `mip.toml` says."""

import tomllib

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medmip.catalogue.home import Home
from medmip.ldsm.errors import LdsmError

EMBEDDED = "embedded"


class LdsmSettings(BaseModel):
    """The section `[ldsm]`: database is a libpq connection string such as `dbname=mip`, by which
    MIP is a superuser, or `embedded` for a PostgreSQL that comes with the demonstration. seconds
    says how often a running server brings it up to date; longest_seconds ends a reader's query.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: str = Field(min_length=1)
    seconds: int = Field(10, ge=1, le=86_400)
    longest_seconds: int = Field(300, ge=1, le=86_400)


def ldsm_settings(home: Home) -> LdsmSettings | None:
    """What the home says, None where it says nothing; raises LdsmError, naming the field."""
    path = home.configuration
    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8")).get("ldsm")
        return None if stated is None else LdsmSettings.model_validate(stated)
    except FileNotFoundError:
        return None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        what = f"It cannot be read: {type(error).__name__}."
    except ValidationError as error:
        what = "; ".join(
            f"ldsm.{'.'.join(map(str, part['loc']))}: {part['msg']}" for part in error.errors()
        )
    raise LdsmError(
        what, where=path.name, remedy="docs/it-administrator.md lists what the file may say."
    )
