import string
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medmip.federation.address import Address, BadAddress, Proxy
from medmip.federation.authority import Authority, TlsKey
from medmip.federation.clock import now
from medmip.federation.identity import Identity
from medmip.federation.invitation import BadInvitation, Invitation


@cache
def invitation() -> Invitation:
    one_time, authority = Identity.made(), Authority.made("test", now())
    key = TlsKey.of(one_time).public
    return Invitation(
        federation="Fédération",
        name="Hôpital",
        hub=Address("hub.example.org", 4222),
        hub_key=Identity.made().public,
        one_time=one_time,
        certificate=authority.for_client(one_time.public.node, key, now()),
        authority=authority.pem,
        expires=now().replace(microsecond=0) + timedelta(hours=24),
    )


def test_a_token_holds_everything_in_one_printable_line() -> None:
    made = invitation()
    token = made.token()
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")
    assert len(token) < 1500
    read = Invitation.read(f"  {token[:200]}\n{token[200:]}\n")
    assert read.token() == token
    assert read.one_time.public == made.one_time.public
    assert (read.name, read.hub, read.expires) == (made.name, made.hub, made.expires)
    assert (read.certificate, read.authority) == (made.certificate, made.authority)


@given(st.data())
def test_a_token_with_any_sign_changed_is_refused(data: st.DataObject) -> None:
    token = invitation().token()
    place = data.draw(st.integers(0, len(token) - 1))
    sign = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_"))
    changed = token[:place] + sign + token[place + 1 :]
    if changed == token:
        assert Invitation.read(changed).token() == token
    elif place < len(token) - 1:  # some bits of the last sign have no meaning
        with pytest.raises(BadInvitation, match="not whole"):
            Invitation.read(changed)


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    for token in (text, f"mip1-{text}", invitation().token() + text.strip() + "A"):
        with pytest.raises(BadInvitation):
            Invitation.read(token)


@pytest.mark.parametrize(
    "text, host, port",
    [
        ("hub.example.org", "hub.example.org", 4222),
        ("hub.example.org:443", "hub.example.org", 443),
        ("nats://10.0.0.1:4000", "10.0.0.1", 4000),
        ("nats://[2001:db8::1]", "2001:db8::1", 4222),
    ],
)
def test_an_address_is_read(text: str, host: str, port: int) -> None:
    address = Address.parsed(text)
    assert address == Address(host, port)
    assert Address.parsed(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", "nats://", "http://hub:1", "hub:0", "hub:99999", "a b", "nats://u:p@hub", "hub/x"]
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadAddress):
        Address.parsed(text)


def test_a_proxys_password_is_read_and_never_repeated() -> None:
    proxy = Proxy.parsed("http://user:p%40ss@proxy.example.org")
    assert (proxy.user, proxy.password) == ("user", "p@ss")
    assert proxy.address == Address("proxy.example.org", 3128)
    with pytest.raises(BadAddress) as caught:
        Proxy.parsed("socks://user:secret@proxy")
    assert "secret" not in str(caught.value)
