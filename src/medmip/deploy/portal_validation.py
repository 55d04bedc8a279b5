"""Whether the portal comes as people meet it: over TLS, with its pages, and not without log-in."""

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from pathlib import Path

from medmip.deploy.acceptance import Check

CERTIFICATE_LEFT = timedelta(days=14)
SHARE_LEFT = 5
"""Some authorities sign for days alone: a fifth of the life is left at least, or so many days."""
_SCRIPT = re.compile(rb'<script[^>]+src="(/[^"]+)"')
_REMEDY = "`nginx -t` and `journalctl -u nginx` say why."


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    secured: bool
    content: bytes


def look_at_portal(name: str, authority: Path | None) -> Iterator[Check]:
    """The points of the portal of this name on this machine.

    authority is a file of the certificates that vouch for it, None where everybody's do. Raises
    OSError and HTTPException where nothing answers.
    """
    with _connected(name, authority) as connection:
        secured = connection.sock
        assert isinstance(secured, ssl.SSLSocket)
        begin, end = (
            datetime.fromtimestamp(ssl.cert_time_to_seconds(str(when)), UTC)
            for when in map((secured.getpeercert() or {}).__getitem__, ("notBefore", "notAfter"))
        )
        protocol = secured.version()
        page = _asked(connection, "/")
        script = _SCRIPT.search(page.content)
        program = _asked(connection, script[1].decode()) if script else None
        shut = {path: _asked(connection, path) for path in ("/api/v1/datasets", "/metrics")}
    yield Check("portal", page.status == 200, f"HTTP {page.status} over {protocol}", _REMEDY)
    whole = program is not None and program.status == 200
    yield Check(
        "the portal's program",
        whole,
        "the page comes with its program" if whole else "the page comes without its program",
        "The installed wheel was made without the portal: `make portal`, make the wheels anew, "
        "and `mip deploy upgrade --wheels FOLDER`.",
    )
    yield Check("TLS 1.3 and HSTS", protocol == "TLSv1.3" and page.secured, f"{protocol}", _REMEDY)
    for path, answer in shut.items():
        yield Check(
            f"nobody enters {path} without log-in",
            answer.status in (401, 403),
            f"HTTP {answer.status}",
            "[login] in the answers is `local` or `oidc`.",
        )
    left = end - datetime.now(UTC)
    yield Check(
        "certificate",
        left > min(CERTIFICATE_LEFT, (end - begin) / SHARE_LEFT),
        f"valid for {left / timedelta(days=1):.0f} days",
        "`mip deploy configure` with the answers, then `mip deploy setup`, renews our own; "
        "the hospital's is given anew; "
        "`journalctl -u mip-certificate` says why none came by ACME.",
    )


@contextmanager
def _connected(name: str, authority: Path | None) -> Iterator[HTTPSConnection]:
    context = ssl.create_default_context(cafile=str(authority) if authority else None)
    connection = HTTPSConnection(name, timeout=20, context=context)
    # By this machine's own address: what people come by may be beyond a firewall of the hospital.
    raw = socket.create_connection(("127.0.0.1", 443), timeout=20)
    try:
        connection.sock = context.wrap_socket(raw, server_hostname=name)
        yield connection
    finally:
        connection.close()
        raw.close()


def _asked(connection: HTTPSConnection, path: str) -> _Answer:
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    return _Answer(answer.status, bool(answer.getheader("strict-transport-security")), content)
