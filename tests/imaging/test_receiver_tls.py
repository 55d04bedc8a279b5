"""By TLS the receiver hears peers with a certificate of its authority, and nobody else."""

import ipaddress
import socket
import ssl
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydicom.uid import JPEGLSLossless, MRImageStorage
from pynetdicom import AE

from medmip.imaging.errors import ImagingError
from medmip.imaging.receiver import VERIFICATION, Receiver
from medmip.imaging.reception import Reception
from medmip.imaging.settings import ReceiverSettings
from tests.imaging.scanner import scan

PEER = {"title": "PACS", "address": "127.0.0.1"}


class Authority:
    """Signs certificates, and writes them and their keys into a folder."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        folder.mkdir(exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._signed(self.subject, self.key, ca=True)
        self.file = folder / f"{name}.crt"
        self.file.write_bytes(self.certificate.public_bytes(Encoding.PEM))

    def _signed(self, subject, key, *, ca, days=2):
        now = datetime.now(UTC)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=5))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    def issue(self, name, *, days=2):
        """The files of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        paths = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        made = self._signed(subject, key, ca=False, days=days)
        paths[0].write_bytes(made.public_bytes(Encoding.PEM))
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        paths[1].write_bytes(plain)
        return paths


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "ca", "hospital")


@pytest.fixture
def tls(authority):
    certificate, key = authority.issue("mip")
    return {"certificate": certificate, "key": key, "authority": authority.file}


@pytest.fixture
def port(home, tls):
    stated = {"port": 0, "peers": [PEER], "quiet_seconds": 600, "tls": tls}
    settings = ReceiverSettings.model_validate(stated)
    reception = Reception(home, settings)
    with reception.working(), Receiver(home, settings, reception).listening() as number:
        yield number


def client(authority, own=None):
    """What a peer knows: whom it trusts, and its own certificate and key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority.file)
    if own is not None:
        context.load_cert_chain(*own)
    return context


@contextmanager
def associated(port, context, title="PACS"):
    entity = AE(title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 60
    entity.add_requested_context(VERIFICATION)
    entity.add_requested_context(MRImageStorage, [JPEGLSLossless])
    tls_args = (context, "127.0.0.1") if context else None
    association = entity.associate("127.0.0.1", port, ae_title="MIP", tls_args=tls_args)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
        if association.dul.socket is not None and association.dul.socket.socket is not None:
            association.dul.socket.socket.close()


def is_heard(port, context, title="PACS"):
    with associated(port, context, title) as association:
        return association.is_established and association.send_c_echo().get("Status") == 0


def test_a_peer_with_a_certificate_of_the_authority_is_heard(port, authority):
    with associated(port, client(authority, authority.issue("pacs"))) as association:
        assert association.send_c_echo().Status == 0
        accepted = {one.abstract_syntax: one for one in association.accepted_contexts}
        assert accepted[MRImageStorage].transfer_syntax == [JPEGLSLossless]
        version = association.dul.socket.socket.version()
    assert version in ("TLSv1.2", "TLSv1.3")


def test_nobody_else_is_heard(port, authority, tmp_path):
    stranger = Authority(tmp_path / "other", "stranger")
    assert not is_heard(port, None), "plain DICOM"
    assert not is_heard(port, client(authority)), "no certificate"
    assert not is_heard(port, client(authority, stranger.issue("pacs"))), "of another authority"
    assert not is_heard(port, client(authority, authority.issue("late", days=-1))), "expired"
    own = authority.issue("pacs")
    assert not is_heard(port, client(authority, own), title="STRANGER"), "its title is not named"
    assert is_heard(port, client(authority, own))


def test_old_protocols_and_weak_ciphers_are_not_spoken(port, authority):
    def greeted(change):
        context = client(authority, authority.issue("pacs"))
        change(context)
        with (
            socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as talked,
        ):
            return talked.version()

    def old(context):
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    def weak(context):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AES128-SHA:ECDHE+AES+SHA256:!AESGCM")

    def good(context):
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.warns(match="deprecated"), pytest.raises(ssl.SSLError):
        greeted(old)
    with pytest.raises(ssl.SSLError):
        greeted(weak)
    assert greeted(good) == "TLSv1.2"


def test_a_caller_that_says_nothing_keeps_nobody_waiting(port, authority):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as silent:
        assert is_heard(port, client(authority, authority.issue("pacs")))
        assert silent.recv(1) == b"", "it is cut off"


def test_dcmtk_sends_by_tls(home, port, authority, tmp_path, need):
    storescu = need("storescu")
    paths = scan(tmp_path / "in", slices=3)
    certificate, key = authority.issue("pacs")

    def sent(*options):
        named = ["-aet", "PACS", "-aec", "MIP", "127.0.0.1", str(port)]
        done = subprocess.run(
            [storescu, *options, *named, *paths], check=False, capture_output=True, timeout=100
        )
        return done.returncode

    assert sent("+tls", key, certificate, "+cf", authority.file) == 0
    assert len(list(home.received.rglob("*.dcm"))) == 3
    assert sent() != 0
    assert sent("+tla", "+cf", authority.file) != 0
    assert len(list(home.received.rglob("*.dcm"))) == 3


def test_files_that_do_not_fit_are_told_of(home, tls, authority):
    for changed in (
        {"key": authority.issue("other")[1]},
        {"certificate": home.path / "none.crt"},
        {"authority": tls["key"]},
    ):
        settings = ReceiverSettings.model_validate({"peers": [PEER], "tls": tls | changed})
        with pytest.raises(ImagingError, match="do not belong together") as refused:
            Receiver(home, settings, Reception(home, settings))
        assert str(home.path) not in str(refused.value)
