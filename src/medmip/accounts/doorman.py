"""Tells who is calling: by a session's cookie, by a token, or anybody where nobody is asked."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import Engine

from medmip.accounts.admission import AllowList
from medmip.accounts.errors import NotAllowed, NotListed, NotLoggedIn
from medmip.accounts.journal import Journal
from medmip.accounts.local_login import LocalLogin
from medmip.accounts.people import People
from medmip.accounts.person import Caller, Person, anybody
from medmip.accounts.provider import Provider, Vouched
from medmip.accounts.role import Right, Role, rights_of
from medmip.accounts.sessions import Known, Sessions
from medmip.accounts.settings import Login, login_settings
from medmip.accounts.tokens import Tokens
from medmip.catalogue.home import Home
from medmip.privacy.site_key import site_key
from medmip.store.state import open_state


class Step(StrEnum):
    """What stands between a visitor and the platform, if anything."""

    LOG_IN = "log_in"
    GIVE_CODE = "give_code"
    SET_SECOND_FACTOR = "set_second_factor"
    ACCEPT_TERMS = "accept_terms"
    IN = "in"


class Doorman:
    """All that is known of people, over one state database; key is the site's for accounts."""

    def __init__(self, settings: Login, state: Engine, key: bytes) -> None:
        self.settings = settings
        self.key = key
        self.people = People(state)
        self.sessions = Sessions(
            state,
            timedelta(minutes=settings.idle_minutes),
            timedelta(hours=settings.longest_hours),
        )
        self.tokens = Tokens(state)
        self.allowed = AllowList(state)
        self.journal = Journal(state)
        self.local = LocalLogin(state, self.sessions, key)
        self.provider = None if settings.oidc is None else Provider(settings.oidc, key)

    @property
    def open(self) -> bool:
        """Whether nobody is asked who they are."""
        return self.settings.kind == "open"

    def known(self, cookie: str) -> Known | None:
        """Whose session a cookie is of."""
        return self.sessions.known(cookie) if cookie else None

    def step(self, known: Known | None) -> Step:
        """What a visitor has to do next."""
        if self.open:
            return Step.IN
        if known is None:
            return Step.LOG_IN
        if not known.complete:
            return Step.GIVE_CODE
        person = self.people.get(known.person)
        if self._needs_factor(person):
            return Step.SET_SECOND_FACTOR
        if person.terms < self.settings.terms_version:
            return Step.ACCEPT_TERMS
        return Step.IN

    def caller(self, cookie: str, authorization: str) -> Caller:
        """Who makes a request; raises NotLoggedIn, and NotAllowed before all steps are done."""
        if self.open:
            return anybody()
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self._by_token(secret.strip())
        known = self.known(cookie)
        match self.step(known):
            case Step.IN if known is not None:
                person = self.people.get(known.person)
                return _caller(person, rights_of(person.roles), session=known.session)
            case Step.SET_SECOND_FACTOR:
                raise NotAllowed(
                    "Your role needs a second factor", remedy="Set it up in your profile."
                )
            case Step.ACCEPT_TERMS:
                raise NotAllowed(
                    "The terms of use have changed", remedy="Read and accept them first."
                )
        raise NotLoggedIn("Nobody is logged in", remedy="Log in, or send an access token.")

    def own(self, cookie: str) -> tuple[Known, Person]:
        """The person of a session whose password and code were given, whatever else is to be done.

        For the profile, where second factor and terms are seen to. Raises NotLoggedIn.
        """
        known = self.known(cookie)
        if known is None or not known.complete:
            raise NotLoggedIn("Nobody is logged in", remedy="Log in first.")
        return known, self.people.get(known.person)

    def let_in(self, vouched: Vouched, address: str = "", agent: str = "") -> str:
        """The secret of a session of somebody whom the provider vouches for.

        Their roles are those of the allow-list and of the provider's claim together. Raises
        NotListed where the allow-list does not have them, whatever the provider says.
        """
        listed = self.allowed.roles_of(vouched.email, verified=vouched.verified)
        if listed is None:
            raise NotListed(
                "Your account is not on this hospital's list",
                remedy="Ask to be let in; an administrator decides.",
            )
        roles = [role for role in Role if role in {*listed, *vouched.roles}]
        person = self.people.admit(
            vouched.issuer, vouched.subject, vouched.name, vouched.label, vouched.email, roles
        )
        if not person.enabled:
            raise NotLoggedIn("The account is closed", remedy="Ask the administrator.")
        self.people.note_log_in(person.id, address)
        return self.sessions.begin(
            person.id,
            complete=True,
            address=address,
            agent=agent,
            provider_session=vouched.provider_session,
        )

    def _by_token(self, secret: str) -> Caller:
        known = self.tokens.known(secret)
        if known is None:
            raise NotLoggedIn(
                "The access token is unknown or has expired",
                remedy="Make a new one in your profile.",
            )
        person = self.people.get(known.person)
        if person.terms < self.settings.terms_version:
            raise NotAllowed(
                "The terms of use have changed", remedy="Accept them in the portal first."
            )
        rights = rights_of(person.roles) & known.scopes
        return _caller(person, rights, token=known.token)

    def _needs_factor(self, person: Person) -> bool:
        asked: Sequence[Role] = self.settings.second_factor
        return (
            self.settings.kind == "local"
            and not person.second_factor
            and any(role in asked for role in person.roles)
        )


def doorman_of(home: Home, settings: Login | None = None) -> Doorman:
    """The doorman of a home, by its own settings or by those given; raises SettingsError."""
    return Doorman(settings or login_settings(home), open_state(home), site_key(home, "accounts"))


def _caller(
    person: Person, rights: frozenset[Right], *, session: str = "", token: str = ""
) -> Caller:
    return Caller(
        name=person.name,
        label=person.label,
        roles=person.roles,
        rights=rights,
        person=person.id,
        session=session,
        token=token,
        known_as=person.known_as,
    )
