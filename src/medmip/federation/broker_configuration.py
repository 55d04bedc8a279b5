"""The broker's configuration, written from the hub's settings and who may connect."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from medmip.federation.identity import PublicIdentity
from medmip.federation.subjects import Permissions

CLUSTER = "cluster.conf"
"""The operator's own file beside the configuration, which joins the server with others."""
MAX_PAYLOAD = 8 * 2**20
"""Bytes a message; the wire sends larger ones in pieces."""


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """One identity that may connect, and what it may publish and hear."""

    identity: PublicIdentity
    permissions: Permissions


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Where the broker listens, and the files (PEM) of its TLS; clustered: with others."""

    listen: str
    port: int
    certificate: Path
    key: Path
    authority: Path
    process: Path
    clustered: bool = False


def configuration(settings: BrokerSettings, users: Iterable[BrokerUser]) -> str:
    """nats-server's configuration: mutual TLS 1.3 first of all, and allow-lists alone.

    JetStream, leaf nodes, websockets, MQTT and monitoring are off: nothing is listed that turns
    them on. So are routes, but where the operator's own file joins the server with others.
    """
    joined = f"include ./{CLUSTER}\n" if settings.clustered else ""
    rows = "\n".join(f"    {_user(user)}" for user in users)
    return f"""# Written by MIP; changes are overwritten. Who may connect is changed by `mip hub`.
listen: {_quoted(f"{_bracketed(settings.listen)}:{settings.port}")}
pid_file: {_quoted(str(settings.process))}
{joined}max_payload: {MAX_PAYLOAD}
max_pending: {8 * MAX_PAYLOAD}
ping_interval: "5s"
ping_max: 2
write_deadline: "10s"
tls {{
  cert_file: {_quoted(str(settings.certificate))}
  key_file: {_quoted(str(settings.key))}
  ca_file: {_quoted(str(settings.authority))}
  verify: true
  handshake_first: true
  min_version: "1.3"
  timeout: 5
}}
authorization {{
  timeout: 5
  users: [
{rows}
  ]
}}
"""


def _user(user: BrokerUser) -> str:
    allowed = user.permissions
    rules = [
        f"publish: {{ allow: [{_listed(allowed.publish)}] }}",
        f"subscribe: {{ allow: [{_listed(allowed.subscribe)}] }}",
    ]
    return f"{{ nkey: {user.identity.nkey}, permissions: {{ {', '.join(rules)} }} }}"


def _listed(subjects: Iterable[str]) -> str:
    return ", ".join(map(_quoted, subjects))


def _quoted(text: str) -> str:
    if '"' in text or "\\" in text or not text.isprintable():
        raise ValueError("a path or subject that the broker's configuration cannot hold")
    return f'"{text}"'


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
