"""Where a hub, or a proxy on the way to it, is reached."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from medmip.errors import MipError

HUB_PORT = 4222
"""The port of a hub that names none: the one registered for NATS."""
PROXY_PORT = 3128


class BadAddress(MipError):
    """An address that names no host and port."""

    title = "The address is not valid"


@dataclass(frozen=True, slots=True)
class Address:
    """A host, by name or by number, and a port."""

    host: str
    port: int

    @classmethod
    def parsed(cls, text: str, port: int = HUB_PORT) -> "Address":
        """From `host`, `host:port`, `[2001:db8::1]:port` or `nats://host:port`."""
        parts = _split(text, "nats")
        if parts.scheme not in ("nats", "tls") or parts.username or parts.path not in ("", "/"):
            raise BadAddress(
                f"{text!r} is no hub's address", remedy="It looks like nats://hub.example.org:4222."
            )
        return cls(parts.hostname or "", parts.port or port)

    @property
    def is_number(self) -> bool:
        """Whether the host is an IP address, which needs no DNS."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def url(self) -> str:
        return f"nats://{self}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that opens tunnels by CONNECT; user is empty where it asks for none."""

    address: Address
    user: str = ""
    password: str = ""

    @classmethod
    def parsed(cls, text: str) -> "Proxy":
        """From `http://host:port` or `http://user:password@host:port`; raises BadAddress."""
        parts = _split(text, "http")
        if parts.scheme != "http" or parts.path not in ("", "/"):
            # The text may hold a password, so it is not repeated.
            raise BadAddress(
                "The proxy's address is not valid",
                remedy="It looks like http://proxy.example.org:3128, with user:password@ before "
                "the host where the proxy asks for them.",
            )
        address = Address(parts.hostname or "", parts.port or PROXY_PORT)
        return cls(address, unquote(parts.username or ""), unquote(parts.password or ""))


def _split(text: str, scheme: str) -> SplitResult:
    try:
        parts = urlsplit(text if "://" in text else f"{scheme}://{text}")
        named, port = parts.hostname, parts.port
    except ValueError:
        named, port = None, None
    if not named or not named.isascii() or port == 0 or any(sign.isspace() for sign in text):
        raise BadAddress("An address names a host and a port, such as hub.example.org:4222")
    return parts
