"""Who is told of what, as the section `[notices]` of the home's `mip.toml` says."""

import re
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from medmip.catalogue.configuration import section
from medmip.catalogue.home import Home
from medmip.notices.event import GROUPS, Event, Kind

CREDENTIAL = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
ChannelName = Literal["email", "slack", "webhook"]


def _is_event(name: str) -> str:
    if name not in (*GROUPS, *Kind):
        raise ValueError(f"there are no events of this name; there are {', '.join(GROUPS)}")
    return name


def _is_address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        raise ValueError("this is no address for e-mail, such as mip@hospital.example")
    return text


def checked_url(text: str) -> str:
    """An address that may be posted to; raises ValueError where others could read on the way."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("this is no URL") from None
    if not host or parts.username is not None or parts.fragment or re.search(r"\s", text):
        raise ValueError("a URL has a host, and neither user, fragment nor blanks")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("a URL begins with https://, but for this machine itself")
    return text


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its very name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


Events = tuple[Annotated[str, AfterValidator(_is_event)], ...]
Address = Annotated[str, AfterValidator(_is_address)]
Url = Annotated[str, AfterValidator(checked_url)]


class ChannelSettings(BaseModel):
    """What every way has.

    events are kinds or groups of events, all of them where it is empty. The secret is one line of
    secret_file, or the systemd credential of that name; it never stands here. authority_file holds
    certificates (PEM) of a hospital's own authority, trusted beside the system's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    events: Events = ()
    secret_file: str = Field("", pattern=r"^(/[^\x00]*)?$")
    credential: str = Field("", pattern=rf"^({CREDENTIAL.pattern})?$")
    authority_file: str = Field("", pattern=r"^(/[^\x00]*)?$")

    @model_validator(mode="after")
    def _has_one_secret(self) -> "ChannelSettings":
        if self.secret_file and self.credential:
            raise ValueError("secret_file and credential exclude each other")
        return self

    @property
    def has_secret(self) -> bool:
        return bool(self.secret_file or self.credential)

    def wants(self, event: Event) -> bool:
        """Whether it is told of such an event."""
        named = (event.kind.value, event.kind.group)
        return event.kind is Kind.TEST or not self.events or not {*self.events}.isdisjoint(named)


class EmailSettings(ChannelSettings):
    """A mail server; the secret is the user's password. port is the usual one for security."""

    host: str = Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")
    port: int | None = Field(None, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: Address
    to: tuple[Address, ...] = Field(min_length=1, max_length=50)
    user: str = Field("", max_length=320, pattern=r"^[^\s\x00]*$")

    @model_validator(mode="after")
    def _is_safe(self) -> "EmailSettings":
        if bool(self.user) != self.has_secret:
            raise ValueError("user needs secret_file or credential, and they need user")
        if self.security == "none" and not is_loopback(self.host):
            raise ValueError("security = 'none' is for a mail server on this machine alone")
        return self

    @property
    def at(self) -> int:
        """The port that is dialled."""
        return self.port or _PORTS[self.security]


class SlackSettings(ChannelSettings):
    """An incoming webhook of Slack, or of what takes the same, such as Mattermost.

    Its URL is the secret: who knows it may write there.
    """

    @model_validator(mode="after")
    def _has_url(self) -> "SlackSettings":
        if not self.has_secret:
            raise ValueError("secret_file or credential names what holds the webhook's URL")
        return self


class WebhookSettings(ChannelSettings):
    """A receiver of the hospital's own; the secret signs what it gets, in base64."""

    url: Url

    @model_validator(mode="after")
    def _has_key(self) -> "WebhookSettings":
        if not self.has_secret:
            raise ValueError("secret_file or credential names what holds the signing key")
        return self


class NoticeSettings(BaseModel):
    """The section `[notices]`.

    portal is the address that people reach the portal by, for links. Of what is not urgent one
    summary is sent each summary_minutes, 0 for at once. certificates are files that are watched.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Literal["en", "de", "fr"] = "en"
    portal: Annotated[str, AfterValidator(lambda text: text and checked_url(text))] = ""
    summary_minutes: int = Field(15, ge=0, le=24 * 60)
    certificates: tuple[Annotated[str, Field(pattern=r"^/[^\x00]+$")], ...] = ()
    email: EmailSettings | None = None
    slack: SlackSettings | None = None
    webhook: WebhookSettings | None = None

    @property
    def channels(self) -> dict[ChannelName, ChannelSettings]:
        """The ways that are set, by name."""
        named: dict[ChannelName, ChannelSettings | None] = {
            "email": self.email,
            "slack": self.slack,
            "webhook": self.webhook,
        }
        return {name: way for name, way in named.items() if way is not None}


def notice_settings(home: Home) -> NoticeSettings:
    """What the home says; nobody is told of anything where it says nothing. Raises SettingsError.

    Nothing is read here but `mip.toml`.
    """
    return section(home, "notices", NoticeSettings) or NoticeSettings()
