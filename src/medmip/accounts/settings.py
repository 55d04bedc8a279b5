"""How people log in: one line of the installation's configuration decides, the rest is detail."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from medmip.accounts.role import Role
from medmip.catalogue.configuration import section
from medmip.catalogue.home import Home


class Oidc(BaseModel):
    """An OpenID provider; claim names the claim that holds roles, mapped by `roles`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issuer: str = Field(pattern=r"^https?://")
    client_id: str = Field(min_length=1)
    client_secret_file: str = ""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    claim: str = "roles"
    roles: dict[str, tuple[Role, ...]] = {}


class Login(BaseModel):
    """The section `[login]` of the configuration.

    kind: `local` keeps accounts here, `oidc` asks a provider, `open` asks nobody and serves this
    machine alone. idle_minutes and longest_hours bound a session; second_factor names the roles
    that must have one; terms_version is the version of the data-use terms to be accepted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["local", "oidc", "open"] = "local"
    oidc: Oidc | None = None
    idle_minutes: int = Field(60, ge=1, le=24 * 60)
    longest_hours: int = Field(12, ge=1, le=24 * 30)
    second_factor: tuple[Role, ...] = ()
    terms_version: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _provider_is_named(self) -> "Login":
        if self.kind == "oidc" and self.oidc is None:
            raise ValueError("kind = 'oidc' needs a section [login.oidc] that names the provider")
        return self


def login_settings(home: Home) -> Login:
    """What the home's `mip.toml` says about log-in; the defaults for what it leaves out.

    Raises SettingsError naming the field: a configuration that is not understood lets nobody in.
    """
    return section(home, "login", Login) or Login()
