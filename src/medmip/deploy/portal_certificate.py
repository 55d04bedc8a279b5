"""The portal's certificate: signed by an authority of our own, or checked as the hospital's.

Keys are ECDSA on P-256, the least that every browser takes.
"""

import ipaddress
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from medmip.deploy.errors import DeployError
from medmip.federation.authority import AUTHORITY_LIFE, begun, usage

LIFE = timedelta(days=396)
"""Browsers take no certificate that is valid for longer."""
RENEW_BEFORE = timedelta(days=30)


def new_key() -> bytes:
    """A new private key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def authority(key: bytes, name: str, now: datetime) -> bytes:
    """The certificate (PEM) of an authority with this key, for the portal of this name."""
    private = _elliptic(key)
    public = private.public_key()
    known = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"MIP at {name}"[:64])])
    return (
        begun(known, public, known, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(private, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def signed(
    key: bytes,
    authority_key: bytes,
    authority_pem: bytes,
    name: str,
    now: datetime,
    *,
    life: timedelta = LIFE,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
) -> bytes:
    """A certificate (PEM) for who has this name and private key: the portal, or as purpose says."""
    issuer = x509.load_pem_x509_certificate(authority_pem)
    signer = _elliptic(authority_key)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        begun(subject, _elliptic(key).public_key(), issuer.subject, now, life)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name)]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(signer, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def request(key: bytes, name: str) -> bytes:
    """What an authority is asked to sign (PEM): this name with this private key."""
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName([_general(name)]), critical=True)
        .sign(_elliptic(key), hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


def asks_for(asked: bytes, key: bytes, name: str) -> bool:
    """Whether a request (PEM) is for this private key and name."""
    held = x509.load_pem_x509_csr(asked)
    names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return held.public_key() == _elliptic(key).public_key() and [*names] == [_general(name)]


def is_due(certificate: bytes, key: bytes, name: str, now: datetime) -> bool:
    """Whether a certificate of ours is for another name or key, or soon runs out."""
    held = x509.load_pem_x509_certificate(certificate)
    ours = held.public_key() == _elliptic(key).public_key()
    return not ours or not _is_for(held, name) or held.not_valid_after_utc - now < RENEW_BEFORE


def check(chain: bytes, key: bytes, name: str, now: datetime) -> None:
    """Raises DeployError where chain and key (PEM) cannot serve the portal of this name."""
    try:
        certificate = x509.load_pem_x509_certificates(chain)[0]
    except (ValueError, IndexError):
        raise DeployError("there is no certificate in PEM in it") from None
    try:
        private = load_pem_private_key(key, password=None)
    except (ValueError, TypeError):
        raise DeployError("the key is no private key in PEM without a passphrase") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise DeployError("the key does not belong to the certificate, which must stand first")
    if not _is_for(certificate, name):
        raise DeployError(f"the certificate is not for {name}")
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        raise DeployError("the certificate is not valid now")


def _is_for(certificate: x509.Certificate, name: str) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    wildcard = x509.DNSName("*." + name.partition(".")[2])
    return _general(name) in names or wildcard in names


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _elliptic(key: bytes) -> ec.EllipticCurvePrivateKey:
    private = load_pem_private_key(key, password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise DeployError("A key of ours is not on an elliptic curve")
    return private
