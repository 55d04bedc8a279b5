"""New secrets in the place of old ones: those that are asked for, and no other."""

import ssl
from datetime import timedelta
from pathlib import Path

import pyrage
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from typer.testing import CliRunner

from medmip.accounts.people import People
from medmip.accounts.role import Right
from medmip.accounts.sessions import Sessions
from medmip.accounts.tokens import Tokens
from medmip.catalogue.atomic_file import write_atomically
from medmip.catalogue.home import Home
from medmip.cli.main import app
from medmip.deploy import vault
from medmip.deploy.encryption import make_identity, read_identities
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from medmip.deploy.renewal import rotate
from medmip.store.state import open_state

BOTH = ("portal-key", "authority-key")


@pytest.fixture(autouse=True)
def _no_settings_of_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "installation")
    person = make_identity(tmp_path / "person.txt")
    made.configure(
        f'name = "localhost"\nrecipients = ["{person}"]\n[server]\nhost = "mip-server"\n'
        '[who]\nmaintainers = ["10.0.0.0/8"]\n',
        "a",
    )
    return made


def vouched(installation: Installation, authority: bytes) -> bool:
    """Whether an authority vouches for the portal's certificate."""
    certificate = x509.load_pem_x509_certificate(installation.certificate.read_bytes())
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    except (InvalidSignature, ValueError):
        return False
    return True


def test_the_portals_key_is_another_and_the_same_authority_vouches(
    installation: Installation, tmp_path: Path
) -> None:
    before = {name: installation.secret(name) for name in BOTH}
    authority = installation.authority.read_bytes()
    installation.renew(["portal-key"])
    assert installation.secret("portal-key") != before["portal-key"]
    assert installation.secret("authority-key") == before["authority-key"]
    assert installation.authority.read_bytes() == authority
    assert vouched(installation, authority)
    (tmp_path / "key.pem").write_bytes(installation.secret("portal-key"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(installation.certificate, tmp_path / "key.pem")


def test_the_old_authority_vouches_for_nothing_any_more(installation: Installation) -> None:
    key, old = installation.secret("portal-key"), installation.authority.read_bytes()
    assert vouched(installation, old)
    installation.renew(["authority-key"])
    assert installation.secret("portal-key") == key
    assert not vouched(installation, old)
    assert vouched(installation, installation.authority.read_bytes())


def test_the_old_identity_reads_nothing_any_more(
    installation: Installation, tmp_path: Path
) -> None:
    own = installation.folder / "identity.txt"
    (tmp_path / "old.txt").write_bytes(own.read_bytes())
    before = {name: installation.secret(name) for name in BOTH}
    installation.renew(["identity"])
    assert {name: installation.secret(name) for name in BOTH} == before
    sealed = (installation.folder / "secrets/portal-key.age").read_bytes()
    assert pyrage.decrypt(sealed, read_identities(tmp_path / "person.txt")) == before["portal-key"]
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed, read_identities(tmp_path / "old.txt"))
    assert installation.configure((installation.folder / "answers.toml").read_text(), "a") == [
        "Nothing changed"
    ]


@pytest.mark.parametrize("step", range(5))
def test_a_killed_renewal_loses_no_secret(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    before = {name: installation.secret(name) for name in BOTH}
    written, write = 0, write_atomically

    def killed(path: Path, content: bytes) -> None:
        nonlocal written
        written += 1
        if written > step:
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(vault, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        installation.renew(["identity"])
    monkeypatch.undo()
    assert {name: installation.secret(name) for name in BOTH} == before
    installation.renew(["identity"])
    assert {name: installation.secret(name) for name in BOTH} == before
    assert len(read_identities(installation.folder / "identity.txt")) == 1


def test_what_is_not_ours_is_refused(installation: Installation) -> None:
    for name, why in {"oidc-client-secret": "provider's", "ledger": "no secret called"}.items():
        with pytest.raises(DeployError, match=why):
            rotate(installation, [name], print)


def test_every_log_in_ends_and_nobody_is_removed(full: Home) -> None:
    engine = open_state(full)
    (ada,) = People(engine).everybody()
    sessions = Sessions(engine, timedelta(hours=1), timedelta(hours=12))
    cookie = sessions.begin(ada.id, complete=True)
    token, _ = Tokens(engine).make(ada.id, "notebook", [Right.ANALYSE], 3, "ada")
    assert sessions.known(cookie)
    assert Tokens(engine).known(token)
    told = CliRunner().invoke(app, ["user", "end-log-ins", "--home", str(full.path)])
    assert told.output == "1 sessions ended, 1 access tokens revoked\n"
    assert sessions.known(cookie) is None
    assert Tokens(engine).known(token) is None
    assert [person.name for person in People(engine).everybody()] == ["ada"]
    engine.dispose()
