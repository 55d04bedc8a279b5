"""The road to a server: requests, problem answers, events; the only place that holds the token."""

import json
import re
import ssl
from collections.abc import Generator, Mapping
from ipaddress import ip_address
from pathlib import Path

import httpx
from pydantic import JsonValue

from medmip.client.errors import ClientError, Problem, Unreachable

_TIMES = httpx.Timeout(120, connect=10)
"""Seconds: an exploration answers once it is computed."""
_API = "/api/v1"
_TOKEN = re.compile(r"[\x21-\x7e]{1,500}")
_BLOTTED = "[token]"


class Connection:
    """Asks one server; raises Problem where it answers with one, Unreachable where it does not.

    url is the portal's address. A token goes over TLS, or to this machine itself, and nowhere else:
    no redirection is followed. ca is a file with the certificate of the hospital's own authority.
    """

    def __init__(self, url: str, token: str | None = None, ca: Path | None = None) -> None:
        self.url, here = _address(url, secret=token is not None)
        if token is not None and not _TOKEN.fullmatch(token):
            raise ClientError(
                "The access token has characters that no token has",
                remedy="Copy it again from your profile in the portal.",
            )
        self._auth = _Bearer(token)
        self._client = httpx.Client(
            base_url=self.url + _API,
            auth=self._auth,
            timeout=_TIMES,
            verify=True if ca is None else ssl.create_default_context(cafile=ca),
            # A proxy of the environment is for what lies outside this machine.
            trust_env=not here,
        )

    def get(self, path: str, **query: str | int | None) -> JsonValue:
        """The answer to GET; parameters that are None are left out."""
        asked = {name: value for name, value in query.items() if value is not None}
        return self._json("GET", path, query=asked)

    def post(self, path: str, body: Mapping[str, object] | None = None) -> JsonValue:
        """The answer to POST."""
        return self._json("POST", path, body=body)

    def events(self, path: str) -> Generator[tuple[str, JsonValue], None, None]:
        """Server-sent events as (name, data); ends when the server ends them."""
        try:
            with self._client.stream("GET", path) as response:
                if not response.is_success:
                    response.read()
                    raise self._problem(response)
                name = ""
                for line in response.iter_lines():
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        yield name, json.loads(line.removeprefix("data: "))
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def close(self) -> None:
        self._client.close()

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> JsonValue:
        try:
            response = self._client.request(method, path, params=query, json=body)
        except httpx.HTTPError as error:
            # An error of httpx holds the request with its headers: it goes no further.
            raise self._unreachable(error) from None
        if not response.is_success:
            raise self._problem(response)
        found = _document(response)
        if found is None:
            raise Unreachable(
                "What answers is no MIP", where=self.url, remedy="Check the address of the portal."
            )
        return found

    def _problem(self, response: httpx.Response) -> ClientError:
        document = _document(response)
        if not isinstance(document, dict):
            return Unreachable(
                f"Something answers with HTTP status {response.status_code} that is no MIP",
                where=self.url,
                remedy="Check the address of the portal, and whether a proxy stands before it.",
            )
        # A proxy may tell in its answer what it was sent.
        return Problem(response.status_code, self._auth.blotted(document))

    def _unreachable(self, error: httpx.HTTPError) -> Unreachable:
        return Unreachable(
            f"No answer ({type(error).__name__})",
            where=self.url,
            remedy="Check the address, the network, and whether MIP runs there.",
        )


class _Bearer(httpx.Auth):
    """Adds the access token to a request; shows itself to nobody."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        yield request

    def blotted(self, document: dict[str, JsonValue]) -> dict[str, JsonValue]:
        """A document without the token, wherever it is in it."""
        if self._token is None:
            return document
        text = json.dumps(document, ensure_ascii=False)
        written = json.dumps(self._token, ensure_ascii=False)[1:-1]
        clean: dict[str, JsonValue] = json.loads(text.replace(written, _BLOTTED))
        return clean

    def __repr__(self) -> str:
        return "_Bearer()"


def _document(response: httpx.Response) -> JsonValue:
    if "json" not in response.headers.get("content-type", ""):
        return None
    try:
        found: JsonValue = response.json()
    except ValueError:
        return None
    return found


def _address(url: str, *, secret: bool) -> tuple[str, bool]:
    """The address without a slash at its end, and whether it is this machine's."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise ClientError("The address is none", remedy=_LIKE) from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ClientError("The address is none of http or https", remedy=_LIKE)
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise ClientError("The address holds more than a place", remedy=_LIKE)
    here = _is_loopback(parsed.host)
    if secret and parsed.scheme == "http" and not here:
        raise ClientError(
            "An access token is not sent without TLS",
            where=str(parsed),
            remedy="Use the portal's https address.",
        )
    return str(parsed).rstrip("/"), here


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


_LIKE = "It looks like https://mip.hospital.example or http://127.0.0.1:8080."
