"""A certificate by ACME (RFC 8555): ordered, and proved over HTTP (its section 8.3)."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from acme import challenges, errors, messages, standalone
from acme.client import ClientNetwork, ClientV2
from josepy.jwa import ES256
from josepy.jwk import JWK
from requests import RequestException, Response

from medmip.deploy.errors import DeployError

PATIENCE = timedelta(minutes=3)
"""How long an authority may take to look and to sign."""
_NONCES = 5
"""How many pairs of nonces may be refused before the authority is."""
_RESOURCE = standalone.HTTP01RequestHandler.HTTP01Resource


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority that signs by ACME, and the account that is had with it.

    certificates is a file (PEM) that its server is known by, None for those that everybody knows.
    account and account_key are what some authorities give beforehand (RFC 8555, 7.3.4), else empty.
    """

    directory: str
    contact: str = ""
    certificates: Path | None = None
    account: str = ""
    account_key: str = ""


class _Network(ClientNetwork):
    """Asks anew with the nonce that comes with each refusal of one (RFC 8555, 6.5).

    The library does so once, and an authority of several servers may refuse several.
    """

    def post(self, *args: Any, **kwargs: Any) -> Response:  # noqa: ANN401 - as the library has it
        for _ in range(_NONCES):
            try:
                return super().post(*args, **kwargs)
            except messages.Error as error:
                if error.code != "badNonce":
                    raise
        return super().post(*args, **kwargs)


def ordered(authority: Authority, own_key: bytes, request: bytes, port: int) -> bytes:
    """The chain (PEM) that an authority signs for a request (PEM), for one or several names.

    own_key (PEM, on P-256) is that of the account, which is made where there is none. While the
    authority looks, what it asks for is answered at this port of 127.0.0.1, where a proxy brings
    it. Raises DeployError with what the authority said.
    """
    try:
        client = _client(authority, own_key)
        order = client.new_order(request)
        with _answered(client, order.authorizations, port):
            # The library compares it with a clock that knows of no zone.
            until = datetime.now() + PATIENCE  # noqa: DTZ005
            return client.poll_and_finalize(order, until).fullchain_pem.encode()
    except errors.ValidationError as error:
        raise _refused(authority, _why(error)) from None
    except errors.TimeoutError:
        raise _refused(authority, f"no answer within {PATIENCE}") from None
    except (errors.Error, RequestException, ValueError, OSError) as error:
        raise _refused(authority, f"{type(error).__name__}: {error}"[:600]) from None


def _client(authority: Authority, own_key: bytes) -> ClientV2:
    key = JWK.load(own_key)
    # It is handed on to `requests`, which takes a file of certificates as well as a truth value.
    trusted = cast(bool, str(authority.certificates)) if authority.certificates else True
    network = _Network(key, alg=ES256, verify_ssl=trusted, user_agent="mip")
    directory = ClientV2.get_directory(authority.directory, network)
    client = ClientV2(directory, network)
    binding = None
    if authority.account:
        binding = messages.ExternalAccountBinding.from_data(
            key.public_key(), authority.account, authority.account_key, directory
        )
    try:
        client.new_account(
            messages.NewRegistration.from_data(
                email=authority.contact or None,
                terms_of_service_agreed=True,
                external_account_binding=binding,
            )
        )
    except errors.ConflictError as there:
        network.account = messages.RegistrationResource(
            uri=there.location, body=messages.Registration()
        )
    return client


@contextmanager
def _answered(
    client: ClientV2, asked: Sequence[messages.AuthorizationResource], port: int
) -> Iterator[None]:
    """While the block runs, what the authority asks for is answered."""
    mine = [
        (body, *body.response_and_validation(client.net.key))
        for one in asked
        if one.body.status != messages.STATUS_VALID
        for body in one.body.challenges
        if isinstance(body.chall, challenges.HTTP01)
    ]
    resources = {_RESOURCE(body.chall, response, text) for body, response, text in mine}
    with standalone.HTTP01Server(("127.0.0.1", port), resources) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            for body, response, _ in mine:
                client.answer_challenge(body, response)
            yield
        finally:
            server.shutdown()
            serving.join()


def _why(error: errors.ValidationError) -> str:
    """What the authority met where it looked."""
    return "; ".join(
        f"{one.body.identifier.value}: {body.error.detail}"
        for one in error.failed_authzrs
        for body in one.body.challenges
        if body.error
    )


def _refused(authority: Authority, why: str) -> DeployError:
    return DeployError(
        f"The authority gave no certificate: {why}",
        where=authority.directory,
        remedy="It must be reached from here, and reach this server by its name at port 80.",
    )
