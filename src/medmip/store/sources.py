"""The hospital's own databases that data come from, as the home's `mip.toml` names them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import BaseModel, ConfigDict, Field, model_validator

from medmip.catalogue.configuration import stated, unusable, validated
from medmip.catalogue.home import Home
from medmip.errors import MipError, NotFound
from medmip.store.postgres import Address
from medmip.store.secrets import credential_file, secret_of

_ALLOWED = frozenset(
    {"host", "hostaddr", "port", "dbname", "user"}
    | {"sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl"}
)
_PROVED = ("verify-full", "verify-ca")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_SILENT = {
    # A network that swallows packets ends a read in about a minute instead of never.
    "connect_timeout": "10",
    "keepalives_idle": "20",
    "keepalives_interval": "10",
    "keepalives_count": "4",
    "tcp_user_timeout": "60000",
    "application_name": "mip",
    "client_encoding": "UTF8",
}
Name = Annotated[str, Field(min_length=1, max_length=63)]


class SourceError(MipError):
    """What `mip.toml` says of a database cannot be used."""

    title: ClassVar[str] = "The source cannot be used"
    status: ClassVar[int] = 422


class NoSuchTable(SourceError):
    """The database has no table or view of a name."""


class UnknownSource(NotFound):
    """`mip.toml` names no such database."""

    title: ClassVar[str] = "Unknown source"


class SourceSettings(BaseModel):
    """A section `[sources.NAME]`.

    database is a libpq connection string without a password, which stands in password_file or is
    the systemd credential of that name. Either table is one whose columns are the variables of
    the data model, patient its column of patients' codes; or mapping is the file or the shipped
    mapping that rows are made by, whose sources are the tables of those names in schema, unless
    tables says which. dataset is what all rows belong to. seconds ends a statement; may_write
    lets in an account that is not read-only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    database: str = Field(min_length=1)
    password_file: str = ""
    credential: str = Field("", pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$")
    model: str = Field(min_length=1)
    dataset: str | None = None
    namespace: Name = Field("public", alias="schema")
    table: str = Field("", max_length=63)
    patient: str = Field("", max_length=63)
    mapping: str = ""
    tables: dict[str, Name] = {}
    seconds: int = Field(600, ge=1, le=86_400)
    may_write: bool = False

    @model_validator(mode="after")
    def _one_road(self) -> Self:
        if bool(self.table) == bool(self.mapping):
            raise ValueError("a source has either a table or a mapping")
        if self.mapping and self.patient:
            raise ValueError("with a mapping, the mapping says which column holds patients' codes")
        if self.tables and not self.mapping:
            raise ValueError("tables are those of a mapping's sources; say table instead")
        if self.password_file and self.credential:
            raise ValueError("a password is either in password_file or a credential")
        _refuse_address(self.database)
        return self


@dataclass(frozen=True)
class Source:
    """A database that `mip.toml` names."""

    name: str
    settings: SourceSettings

    def address(self) -> Address:
        """How it is reached, with the password as it is now; raises SourceError."""
        parts = _SILENT | _parts(self.settings.database)
        if not _is_socket(parts):
            parts.setdefault("sslmode", "verify-full")
        password = self._password()
        if password is not None:
            parts["password"] = password
        return Address(self.name, make_conninfo("", **parts), self.settings.seconds)

    def _password(self) -> str | None:
        if self.settings.password_file:
            return _line(Path(self.settings.password_file))
        if self.settings.credential:
            where = f"sources.{self.name}.credential"
            return _line(credential_file(self.settings.credential, where, SourceError))
        return None


def _line(file: Path) -> str:
    secret = secret_of(file, "The password's file", SourceError)
    if not secret or "\n" in secret or "\0" in secret:
        raise SourceError("The password's file is not one line.", where=str(file))
    return secret


def sources(home: Home) -> dict[str, Source]:
    """Every source, by name; raises SettingsError, naming the field."""
    found = stated(home, "sources") or {}
    if not isinstance(found, Mapping):
        raise unusable(home, "A source is a section [sources.NAME].")
    return {name: _read(name, section, home) for name, section in sorted(found.items())}


def source(home: Home, name: str) -> Source:
    """The source of a name; raises UnknownSource, SettingsError."""
    found = sources(home)
    if name not in found:
        raise UnknownSource(
            f"mip.toml names no source “{name}”.",
            remedy=f"It names {', '.join(found)}." if found else "It has no [sources.NAME].",
        )
    return found[name]


def _read(name: str, section: object, home: Home) -> Source:
    if not _NAME.fullmatch(name):
        raise unusable(
            home,
            f"“{name}” is no name for a source: it takes lower-case letters, digits, `_` and `-`, "
            "beginning with a letter.",
        )
    return Source(name, validated(SourceSettings, section, home, "sources", name))


def _parts(database: str) -> dict[str, str]:
    return {key: str(value) for key, value in conninfo_to_dict(database).items()}


def _is_socket(parts: Mapping[str, str]) -> bool:
    return parts.get("host", "").startswith(("/", "@")) and "hostaddr" not in parts


def _refuse_address(database: str) -> None:
    """Raises ValueError where a connection string has more than it may, or sends in the clear."""
    try:
        parts = _parts(database)
    except (psycopg.Error, UnicodeError):
        # Its message may quote a password.
        raise ValueError("database is no libpq connection string") from None
    if "password" in parts or "passfile" in parts:
        raise ValueError("a password does not stand in mip.toml; use password_file or credential")
    other = sorted(parts.keys() - _ALLOWED)
    if other:
        raise ValueError(f"database may not say {', '.join(other)}")
    lacking = [key for key in ("host", "dbname", "user") if not parts.get(key)]
    if lacking:
        raise ValueError(f"database says no {' and no '.join(lacking)}")
    if "," in parts["host"]:
        raise ValueError("database names one host")
    if _is_socket(parts):
        return
    if parts.get("sslmode", "verify-full") not in _PROVED or not parts.get("sslrootcert"):
        raise ValueError(
            "over a network, database says sslrootcert, the file of the authority that vouches for "
            f"the server, and sslmode is {' or '.join(_PROVED)}"
        )
