"""Joining, over a real broker: once, in time, by the hub's consent, with clocks that agree."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medmip.catalogue.home import Home
from medmip.errors import Conflict
from medmip.federation.clock import now
from medmip.federation.connection import NotAdmitted, connect_site
from medmip.federation.desk import Desk
from medmip.federation.desk_call import HubRefused, ask, pinned
from medmip.federation.desk_messages import (
    ANSWER,
    QUESTION,
    Answer,
    BadMessage,
    Enrol,
    Hello,
    Leave,
    Question,
    Refusal,
    Renew,
    digest,
    opened,
    sealed,
)
from medmip.federation.enrolment import Rejected, decided, enrol, look
from medmip.federation.identity import Identity
from medmip.federation.invitation import LIFE, BadInvitation, Invitation
from medmip.federation.peers import Met, Peers, SwappedKey
from medmip.federation.site_folder import SiteFolder, Standing
from medmip.federation.site_link import leave, renew, say
from medmip.federation.site_record import SiteState
from medmip.federation.subjects import DESK, to_hub
from medmip.federation.succession import Succession
from tests.federation.members import Hub, joined, made_hub, running, waiting


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    return made_hub(tmp_path_factory.mktemp("hub"))


def site(place: Path) -> SiteFolder:
    return SiteFolder(Home(place).prepare())


def test_a_hospital_joins_waits_is_approved_and_leaves(hub: Hub, tmp_path: Path) -> None:
    async def go() -> None:
        async with running(hub):
            folder = await waiting(hub, tmp_path, "North")
            at_hub = hub.membership.site("North")
            assert at_hub.state is SiteState.WAITING
            # Both sides show the same fingerprints to compare.
            assert at_hub.key.fingerprint == folder.identity.public.fingerprint
            assert folder.membership.hub.fingerprint == hub.folder.identity.public.fingerprint
            assert await look(folder) is Standing.WAITING
            hub.membership.approve("North", now())
            assert (await decided(folder)).standing is Standing.MEMBER
            seen = hub.membership.site("North")
            assert seen.skew is not None
            assert abs(seen.skew) < 10
            await leave(folder)
            assert hub.membership.site("North").state is SiteState.LEFT
            assert not folder.is_whole
            assert not folder.identity_key.exists()

    asyncio.run(go())


def test_a_token_is_taken_once(hub: Hub, tmp_path: Path) -> None:
    async def go() -> None:
        async with running(hub):
            invitation = hub.invitation("Once")
            first = site(tmp_path / "first")
            await enrol(first, invitation, now())
            with pytest.raises(HubRefused, match="used already"):
                await enrol(site(tmp_path / "second"), invitation, now())
            with pytest.raises(Conflict, match="already"):
                await enrol(first, invitation, now())
            # Once the first has spoken by its own identity, the token's opens no connection.
            await look(first)
            await asyncio.sleep(2)
            with pytest.raises(BadInvitation, match="does not take"):
                await enrol(site(tmp_path / "third"), invitation, now())

    asyncio.run(go())


def test_a_site_killed_before_it_kept_the_answer_asks_again(hub: Hub, tmp_path: Path) -> None:
    async def go() -> None:
        async with running(hub):
            invitation = hub.invitation("Again")
            folder = site(tmp_path / "again")
            await enrol(folder, invitation, now())
            key = folder.identity.public
            (folder.path / "membership.json").unlink()
            await enrol(folder, invitation, now())
            assert folder.identity.public == key
            assert await look(folder) is Standing.WAITING

    asyncio.run(go())


def test_a_token_that_ran_out_is_refused_on_both_sides(hub: Hub, tmp_path: Path) -> None:
    late = now() + LIFE + timedelta(seconds=1)
    with pytest.raises(BadInvitation, match="ran out"):
        asyncio.run(enrol(site(tmp_path / "late"), hub.invitation("Late"), late))


def test_a_rejected_site_is_told(hub: Hub, tmp_path: Path) -> None:
    async def go() -> None:
        async with running(hub):
            folder = await waiting(hub, tmp_path, "Unknown")
            hub.membership.reject("Unknown", now())
            with pytest.raises(Rejected, match="not admitted"):
                await decided(folder)

    asyncio.run(go())


def test_a_member_renews_its_certificate_while_connected(hub: Hub, tmp_path: Path) -> None:
    async def go() -> None:
        async with running(hub):
            folder = await joined(hub, tmp_path, "Renewed")
            before = folder.certificate.read_bytes()
            client = await connect_site(folder)
            await renew(folder, client)
            assert folder.certificate.read_bytes() != before
            await client.force_reconnect()
            for _ in range(200):
                if client.is_connected:
                    break
                await asyncio.sleep(0.05)
            assert (await say(folder, client, Hello())).welcome.state is SiteState.MEMBER
            await client.close()
            await (await connect_site(folder)).close()

    asyncio.run(go())


def test_the_hub_refuses_a_clock_that_is_far_off(hub: Hub) -> None:
    desk = Desk(hub.folder, hub.membership, lambda: None)
    identity, subject = Identity.made(), to_hub("a" * 16, DESK)
    for seconds, refused in ((-90, True), (90, True), (30, False)):
        question = Question(
            at=now() + timedelta(seconds=seconds), version="1", matter=Enrol(tls_key="00" * 32)
        )
        data = sealed(question, subject, identity)
        answer, _ = opened(desk.answer(subject, data), subject, ANSWER)
        assert isinstance(answer.said, Refusal)
        assert ("clock" in answer.said.what) is refused


@given(st.binary(max_size=400))
@settings(max_examples=60)
def test_the_desk_answers_whatever_it_is_sent(hub: Hub, data: bytes) -> None:
    desk = Desk(hub.folder, hub.membership, lambda: None)
    subject = to_hub("a" * 16, DESK)
    answer, key = opened(desk.answer(subject, data), subject, ANSWER)
    assert isinstance(answer.said, Refusal)
    assert key == hub.folder.identity.public
    assert desk.malformed == 1


@given(st.data())
@settings(max_examples=100)
def test_a_message_with_any_byte_changed_is_refused(data: st.DataObject) -> None:
    identity, subject = Identity.made(), "mip.hub.x.membership"
    question = Question(at=now(), version="1", matter=Hello())
    whole = sealed(question, subject, identity)
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[place]))
    changed = whole[:place] + bytes([byte]) + whole[place + 1 :]
    with pytest.raises(BadMessage):
        opened(changed, subject, QUESTION)
    with pytest.raises(BadMessage, match="signature"):
        opened(whole, "mip.hub.y.membership", QUESTION)


def test_a_member_cannot_speak_for_another_at_the_desk(hub: Hub, tmp_path: Path) -> None:
    invitation = hub.invitation("Victim")
    victim, thief = Identity.made(), Identity.made()
    hub.membership.enrol(invitation.one_time.public.node, victim.public, "1", now())
    hub.membership.approve("Victim", now())
    desk = Desk(hub.folder, hub.membership, lambda: None)
    subject = to_hub(victim.public.node, DESK)
    for matter in (Leave(), Renew(tls_key="11" * 32)):
        data = sealed(Question(at=now(), version="1", matter=matter), subject, thief)
        answer, _ = opened(desk.answer(subject, data), subject, ANSWER)
        assert isinstance(answer.said, Refusal)
    assert hub.membership.site("Victim").state is SiteState.MEMBER


def test_who_waits_gets_nothing_that_is_a_members(hub: Hub) -> None:
    invitation = hub.invitation("Early")
    early = Identity.made()
    hub.membership.enrol(invitation.one_time.public.node, early.public, "1", now())
    desk = Desk(hub.folder, hub.membership, lambda: None)
    subject = to_hub(early.public.node, DESK)
    step = Succession.made(early, Identity.made(), now())
    from medmip.federation.desk_messages import Rotate

    for matter in (Renew(tls_key="11" * 32), Rotate(succession=step)):
        data = sealed(Question(at=now(), version="1", matter=matter), subject, early)
        answer, _ = opened(desk.answer(subject, data), subject, ANSWER)
        assert isinstance(answer.said, Refusal)
        assert "Only members" in answer.said.what


def test_a_node_believes_the_hub_alone(hub: Hub, tmp_path: Path) -> None:
    async def go() -> None:
        async with running(hub):
            folder = await joined(hub, tmp_path, "Careful")
            client = await connect_site(folder)
            node, stranger = folder.membership.node, Identity.made().public
            with pytest.raises(BadMessage, match="fingerprint"):
                await ask(client, node, Hello(), folder.identity, pinned(stranger))
            await client.close()

    asyncio.run(go())


def test_an_answer_is_bound_to_its_question(hub: Hub) -> None:
    answer = Answer(question=digest(b"another"), at=now(), version="1", said=Refusal(what="no"))
    data = sealed(answer, "mip.hub.x.membership", hub.folder.identity)
    read, _ = opened(data, "mip.hub.x.membership", ANSWER)
    assert read.question != digest(b"mine")


def test_a_token_for_another_hub_reaches_nobody(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")
    other = made_hub(tmp_path / "other")

    async def go() -> None:
        async with running(hub):
            foreign = other.invitation("North")
            with pytest.raises((BadInvitation, NotAdmitted), match="hub") as caught:
                await enrol(site(tmp_path / "site"), foreign, now(), hub.folder.settings.address)
            assert caught.value.remedy

    with pytest.raises(Exception, match="not this federation's hub"):
        asyncio.run(go())


def test_a_peers_swapped_key_is_refused(tmp_path: Path) -> None:
    folder = site(tmp_path / "site")
    folder.make_keys()
    peers, first, second = Peers(folder), Identity.made(), Identity.made()
    south = Met(first.public.node, "South", first.public, ())
    north = Met("north", "North", Identity.made().public, ())
    peers.trusted([south], now())
    with pytest.raises(SwappedKey, match="South"):
        peers.trusted([north, replace(south, key=second.public)], now())
    # Nobody is met for the first time beside one who is not trusted.
    assert [peer.name for peer in peers.known()] == ["South"]
    chain = (Succession.made(first, second, now()),)
    peers.trusted([replace(south, key=second.public, chain=chain)], now())
    assert [peer.key for peer in peers.known()] == [second.public.hex]
    with pytest.raises(SwappedKey):
        peers.trusted([replace(south, chain=chain)], now())
    assert [peer.name for peer in peers.known()] == ["South"]


def test_tokens_read_alike_after_being_wrapped_in_an_email(hub: Hub) -> None:
    token = hub.invitation("Wrapped").token()
    lines = "\n".join(token[start : start + 72] for start in range(0, len(token), 72))
    assert Invitation.read(lines).token() == token
