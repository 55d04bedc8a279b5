"""TLS of the DICOM receiver: mutual, and as BCP 195 has it."""

import ssl

from medmip.catalogue.home import Home
from medmip.imaging.errors import ImagingError
from medmip.imaging.settings import TlsSettings

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"
"""Of TLS 1.2; those of 1.3 are all good."""


def context_of(home: Home, settings: TlsSettings) -> ssl.SSLContext:
    """TLS 1.2 or newer, for callers with a certificate of the settings' authority alone.

    Raises ImagingError where a file cannot be read, or key and certificate do not belong together.
    Source: PS3.15, B.12 (modified BCP 195 profile); RFC 9325.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(home.path / settings.authority)
        context.load_cert_chain(home.path / settings.certificate, home.path / settings.key)
    except (OSError, ssl.SSLError):
        raise ImagingError(
            "The receiver's certificate, its key or the peers' authority cannot be read, or do "
            "not belong together.",
            where="[imaging.receiver.tls]",
            remedy="Name three files in PEM that MIP's account can read; the key without a "
            "password.",
        ) from None
    return context
