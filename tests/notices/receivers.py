"""Real receivers of notices: a mail server with STARTTLS and log-in, a web server over TLS."""

import json
import ssl
import threading
import time
from asyncio.base_events import Server as AsyncioServer
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

USER, PASSWORD = "mip", "a-very-secret-password"


@dataclass(frozen=True)
class Vouched:
    """A certificate for 127.0.0.1 and localhost, and the authority behind it, as PEM files."""

    chain: Path
    key: Path
    authority: Path

    @property
    def context(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.chain, self.key)
        return made


def vouched(folder: Path, name: str, days: int = 90, since: int = 1) -> Vouched:
    """A new authority and a certificate of it, that runs out after so many days.

    since is for how many days it has been valid already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, part)])
        for part in (f"{name} authority", "127.0.0.1")
    ]
    hosts = [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")]
    certificates = []
    for place in range(2):
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[place])
            .issuer_name(names[0])
            .public_key(keys[place].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=since))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=place == 0, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(keys[place].public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()),
                critical=False,
            )
        )
        if place == 0:
            usage = x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, crl_sign=True,
                content_commitment=False, key_encipherment=False, data_encipherment=False,
                key_agreement=False, encipher_only=False, decipher_only=False,
            )  # fmt: skip
            builder = builder.add_extension(usage, critical=True)
        else:
            builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        certificates.append(builder.sign(keys[0], SHA256()))
    made = Vouched(folder / f"{name}.pem", folder / f"{name}.key", folder / f"{name}-ca.pem")
    pem = serialization.Encoding.PEM
    made.authority.write_bytes(certificates[0].public_bytes(pem))
    made.chain.write_bytes(certificates[1].public_bytes(pem))
    made.key.write_bytes(
        keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


@dataclass
class Web:
    """A web server's doings: status is what it answers, hang how many seconds it waits first."""

    url: str
    status: int = 200
    hang: float = 0.0
    location: str = ""
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def documents(self) -> list[dict[str, object]]:
        return [json.loads(body) for _, body in self.posts]

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.posts]

    def wait(self, number: int, seconds: float = 20.0) -> None:
        until = time.monotonic() + seconds
        while len(self.posts) < number:
            assert time.monotonic() < until, f"{len(self.posts)} of {number} notices came"
            time.sleep(0.05)


@contextmanager
def web_server(proof: Vouched) -> Iterator[Web]:
    """A web server over TLS that takes whatever is posted."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            doings.posts.append(({k.lower(): v for k, v in self.headers.items()}, body))
            time.sleep(doings.hang)
            self.send_response(doings.status)
            if doings.location:
                self.send_header("Location", doings.location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Clients that are killed, or do not accept the certificate, are what is tested."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = proof.context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    doings = Web(f"https://127.0.0.1:{server.server_address[1]}/notices?token=in-the-url")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield doings
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Post:
    """A mail server's doings; log_ins tells who has logged in."""

    port: int = 0
    answer: str = "250 OK"
    mails: list[EmailMessage] = field(default_factory=list)
    receivers: list[list[str]] = field(default_factory=list)
    log_ins: list[str] = field(default_factory=list)


class _Postman:
    def __init__(self, doings: Post) -> None:
        self._doings = doings

    async def handle_DATA(  # noqa: N802 - the library's name
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert session.ssl, "nothing is said before TLS"
        if self._doings.answer.startswith("250"):
            content = envelope.content
            assert isinstance(content, bytes)
            mail = message_from_bytes(content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self._doings.mails.append(mail)
            self._doings.receivers.append([*envelope.rcpt_tos])
        return self._doings.answer


class _AnyPort(Controller):
    """A server at a port that the system chooses; it knocks at it once to see that it answers."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, AsyncioServer)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def mail_server(proof: Vouched, *, starttls: bool = True) -> Iterator[Post]:
    """A mail server that wants STARTTLS, then a log-in; starttls=False offers no TLS at all."""
    doings = Post()

    def knows(
        _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        if right:
            doings.log_ins.append(data.login.decode())
        return AuthResult(success=right, handled=False)

    controller = _AnyPort(
        _Postman(doings),
        hostname="127.0.0.1",
        port=0,
        tls_context=proof.context if starttls else None,
        require_starttls=starttls,
        auth_required=starttls,
        authenticator=knows,
    )
    controller.start()
    doings.port = controller.port
    try:
        yield doings
    finally:
        controller.stop()
