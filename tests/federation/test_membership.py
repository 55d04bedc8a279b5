import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from medmip.catalogue.home import Home
from medmip.errors import Conflict, MipError, NotFound, RequestError
from medmip.federation.admission import admitted
from medmip.federation.clock import now
from medmip.federation.hub_folder import OVERLAP, HubFolder
from medmip.federation.identity import Identity, PublicIdentity
from medmip.federation.invitation import LIFE, BadInvitation
from medmip.federation.membership import Membership
from medmip.federation.site_record import SiteState
from medmip.federation.subjects import HUB, candidate, member
from medmip.federation.succession import BrokenSuccession, Succession, newest
from medmip.store.state import open_state
from tests.federation.members import Hub, made_hub

KILLED = Path(__file__).with_name("killed_hub.py")


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return made_hub(tmp_path / "hub")


def asked(hub: Hub, name: str = "North") -> Identity:
    """A site that waits."""
    site = Identity.made()
    invited = hub.invitation(name)
    hub.membership.enrol(invited.one_time.public.node, site.public, "1", now())
    return site


def users(hub: Hub, moment=None) -> dict[PublicIdentity, object]:
    found = admitted(hub.folder, hub.membership, moment or now())
    return {user.identity: user.permissions for user in found}


def test_every_step_changes_whom_the_broker_lets_in(hub: Hub) -> None:
    own = hub.folder.identity.public
    assert users(hub) == {own: HUB}
    invited = hub.invitation("North").one_time.public
    assert users(hub) == {own: HUB, invited: candidate(invited.node)}
    site = Identity.made().public
    hub.membership.enrol(invited.node, site, "1", now())
    hub.membership.close_invitation(site.node)
    assert users(hub) == {own: HUB, site: candidate(site.node)}
    hub.membership.approve("North", now())
    assert users(hub) == {own: HUB, site: member(site.node)}
    hub.membership.revoke("North", now())
    assert users(hub) == {own: HUB}


def test_a_site_may_do_nothing_beyond_its_own_subjects() -> None:
    node = "abcdefghijklmnop"
    for permissions in (member(node), candidate(node)):
        for subject in (*permissions.publish, *permissions.subscribe):
            assert subject.split(".")[2] == node
    assert candidate(node).publish == (f"mip.hub.{node}.membership",)


def test_an_invitation_runs_out(hub: Hub) -> None:
    invited = hub.invitation("North").one_time.public
    late = now() + LIFE + timedelta(seconds=1)
    assert invited not in users(hub, late)
    with pytest.raises(BadInvitation, match="run out"):
        hub.membership.enrol(invited.node, Identity.made().public, "1", late)


def test_a_newer_invitation_withdraws_the_older(hub: Hub) -> None:
    older, newer = hub.invitation("North"), hub.invitation("North")
    with pytest.raises(BadInvitation, match="withdrawn"):
        hub.membership.enrol(older.one_time.public.node, Identity.made().public, "1", now())
    hub.membership.enrol(newer.one_time.public.node, Identity.made().public, "1", now())


def test_an_unknown_invitation_is_refused(hub: Hub) -> None:
    with pytest.raises(BadInvitation, match="no such"):
        hub.membership.enrol("a" * 16, Identity.made().public, "1", now())


def test_an_invitation_is_used_once_and_its_user_may_ask_again(hub: Hub) -> None:
    node = hub.invitation("North").one_time.public.node
    first = Identity.made().public
    site = hub.membership.enrol(node, first, "1", now())
    assert hub.membership.enrol(node, first, "1", now()) == site
    with pytest.raises(BadInvitation, match="used already"):
        hub.membership.enrol(node, Identity.made().public, "1", now())
    assert len(hub.membership.sites()) == 1


def test_of_many_who_race_for_an_invitation_one_wins(hub: Hub) -> None:
    node = hub.invitation("North").one_time.public.node
    ways = [Membership(open_state(hub.home)) for _ in range(4)]

    def race(number: int) -> bool:
        try:
            ways[number % 4].enrol(node, Identity.made().public, "1", now())
        except BadInvitation:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(race, range(24)))
    assert won.count(True) == 1
    assert len(hub.membership.sites()) == 1


