"""An OpenID provider that vouches for people: authorization code with PKCE, discovery, log-out.

Sources: OpenID Connect Core 1.0, Discovery 1.0, Back-Channel Logout 1.0; RFC 7636 (PKCE).
"""

import hmac
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, import_key

from medmip.accounts.errors import NotLoggedIn
from medmip.accounts.role import Role
from medmip.accounts.settings import Oidc
from medmip.errors import Conflict

_PATIENCE = 10.0
"""Seconds that the provider may take to answer."""
LONGEST_LOG_IN = 600.0
"""Seconds that somebody may take at the provider."""
_ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
_LEEWAY = 60
_FRESH = 3600.0
"""Seconds for which what the provider says of itself is believed without asking again."""
_ASK_AGAIN = 10.0
"""Seconds between askings for new keys, so that forged tokens cannot make us flood it."""
_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"


class ProviderTrouble(Conflict):
    """The provider cannot be reached, or answers what it may not."""

    title = "The log-in provider does not answer as it should"
    status = 502


@dataclass(frozen=True)
class Vouched:
    """Whom the provider vouches for; roles are those that its claim maps to."""

    issuer: str
    subject: str
    name: str
    label: str
    email: str
    verified: bool
    roles: tuple[Role, ...]
    provider_session: str


@dataclass(frozen=True)
class Ended:
    """What a provider says is over: all sessions of a subject, or one session."""

    subject: str
    provider_session: str


