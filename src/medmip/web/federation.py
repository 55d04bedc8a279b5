"""Routes of the federation's people: who belongs, and what waits for a person's consent."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from medmip.accounts.person import Caller
from medmip.accounts.role import Right
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Variable
from medmip.experiments.service import ExperimentService
from medmip.federation.approvals import Wish
from medmip.federation.clock import now
from medmip.federation.hub_folder import HubFolder
from medmip.federation.offering import read_offering
from medmip.federation.site_folder import SiteFolder, Standing
from medmip.federation.site_record import Invited, Site, SiteState
from medmip.store.filter_words import in_words
from medmip.web.door import Door
from medmip.web.problems import problem_responses


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class HubSelf(BaseModel):
    """This installation as a federation's hub."""

    federation: str
    address: str
    fingerprint: str


class SiteSelf(BaseModel):
    """This installation as a federation's site, as it last heard of itself."""

    federation: str
    name: str
    standing: Standing
    hub: str
    fingerprint: str
    hub_fingerprint: str


class FederationSelf(BaseModel):
    """What this installation is in a federation; null where it is not."""

    hub: HubSelf | None
    site: SiteSelf | None


class Named(BaseModel):
    """A code, and what people read for it."""

    code: str
    label: str


class AskedRequest(BaseModel):
    """An analysis that somebody at the hub asks for.

    rules say in words whose records, steps how these are divided and prepared.
    """

    id: str
    federation: str
    user: str
    algorithms: list[Named]
    model: str
    datasets: list[str]
    variables: list[Named]
    rules: str
    steps: list[str]
    asked: datetime
    answer: Literal["waiting", "granted", "denied"]
    by: str
    answered: datetime | None


class Consent(_Body):
    """Whether a person agrees."""

    agree: bool


class MemberEntry(BaseModel):
    """A site of the hub, or an invitation that nobody has used yet; until when that is valid.

    skew is how far its clock is ahead of the hub's, in seconds.
    """

    node: str
    name: str
    state: SiteState | Literal["invited"]
    fingerprint: str = ""
    asked: datetime | None = None
    decided: datetime | None = None
    seen: datetime | None = None
    until: datetime | None = None
    skew: float | None = None
    version: str = ""

    @classmethod
    def of(cls, site: Site) -> "MemberEntry":
        told = {
            name: getattr(site, name)
            for name in ("node", "name", "state", "asked", "decided", "seen", "skew", "version")
        }
        return cls(fingerprint=site.key.fingerprint, **told)

    @classmethod
    def invited(cls, one: Invited) -> "MemberEntry":
        return cls(node=one.node, name=one.name, state="invited", until=one.expires)


class Compared(_Body):
    """The fingerprint that the hospital read out by phone."""

    fingerprint: Annotated[str, Field(min_length=1, max_length=200)]


class NewInvitation(_Body):
    """The name that the site will have."""

    name: Annotated[str, Field(min_length=2, max_length=80)]


class InvitationToken(BaseModel):
    """A one-time token for `mip site join`, shown this once."""

    name: str
    token: str
    expires: datetime
    hub_fingerprint: str