@pytest.mark.parametrize(
    "before, step, told",
    [
        (("approve",), "approve", "a member already"),
        (("approve",), "reject", "a member already"),
        ((), "revoke", "waiting for approval"),
        (("reject",), "approve", "rejected"),
        (("approve", "revoke"), "approve", "revoked"),
        (("approve", "revoke"), "revoke", "revoked"),
        (("leave",), "approve", "gone"),
    ],
)
def test_a_step_out_of_order_says_what_is_next(
    hub: Hub, before: tuple[str, ...], step: str, told: str
) -> None:
    site = asked(hub).public.node
    for name in before:
        getattr(hub.membership, name)(site, now())
    with pytest.raises(Conflict, match=told) as caught:
        getattr(hub.membership, step)(site, now())
    assert caught.value.remedy


def test_a_name_belongs_to_one_present_site(hub: Hub) -> None:
    asked(hub)
    with pytest.raises(Conflict, match="waiting"):
        hub.invitation("North")
    hub.membership.reject("North", now())
    asked(hub)
    assert hub.membership.site("North").state is SiteState.WAITING


def test_names_that_are_none_are_refused(hub: Hub) -> None:
    for name in ("", "x", "a" * 81, "North\n", "\x1b[31mNorth", " North"):
        with pytest.raises(RequestError):
            hub.invitation(name)
    with pytest.raises(NotFound, match="Nowhere"):
        hub.membership.site("Nowhere")


def test_a_former_sites_key_cannot_come_back(hub: Hub) -> None:
    site = asked(hub)
    hub.membership.approve("North", now())
    hub.membership.revoke("North", now())
    node = hub.invitation("North").one_time.public.node
    with pytest.raises(Conflict, match="before"):
        hub.membership.enrol(node, site.public, "1", now())
    hub.membership.enrol(node, Identity.made().public, "1", now())


def test_both_keys_speak_for_a_site_while_they_overlap(hub: Hub) -> None:
    site, following = asked(hub), Identity.made()
    node = site.public.node
    hub.membership.approve("North", now())
    step = Succession.made(site, following, now())
    until = now() + OVERLAP
    hub.membership.rotate(node, step, until)
    again = Succession.made(site, following, now() + timedelta(seconds=3))
    hub.membership.rotate(node, again, until)
    both = users(hub)
    assert both[site.public] == both[following.public] == member(node)
    later = users(hub, until + timedelta(seconds=1))
    assert site.public not in later
    assert following.public in later
    record = hub.membership.site("North")
    assert newest(site.public, record.successions) == following.public
    stranger = Succession.made(Identity.made(), Identity.made(), now())
    with pytest.raises(BrokenSuccession):
        hub.membership.rotate(node, stranger, until)


def test_a_hub_hands_over_by_its_former_key(hub: Hub) -> None:
    first = hub.folder.identity.public
    hub.folder.rotate(now())
    hub.folder.rotate(now())
    last = hub.folder.identity.public
    assert newest(first, hub.folder.settings.successions) == last
    accepted = hub.folder.accepted(now())
    assert accepted[0] == last
    assert first not in accepted
    assert hub.folder.accepted(now() + OVERLAP + timedelta(seconds=1)) == (last,)


def test_a_hub_is_made_once(hub: Hub) -> None:
    with pytest.raises(Conflict, match="already"):
        hub.folder.make(hub.folder.settings, now())


@pytest.mark.slow
def test_a_killed_operator_leaves_every_site_before_or_after_its_step(tmp_path: Path) -> None:
    hub = made_hub(tmp_path / "hub")
    for attempt in range(6):
        command = [sys.executable, str(KILLED), str(hub.home.path), str(attempt * 1000)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            assert process.stdout.readline() == b"round\n"
            time.sleep(0.013 * attempt)
            process.kill()
        home = Home(hub.home.path)
        folder, membership = HubFolder(home), Membership(open_state(home))
        present = folder.identity.public
        assert (
            newest(
                PublicIdentity.from_hex(folder.settings.successions[0].former),
                folder.settings.successions,
            )
            == present
        )
        for invited in membership.invitations():
            sites = [site for site in membership.sites() if site.node == invited.used_by]
            assert len(sites) == (invited.used_by is not None)
        for site in membership.sites():
            assert bool(site.successions) >= (site.state is SiteState.REVOKED)
            if site.successions:
                chain_begins = PublicIdentity.from_hex(site.successions[0].former)
                assert newest(chain_begins, site.successions) == site.key
        assert admitted(folder, membership, now())
        # Whatever was left half done can be gone on with.
        folder.rotate(now())
        for site in membership.sites():
            if site.state is SiteState.MEMBER:
                membership.leave(site.node, now())
    assert len(membership.sites()) >= 6


def test_errors_tell_no_key(hub: Hub) -> None:
    site = asked(hub)
    with pytest.raises(MipError) as caught:
        hub.membership.revoke("North", now())
    assert site.seed.hex() not in str(caught.value)
