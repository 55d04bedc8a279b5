"""The ways by which a message goes out: each delivers it, or says in a word why not."""

import ssl
from collections.abc import Mapping
from typing import Protocol

from medmip.catalogue.configuration import SettingsError
from medmip.notices.message import Message


class NotDelivered(Exception):
    """A message did not arrive; the reason holds neither a secret nor what a server said."""


class Way(Protocol):
    """One way; deliver raises NotDelivered."""

    def deliver(self, message: Message) -> None: ...


Ways = Mapping[str, Way]


def trusting(name: str, authority_file: str) -> ssl.SSLContext:
    """TLS 1.2 or newer, checked against the system's authorities, and a further one if named.

    Raises SettingsError where the file holds no certificates.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authority_file:
        try:
            context.load_verify_locations(cafile=authority_file)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"{authority_file} holds no certificates that can be read: {type(error).__name__}.",
                where=f"notices.{name}.authority_file",
                remedy="Name a PEM file of the authority that vouches for the receiver.",
            ) from None
    return context