class Provider:
    """One provider; key is the site's, under which a log-in that is under way lies in a cookie."""

    def __init__(self, settings: Oidc, key: bytes) -> None:
        self.settings = settings
        self._key = AESGCM(key)
        self._client = httpx.Client(timeout=_PATIENCE)
        self._lock = threading.Lock()
        self._known: tuple[float, Mapping[str, Any], KeySet] | None = None
        self._seen: dict[str, float] = {}

    def begin(self, back: str) -> tuple[str, str]:
        """Where to send a browser, and what it keeps meanwhile; back is where it comes back to."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        with self._oauth(back) as oauth:
            address, _ = oauth.create_authorization_url(
                self._endpoint("authorization_endpoint"),
                state=state,
                nonce=nonce,
                code_verifier=verifier,
            )
        kept = {"state": state, "nonce": nonce, "verifier": verifier, "at": time.time()}
        return address, self._sealed(kept)

    def finish(self, back: str, kept: str, state: str, code: str) -> Vouched:
        """Whom the provider vouches for, once the browser is back with a code.

        Raises NotLoggedIn where the answer is not to the question that this browser asked.
        """
        pending = self._opened(kept)
        if (
            pending is None
            or "state" not in pending
            or not hmac.compare_digest(pending["state"], state)
        ):
            raise NotLoggedIn(
                "The log-in was not begun here, or took too long", remedy="Try again."
            )
        found = self._exchanged(back, code, pending["verifier"])
        claims = self._checked(str(found.get("id_token", "")))
        if not hmac.compare_digest(str(claims.get("nonce", "")), pending["nonce"]):
            raise NotLoggedIn("The provider's answer is to another question", remedy="Try again.")
        more = self._told(str(found.get("access_token", "")), str(claims["sub"]))
        return self._vouched({**more, **claims})

    def ended(self, token: str) -> Ended:
        """What a back-channel log-out says is over; raises NotLoggedIn where it is not genuine."""
        claims = self._checked(token)
        events = claims.get("events")
        subject, session = str(claims.get("sub", "")), str(claims.get("sid", ""))
        identity = str(claims.get("jti", ""))
        genuine = isinstance(events, dict) and _LOGOUT in events and "nonce" not in claims
        if not genuine or not (subject or session) or not identity:
            raise NotLoggedIn("This is no log-out token")
        with self._lock:
            now = time.time()
            self._seen = {one: at for one, at in self._seen.items() if now - at < _FRESH}
            if identity in self._seen:
                raise NotLoggedIn("The log-out token was used already")
            self._seen[identity] = now
        return Ended(subject, session)

    def promise(self, vouched: Vouched) -> str:
        """What a browser keeps so that somebody may ask to be let in; see promised."""
        return self._sealed({"vouched": asdict(vouched), "at": time.time()})

    def promised(self, kept: str) -> Vouched:
        """Whom the provider vouched for a short while ago; raises NotLoggedIn."""
        found = self._opened(kept)
        if found is None or "vouched" not in found:
            raise NotLoggedIn(
                "The log-in was not begun here, or took too long", remedy="Try again."
            )
        stated = found["vouched"]
        return Vouched(**{**stated, "roles": tuple(Role(role) for role in stated["roles"])})

    def _vouched(self, claims: Mapping[str, Any]) -> Vouched:
        stated = claims.get(self.settings.claim, ())
        named = [stated] if isinstance(stated, str) else list(stated or ())
        given = {role for name in named for role in self.settings.roles.get(str(name), ())}
        email = str(claims.get("email", ""))
        name = str(claims.get("preferred_username") or email or claims["sub"])
        return Vouched(
            issuer=self.settings.issuer,
            subject=str(claims["sub"])[:500],
            name=name.lower()[:80],
            label=str(claims.get("name") or name)[:200],
            email=email[:320],
            verified=claims.get("email_verified") is True,
            roles=tuple(role for role in Role if role in given),
            provider_session=str(claims.get("sid", "")),
        )

    def _exchanged(self, back: str, code: str, verifier: str) -> Mapping[str, Any]:
        try:
            with self._oauth(back) as oauth:
                found: Mapping[str, Any] = oauth.fetch_token(
                    self._endpoint("token_endpoint"), code=code, code_verifier=verifier
                )
        except OAuthError:
            raise NotLoggedIn(
                "The provider does not accept the code", remedy="Log in again."
            ) from None
        except httpx.HTTPError as error:
            raise _unreachable(self.settings.issuer, error) from None
        return found

    def _oauth(self, back: str) -> OAuth2Client:
        file = self.settings.client_secret_file
        secret = Path(file).read_text(encoding="utf-8").strip() if file else None
        return OAuth2Client(
            self.settings.client_id,
            secret,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope=" ".join(self.settings.scopes),
            redirect_uri=back,
            code_challenge_method="S256",
            timeout=_PATIENCE,
        )

    def _told(self, access: str, subject: str) -> Mapping[str, Any]:
        """The claims of the userinfo endpoint, where there is one; those of the same subject."""
        address = self._metadata().get("userinfo_endpoint")
        if not address or not access:
            return {}
        answer = self._asked("GET", address, headers={"Authorization": f"Bearer {access}"})
        claims = _object(answer) if answer.status_code == 200 else {}
        return claims if claims.get("sub") == subject else {}

    def _checked(self, token: str) -> dict[str, Any]:
        """The claims of a token that the provider signed for us; raises NotLoggedIn."""
        try:
            claims = self._decoded(token, self._keys())
        except (JoseError, ValueError):
            # The provider may have new keys.
            try:
                claims = self._decoded(token, self._keys(again=True))
            except (JoseError, ValueError):
                raise NotLoggedIn("The provider's token is not genuine") from None
        return claims

    def _decoded(self, token: str, keys: KeySet) -> dict[str, Any]:
        claims = jwt.decode(token, keys, algorithms=list(_ALGORITHMS)).claims
        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY,
            iss={"essential": True, "value": self.settings.issuer},
            aud={"essential": True, "value": self.settings.client_id},
            iat={"essential": True},
            exp={"essential": True},
        )
        registry.validate(claims)
        if claims.get("azp", self.settings.client_id) != self.settings.client_id:
            raise ValueError("made for another client")
        return dict(claims)

    def _endpoint(self, name: str) -> str:
        address = self._metadata().get(name)
        if not isinstance(address, str):
            raise ProviderTrouble(f"It names no {name}")
        return address

    def _metadata(self) -> Mapping[str, Any]:
        return self._knowledge()[1]

    def _keys(self, *, again: bool = False) -> KeySet:
        return self._knowledge(again=again)[2]

    def _knowledge(self, *, again: bool = False) -> tuple[float, Mapping[str, Any], KeySet]:
        with self._lock:
            now = time.monotonic()
            age = _FRESH if self._known is None else now - self._known[0]
            if self._known is None or age >= _FRESH or (again and age >= _ASK_AGAIN):
                issuer = self.settings.issuer
                where = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
                stated = _object(self._asked("GET", where))
                if stated.get("issuer") != issuer:
                    raise ProviderTrouble(f"It calls itself otherwise than {issuer}")
                keys = _key_set(self._asked("GET", str(stated["jwks_uri"])))
                self._known = (now, stated, keys)
            return self._known

    def _asked(self, method: str, address: str, **parts: Any) -> httpx.Response:  # noqa: ANN401
        try:
            return self._client.request(method, address, **parts)
        except httpx.HTTPError as error:
            raise _unreachable(address, error) from None

    def _sealed(self, kept: Mapping[str, Any]) -> str:
        nonce = secrets.token_bytes(12)
        return (nonce + self._key.encrypt(nonce, json.dumps(kept).encode(), b"log-in")).hex()

    def _opened(self, kept: str) -> dict[str, Any] | None:
        try:
            raw = bytes.fromhex(kept)
            found: dict[str, Any] = json.loads(self._key.decrypt(raw[:12], raw[12:], b"log-in"))
        except (ValueError, InvalidTag):
            return None
        return found if time.time() - float(found["at"]) < LONGEST_LOG_IN else None


def _unreachable(address: str, error: httpx.HTTPError) -> ProviderTrouble:
    return ProviderTrouble(
        f"It cannot be reached ({type(error).__name__})",
        where=httpx.URL(address).host,
        remedy="Try again; if this stays, tell the administrator.",
    )


def _key_set(answer: httpx.Response) -> KeySet:
    stated = _object(answer).get("keys")
    if not isinstance(stated, list):
        raise ProviderTrouble("It publishes no keys")
    return KeySet([import_key(key) for key in stated if key.get("use", "sig") == "sig"])


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ProviderTrouble(f"It answers {answer.status_code} without an object")
    return found
