"""The portal's certificate by ACME: ordered of a real authority, renewed, taken where it fits."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from medmip.deploy import portal_certificate
from medmip.deploy.blocks.certificate import FROM, INTERIM, REQUEST, SETTINGS, settings
from medmip.deploy.blocks.proxy import CERTIFICATE
from medmip.deploy.blocks.registry import CERTIFICATE_STATE
from medmip.deploy.certificate_renewal import Renewal
from medmip.deploy.certificate_service import order
from medmip.deploy.errors import DeployError
from tests.deploy.authority import HMAC_KEY, KID, Signer, signer
from tests.ports import free_port

NAME = "localhost"
KEY = "/etc/mip/secrets/portal-key.pem"


@pytest.fixture(scope="module")
def looks_at() -> int:
    """The port by which an authority looks whether the name is ours."""
    return free_port()


@pytest.fixture(scope="module")
def by(
    need: Callable[..., str], tmp_path_factory: pytest.TempPathFactory, looks_at: int
) -> Iterator[Signer]:
    need("pebble")
    folder = tmp_path_factory.mktemp("authority") / "pebble"
    ports = (free_port(), free_port(), looks_at)
    with signer(folder, "127.0.0.1", ports, believes=True) as running:
        yield running


def server(root: Path, by: Signer, *, account: str = "") -> Renewal:
    """The files of a server as `mip deploy setup` lays them down."""
    renewal, now = Renewal(root), datetime.now(UTC)
    for folder in ("/etc/mip/secrets", CERTIFICATE_STATE):
        renewal.at(folder).mkdir(parents=True)
    new_key(renewal, now)
    known_by = "/etc/mip/certificate-authorities.pem"
    renewal.at(known_by).write_bytes(by.known_by.read_bytes())
    renewal.at(SETTINGS).write_text(
        settings(NAME, by.directory, "it@hospital.example", account, known_by=known_by)
    )
    return renewal


def new_key(renewal: Renewal, now: datetime) -> None:
    key, own = portal_certificate.new_key(), portal_certificate.new_key()
    issuer = portal_certificate.authority(own, NAME, now)
    renewal.at(KEY).write_bytes(key)
    renewal.at(INTERIM).write_bytes(portal_certificate.signed(key, own, issuer, NAME, now))


def held(renewal: Renewal) -> x509.Certificate:
    return x509.load_pem_x509_certificate(renewal.at(CERTIFICATE).read_bytes())


def test_a_certificate_is_ordered_and_taken_and_then_none_is_due(
    tmp_path: Path, by: Signer, looks_at: int
) -> None:
    renewal, used = server(tmp_path, by), []
    now = datetime.now(UTC)
    assert "begins with a certificate of our own" in renewal.begin(now)
    assert renewal.begin(now) == ""
    assert "not of this authority" in renewal.why_due(now)
    assert (
        renewal.take(datetime.now(UTC), lambda: used.append(1)) == "there is no certificate to take"
    )
    assert "is signed" in order(renewal, now, "", looks_at)
    assert "that was signed" in renewal.take(datetime.now(UTC), lambda: used.append(1))
    assert used == [1]
    assert "Pebble" in held(renewal).issuer.rfc4514_string()
    now = datetime.now(UTC)
    portal_certificate.check(
        renewal.at(CERTIFICATE).read_bytes(), renewal.at(KEY).read_bytes(), NAME, now
    )
    assert order(renewal, now, "", looks_at) == "no certificate is due"
    assert renewal.take(datetime.now(UTC), lambda: used.append(1)) == "the portal has it already"
    assert renewal.begin(now) == ""
    assert used == [1]
    # Nothing of what speaks to the authority knows the portal's key.
    key = renewal.at(KEY).read_bytes()
    assert all(path.read_bytes() != key for path in renewal.at(CERTIFICATE_STATE).iterdir())


def test_it_is_renewed_once_a_third_of_its_life_is_left_by_the_same_account(
    tmp_path: Path, by: Signer, looks_at: int
) -> None:
    renewal, now = server(tmp_path, by), datetime.now(UTC)
    renewal.begin(now)
    order(renewal, now, "", looks_at)
    renewal.take(datetime.now(UTC), lambda: None)
    first, account = held(renewal), renewal.at(f"{CERTIFICATE_STATE}/account.pem").read_bytes()
    life = first.not_valid_after_utc - first.not_valid_before_utc
    late = first.not_valid_after_utc - life / 3
    assert renewal.why_due(late - timedelta(minutes=1)) == ""
    assert "a third of its life" in renewal.why_due(late + timedelta(minutes=1))
    order(renewal, late + timedelta(minutes=1), "", looks_at)
    renewal.take(datetime.now(UTC), lambda: None)
    assert held(renewal).serial_number != first.serial_number
    assert renewal.at(f"{CERTIFICATE_STATE}/account.pem").read_bytes() == account


def test_another_key_of_the_portal_begins_anew(tmp_path: Path, by: Signer, looks_at: int) -> None:
    renewal, now = server(tmp_path, by), datetime.now(UTC)
    renewal.begin(now)
    order(renewal, now, "", looks_at)
    renewal.take(datetime.now(UTC), lambda: None)
    asked = renewal.at(REQUEST).read_bytes()
    new_key(renewal, now)
    told = renewal.begin(now)
    assert "a request for a certificate is made" in told
    assert "begins with a certificate of our own" in told
    assert renewal.at(REQUEST).read_bytes() != asked
    assert renewal.at(CERTIFICATE).read_bytes() == renewal.at(INTERIM).read_bytes()
    with pytest.raises(DeployError, match="does not belong"):
        renewal.take(
            datetime.now(UTC), lambda: pytest.fail("a certificate that does not fit was used")
        )
    order(renewal, now, "", looks_at)
    renewal.take(datetime.now(UTC), lambda: None)
    assert renewal.why_due(now) == ""


@pytest.mark.parametrize("step", range(3))
def test_what_was_cut_off_while_it_is_taken_is_done_again(
    tmp_path: Path, by: Signer, looks_at: int, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewal, now, used = server(tmp_path, by), datetime.now(UTC), []
    renewal.begin(now)
    order(renewal, now, "", looks_at)
    replace, written = os.replace, 0

    def cut(old: str, new: str) -> None:
        nonlocal written
        written += 1
        if written > step:
            raise KeyboardInterrupt
        replace(old, new)

    def use() -> None:
        if step == 1:
            raise KeyboardInterrupt
        used.append(1)

    monkeypatch.setattr(os, "replace", cut)
    if step < 2:
        with pytest.raises(KeyboardInterrupt):
            renewal.take(datetime.now(UTC), use)
        assert renewal.why_due(now)
    monkeypatch.undo()
    held(renewal)
    renewal.take(datetime.now(UTC), lambda: used.append(1))
    assert used == [1]
    assert renewal.why_due(now) == ""


def test_an_authority_that_meets_nobody_is_told_of_and_nothing_is_changed(
    tmp_path: Path, by: Signer
) -> None:
    renewal, now = server(tmp_path, by), datetime.now(UTC)
    renewal.begin(now)
    with pytest.raises(DeployError, match=r"localhost: .*refused") as raised:
        # Answered at another port than the one by which the authority comes.
        order(renewal, now, "", free_port())
    assert "port 80" in str(raised.value)
    assert renewal.at(CERTIFICATE).read_bytes() == renewal.at(INTERIM).read_bytes()
    assert not renewal.at(FROM).exists()


def test_an_authority_that_cannot_be_trusted_is_not_spoken_to(
    tmp_path: Path, by: Signer, looks_at: int
) -> None:
    renewal, now = server(tmp_path, by), datetime.now(UTC)
    renewal.begin(now)
    renewal.at("/etc/mip/certificate-authorities.pem").write_bytes(renewal.at(INTERIM).read_bytes())
    with pytest.raises(DeployError, match="SSLError"):
        order(renewal, now, "", looks_at)


def test_an_account_that_was_given_beforehand_is_bound(
    need: Callable[..., str], tmp_path: Path, looks_at: int
) -> None:
    need("pebble")
    ports = (free_port(), free_port(), looks_at)
    with signer(tmp_path / "pebble", "127.0.0.1", ports, bound=True) as by:
        renewal, now = server(tmp_path / "server", by, account=KID), datetime.now(UTC)
        renewal.begin(now)
        with pytest.raises(DeployError):
            order(renewal, now, "d3Jvbmc", looks_at)
        assert "is signed" in order(renewal, now, HMAC_KEY, looks_at)
