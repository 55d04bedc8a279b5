"""nginx before the portal: TLS 1.3, and nothing else but what an authority asks for."""

from ipaddress import ip_address

from medmip.deploy.blocks.declaration import CONFIGURATION
from medmip.deploy.blocks.registry import PORTAL, PORTAL_KEY

CERTIFICATE = f"{CONFIGURATION}/portal.pem"

_OTHERS = """\
server {{
  listen {port} ssl default_server;
  listen [::]:{port} ssl default_server;
  ssl_reject_handshake on;
  ssl_protocols TLSv1.3;
}}
"""
CHALLENGES = 8402
"""Where, on loopback and while a certificate is ordered alone, an authority is answered."""
_AUTHORITY = """\
server {{
  listen 80;
  listen [::]:80;
  server_name {name};
  server_tokens off;
  location /.well-known/acme-challenge/ {{
    proxy_pass http://127.0.0.1:{port};
    proxy_set_header Host $host;
  }}
  location / {{
    return 301 https://{name}$request_uri;
  }}
}}
"""


def proxy(
    name: str,
    *,
    secrets: str = f"{CONFIGURATION}/secrets",
    at: str = CERTIFICATE,
    is_asked: bool = False,
    port: int = 443,
) -> str:
    """The site of nginx; name is what people type, another name is refused in the handshake.

    is_asked says whether an authority comes by port 80 to see that the name is ours; port is where
    it listens, above 1024 in a container without privileges.
    """
    # A browser that was given a number names nobody in the handshake.
    others = "" if _is_number(name) else _OTHERS.format(port=port)
    asked = _AUTHORITY.format(name=name, port=CHALLENGES) if is_asked else ""
    return f"""\
# Written by `mip deploy setup`.
{others}{asked}\
server {{
  listen {port} ssl http2;
  listen [::]:{port} ssl http2;
  server_name {name};
  # Here, since from Debian 13 on nginx.conf says it for all sites, and twice is refused.
  server_tokens off;
  ssl_certificate {at};
  ssl_certificate_key {secrets}/{PORTAL_KEY}.pem;
  ssl_protocols TLSv1.3;
  ssl_session_tickets off;
  add_header Strict-Transport-Security "max-age=63072000" always;
  client_max_body_size 2g;
  location / {{
    proxy_pass http://127.0.0.1:{PORTAL};
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-Proto https;
    proxy_set_header X-Forwarded-For $remote_addr;
    # Progress is streamed, and an analysis may be silent for long.
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_read_timeout 1h;
  }}
}}
"""


def _is_number(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