def router(service: ExperimentService, door: Door) -> APIRouter:
    """Routes under /federation."""
    routes = APIRouter(prefix="/federation", tags=["federation"])
    Approver = Annotated[Caller, Depends(door.to(Right.APPROVE_REQUESTS))]  # noqa: N806 - a type
    Operator = Annotated[Caller, Depends(door.to(Right.OPERATE_FEDERATION))]  # noqa: N806

    @routes.get(
        "",
        operation_id="getFederation",
        dependencies=[Depends(door.to(Right.EXPLORE))],
    )
    def federation() -> FederationSelf:
        """What this installation is in a federation, with the fingerprints to compare."""
        return FederationSelf(hub=_hub(service), site=_site(service))

    @routes.get("/requests", operation_id="listRequests")
    def requests(_: Approver) -> list[AskedRequest]:
        """The analyses that a person here was asked to agree to, the newest first."""
        return [_asked(service, wish) for wish in reversed(service.approvals.list())]

    @routes.post(
        "/requests/{identity}",
        operation_id="answerRequest",
        responses=problem_responses(403, 404, 409, 422),
    )
    def answer(identity: str, consent: Consent, caller: Approver) -> AskedRequest:
        """Agrees to an analysis or declines it; an answer may be changed later."""
        SiteFolder.of(service.home)
        read_offering(service.home.site / "site.toml").check_approver(caller.known_as)
        verdict: Literal["granted", "denied"] = "granted" if consent.agree else "denied"
        return _asked(service, service.approvals.answer(identity, verdict, caller.name))

    @routes.get("/members", operation_id="listMembers", responses=problem_responses(409))
    def members(_: Operator) -> list[MemberEntry]:
        """The sites of this hub, whatever their state, and invitations not used yet."""
        membership, moment = service.registrar().membership, now()
        return [
            *map(MemberEntry.of, membership.sites()),
            *(
                MemberEntry.invited(one)
                for one in membership.invitations()
                if one.is_open(moment) and one.used_by is None
            ),
        ]

    @routes.post(
        "/invitations",
        operation_id="inviteHospital",
        status_code=201,
        responses=problem_responses(409, 422),
    )
    def invite(new: NewInvitation, caller: Operator) -> InvitationToken:
        """A one-time token for a hospital, valid for 24 hours."""
        invitation = service.registrar().invite(new.name, caller.name)
        return InvitationToken(
            name=invitation.name,
            token=invitation.token(),
            expires=invitation.expires,
            hub_fingerprint=invitation.hub_key.fingerprint,
        )

    @routes.post(
        "/members/{node}/approve",
        operation_id="approveSite",
        responses=problem_responses(404, 409, 422),
    )
    def approve(node: str, compared: Compared, caller: Operator) -> MemberEntry:
        """Makes a waiting site a member, where the fingerprint read out is its own."""
        registrar = service.registrar()
        return MemberEntry.of(registrar.approve(node, compared.fingerprint, caller.name))

    @routes.post(
        "/members/{node}/reject",
        operation_id="rejectSite",
        responses=problem_responses(404, 409),
    )
    def reject(node: str, caller: Operator) -> MemberEntry:
        """Sends a waiting site away."""
        return MemberEntry.of(service.registrar().reject(node, caller.name))

    @routes.post(
        "/members/{node}/revoke",
        operation_id="revokeSite",
        responses=problem_responses(404, 409),
    )
    def revoke(node: str, caller: Operator) -> MemberEntry:
        """Puts a member out; its connections are closed within five seconds."""
        return MemberEntry.of(service.registrar().revoke(node, caller.name))

    return routes


def _hub(service: ExperimentService) -> HubSelf | None:
    folder = HubFolder(service.home)
    if not folder.is_whole:
        return None
    settings = folder.settings
    return HubSelf(
        federation=settings.federation,
        address=str(settings.address),
        fingerprint=folder.identity.public.fingerprint,
    )


def _site(service: ExperimentService) -> SiteSelf | None:
    folder = SiteFolder(service.home)
    if not folder.is_whole:
        return None
    joined = folder.membership
    return SiteSelf(
        federation=joined.federation,
        name=joined.name,
        standing=joined.standing,
        hub=str(joined.address),
        fingerprint=folder.identity.public.fingerprint,
        hub_fingerprint=joined.hub.fingerprint,
    )


def _asked(service: ExperimentService, wish: Wish) -> AskedRequest:
    algorithms = service.validator.algorithms
    known = _variables(service.models.list(), wish.model)
    folder = SiteFolder(service.home)
    return AskedRequest(
        id=wish.id,
        federation=folder.membership.federation if folder.is_whole else "",
        user=wish.user,
        algorithms=[
            Named(code=name, label=algorithms[name].label if name in algorithms else name)
            for name in wish.algorithms
        ],
        model=wish.model,
        datasets=list(wish.datasets),
        variables=[
            Named(code=code, label=known[code].label if code in known else code)
            for code in wish.variables
        ],
        rules=in_words(wish.rules, known) if wish.rules else "",
        steps=list(wish.steps),
        asked=datetime.fromisoformat(wish.asked),
        answer=wish.answer,
        by=wish.by,
        answered=datetime.fromisoformat(wish.answered) if wish.answered else None,
    )


def _variables(models: list[DataModel], key: str) -> dict[str, Variable]:
    """The variables of a model, none where this site does not have it."""
    return next((dict(model.all_variables) for model in models if model.key == key), {})
