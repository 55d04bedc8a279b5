"""Notices by HTTP: Slack's incoming webhooks, and signed webhooks of the hospital's own.

Source of the signature: Standard Webhooks, specification of 2023
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
"""

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping

import httpx

from medmip.catalogue.configuration import SettingsError
from medmip.notices.delivery import NotDelivered, trusting
from medmip.notices.email import reason_of
from medmip.notices.message import Message
from medmip.notices.secret import secret_of
from medmip.notices.settings import NoticeSettings, SlackSettings, WebhookSettings, checked_url

_PATIENCE = 15.0
"""Seconds to connect, and as many for the answer to begin."""
_MARK = "whsec_"
_SHORTEST = 24
"""Bytes of a signing key, by the specification."""


class Slack:
    """Posts the text to an incoming webhook; raises SettingsError where its URL cannot be used."""

    def __init__(self, settings: NoticeSettings, own: SlackSettings) -> None:
        self._settings = settings
        self._url = secret_of("slack", own)
        try:
            checked_url(self._url)
        except ValueError as error:
            raise SettingsError(
                f"What it holds cannot be used: {error}.", where="notices.slack"
            ) from None
        self._client = _client("slack", own.authority_file)

    def deliver(self, message: Message) -> None:
        # Slack knows no id of a message: a person sees by it that one came twice.
        text = f"{message.text(self._settings)}{message.id}"
        _post(self._client, self._url, json.dumps({"text": text}).encode(), {})


class Webhook:
    """Posts a signed document; raises SettingsError where its key cannot be used."""

    def __init__(self, settings: NoticeSettings, own: WebhookSettings) -> None:
        self._settings = settings
        self._url = own.url
        self._key = signing_key(secret_of("webhook", own))
        self._client = _client("webhook", own.authority_file)

    def deliver(self, message: Message) -> None:
        body = json.dumps(message.document(self._settings)).encode()
        headers = signed(self._key, message.id, int(time.time()), body)
        _post(self._client, self._url, body, headers)


def signing_key(text: str) -> bytes:
    """The bytes of a key in base64, with or without `whsec_`; raises SettingsError."""
    try:
        key = base64.b64decode(text.removeprefix(_MARK), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < _SHORTEST:
        raise SettingsError(
            f"The signing key is not base64 of at least {_SHORTEST} bytes.",
            where="notices.webhook",
            remedy="Make one: openssl rand -base64 32",
        )
    return key


def signed(key: bytes, identity: str, moment: int, body: bytes) -> dict[str, str]:
    """The headers by which a receiver knows sender, message and time (seconds since 1970)."""
    content = b".".join((identity.encode(), str(moment).encode(), body))
    seal = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(moment),
        "webhook-signature": f"v1,{seal}",
    }


def _client(name: str, authority_file: str) -> httpx.Client:
    # A redirect is followed nowhere: who answers by one would choose who gets the next message.
    return httpx.Client(
        verify=trusting(name, authority_file), timeout=_PATIENCE, follow_redirects=False
    )


def _post(client: httpx.Client, url: str, body: bytes, headers: Mapping[str, str]) -> None:
    try:
        # The answer's body is not read: it may be endless.
        with client.stream(
            "POST", url, content=body, headers={"Content-Type": "application/json", **headers}
        ) as answer:
            status = answer.status_code
    except (httpx.HTTPError, OSError, ValueError) as error:
        raise NotDelivered(reason_of(error)) from None
    if 300 <= status < 400:
        raise NotDelivered(f"the receiver redirects ({status}); name its final address")
    if not 200 <= status < 300:
        raise NotDelivered(f"the receiver answers {status}")
