"""Answers become a configuration folder: checked at once, secrets made once."""

import shutil
import socket
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyrage
import pytest
from typer.testing import CliRunner

from medmip.cli.main import app
from medmip.deploy import machine, portal_certificate
from medmip.deploy.answers import parsed
from medmip.deploy.blocks.declaration import Audience, BlockName
from medmip.deploy.encryption import make_identity, read_identities
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation

NOW = datetime.now(UTC)
BIG = machine.Machine(disk=10**12, memory=10**11, is_set_up=True)


@pytest.fixture(autouse=True)
def _no_settings_of_git(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")


def answers(recipient: str, more: str = "", name: str = "localhost") -> str:
    return (
        f'name = "{name}"\nrecipients = ["{recipient}"]\n[server]\nhost = "mip-server"\n'
        f'[who]\nmaintainers = ["10.0.0.0/24"]\n{more}'
    )


@pytest.fixture
def person(tmp_path: Path) -> str:
    return make_identity(tmp_path / "person.txt")


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "installation")


def secrets(installation: Installation) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in installation.folder.glob("secrets/*.age")}


def test_running_it_again_changes_nothing(installation: Installation, person: str) -> None:
    assert installation.configure(answers(person), "a") != ["Nothing changed"]
    before = {
        path: path.read_bytes()
        for path in installation.folder.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }
    assert installation.configure(answers(person), "a") == ["Nothing changed"]
    assert {path: path.read_bytes() for path in before} == before


def test_another_answer_leaves_secrets_as_they_are(installation: Installation, person: str) -> None:
    installation.configure(answers(person), "a")
    before = secrets(installation)
    installation.configure(answers(person, "[backup]\nkeep = 3\n"), "a")
    assert secrets(installation) == before
    assert installation.answers.backup.keep == 3


def test_a_person_who_comes_reads_the_same_secret(
    installation: Installation, person: str, tmp_path: Path
) -> None:
    installation.configure(answers(person), "a")
    key = installation.secret("portal-key")
    other = make_identity(tmp_path / "other.txt")
    both = answers(person).replace(f'"{person}"', f'"{person}", "{other}"')
    assert "Secrets are encrypted anew" in installation.configure(both, "a")[0]
    for who in ("person.txt", "other.txt"):
        identities = read_identities(tmp_path / who)
        sealed = secrets(installation)["portal-key.age"]
        assert pyrage.decrypt(sealed, identities) == key
    installation.configure(answers(other), "a")
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(
            secrets(installation)["portal-key.age"], read_identities(tmp_path / "person.txt")
        )


def test_no_secret_lies_open_and_none_goes_into_the_repository(
    installation: Installation, person: str
) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    installation.configure(answers(person), "a")
    closed = [installation.folder, installation.folder / "identity.txt"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in closed)
    listed = subprocess.run(
        ["git", "-C", str(installation.folder), "ls-files"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "answers.toml" in listed
    assert "secrets/portal-key.age" in listed
    assert "identity.txt" not in listed
    assert not any(
        b"PRIVATE KEY" in path.read_bytes()
        for path in installation.folder.rglob("*")
        if path.is_file()
    )


def test_every_wrong_answer_is_told_at_once_and_nothing_is_written(
    installation: Installation, person: str, tmp_path: Path
) -> None:
    more = (
        '[certificate]\nkind = "files"\nchain = "/nowhere/chain"\nkey = "/nowhere/key"\n'
        '[login]\nkind = "oidc"\n[login.oidc]\nissuer = "https://a.example"\nclient_id = "mip"\n'
        'client_secret_file = "/nowhere/secret"\n'
    )
    text = f'wheels = "{tmp_path}"\n' + answers(person, more, "no-such-host.invalid")
    with pytest.raises(DeployError) as raised:
        installation.configure(text, "a")
    assert {problem.path for problem in raised.value.fields} == {
        "name",
        "certificate",
        "login.oidc.client_secret_file",
        "wheels",
    }
    assert not installation.folder.exists()


def test_a_key_for_ssh_is_looked_at(
    installation: Installation, person: str, tmp_path: Path
) -> None:
    def wrong(server: str) -> str:
        text = answers(person).replace('host = "mip-server"', server)
        with pytest.raises(DeployError) as raised:
            installation.configure(text, "a")
        return str(raised.value)

    key = tmp_path / "key"
    assert "not there" in wrong(f'host = "mip-server"\nkey = "{key}"')
    key.touch(mode=0o644)
    assert f"chmod 600 {key}" in wrong(f'host = "mip-server"\nkey = "{key}"')
    assert "another host" in wrong(f'key = "{key}"')
    assert "host_key" in wrong('host = "mip-server"\nhost_key = "mip-server ssh-ed25519 AAAA"')


def test_a_small_machine_and_a_taken_port_are_told(person: str) -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        number = taken.getsockname()[1]
        assert not machine._is_free(number, Audience.PEOPLE)
        assert not machine._is_free(number, Audience.NOBODY)
    assert machine._is_free(number, Audience.PEOPLE)
    small = machine.Machine(disk=10**9, memory=10**9, is_set_up=True)
    found = machine.problems(parsed(answers(person), "a"), small, NOW)
    assert [problem.path for problem in found] == ["server", "server"]
    assert machine.problems(parsed(answers(person), "a"), BIG, NOW) == []


def test_a_browser_takes_the_portals_certificate(
    installation: Installation, person: str, tmp_path: Path
) -> None:
    installation.configure(answers(person), "a")
    key = tmp_path / "key.pem"
    key.write_bytes(installation.secret("portal-key"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(installation.certificate, key)
    client = ssl.create_default_context(cafile=str(installation.authority))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = server.wrap_bio(into, out, server_side=True)
    ours = client.wrap_bio(out, into, server_hostname="localhost")
    for _ in range(3):
        for end in (ours, theirs):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ours.version() == "TLSv1.3"


def test_a_certificate_is_renewed_and_its_key_stays(
    installation: Installation, person: str
) -> None:
    installation.configure(answers(person), "a")
    key, first = installation.secret("portal-key"), installation.certificate.read_bytes()
    late = NOW + portal_certificate.LIFE - timedelta(days=20)
    assert portal_certificate.is_due(first, key, "localhost", late)
    assert not portal_certificate.is_due(first, key, "localhost", NOW)
    installation._sign("localhost", late)
    assert installation.certificate.read_bytes() != first
    assert installation.secret("portal-key") == key


def test_the_hospitals_certificate_is_checked_and_taken(
    installation: Installation, person: str, tmp_path: Path
) -> None:
    key, signer = portal_certificate.new_key(), portal_certificate.new_key()
    issuer = portal_certificate.authority(signer, "localhost", NOW)
    chain = portal_certificate.signed(key, signer, issuer, "localhost", NOW)
    (tmp_path / "chain").write_bytes(chain)
    (tmp_path / "key").write_bytes(key)
    more = f'[certificate]\nkind = "files"\nchain = "{tmp_path}/chain"\nkey = "{tmp_path}/key"\n'
    installation.configure(answers(person, more), "a")
    assert installation.secret("portal-key") == key
    installation.configure(answers(person), "a")
    own = installation.secret("portal-key")
    assert own != key
    installation.configure(answers(person, more), "a")
    installation.configure(answers(person), "a")
    assert installation.secret("portal-key") == own
    portal_certificate.check(installation.certificate.read_bytes(), own, "localhost", NOW)
    for wrong in (
        lambda: portal_certificate.check(chain, own, "localhost", NOW),
        lambda: portal_certificate.check(chain, key, "other", NOW),
        lambda: portal_certificate.check(chain, key, "localhost", NOW + timedelta(days=400)),
        lambda: portal_certificate.check(b"nothing", key, "localhost", NOW),
    ):
        with pytest.raises(DeployError):
            wrong()


def test_a_lost_identity_is_not_replaced(installation: Installation, person: str) -> None:
    installation.configure(answers(person), "a")
    (installation.folder / "identity.txt").unlink()
    with pytest.raises(DeployError, match="identity"):
        installation.configure(answers(person), "a")


def test_the_questions_lead_to_the_same(tmp_path: Path, person: str) -> None:
    folder = tmp_path / "asked"
    (tmp_path / "password").write_text("of-the-mail-server")
    given = [
        "localhost", "reference web-analytics", person, "", "mip-server", "10.0.0.0/24", "",
        "n", "n", "n",
        "y", "de", "smtp.example", "", "mip@b.example", "it@b.example night@b.example", "mip",
        str(tmp_path / "password"), "", "",
    ]  # fmt: skip
    ended = CliRunner().invoke(
        app, ["deploy", "configure", "--folder", str(folder)], input="\n".join(given) + "\n"
    )
    assert ended.exit_code == 0, ended.output
    assert Installation(folder).answers.recipients == (person,)
    email = Installation(folder).answers.notices.email
    assert email
    assert (email.to, email.security) == (("it@b.example", "night@b.example"), "starttls")
    assert Installation(folder).secret("notices-email") == b"of-the-mail-server"
    assert "Next: mip deploy setup --plan" in ended.output


def test_the_questions_lead_to_an_authority(tmp_path: Path, person: str) -> None:
    folder, known_by = tmp_path / "asked", tmp_path / "known.pem"
    now = datetime.now(UTC)
    known_by.write_bytes(portal_certificate.authority(portal_certificate.new_key(), "CA", now))
    (tmp_path / "given").write_text("zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV\n")
    given = [
        "localhost", "reference web-analytics", person, "", "mip-server", "10.0.0.0/24", "",
        "n", "y", "https://ca.hospital.example/dir", "y", "it@b.example", str(known_by), "kid",
        str(tmp_path / "given"), "n", "n",
    ]  # fmt: skip
    ended = CliRunner().invoke(
        app, ["deploy", "configure", "--folder", str(folder)], input="\n".join(given) + "\n"
    )
    assert ended.exit_code == 0, ended.output
    made = Installation(folder)
    assert made.answers.certificate.directory == "https://ca.hospital.example/dir"
    assert made.answers.has(BlockName.CERTIFICATE_RENEWAL)
    assert made.secret("certificate-account-key") == b"zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV"
    assert made.trusted
    assert made.trusted.read_bytes() == known_by.read_bytes()


def test_a_file_that_vouches_for_nobody_is_told(
    installation: Installation, person: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    text = answers(person) + (
        f'[certificate]\nkind = "acme"\nterms_agreed = true\n'
        f'authorities = "{tmp_path}/empty.pem"\naccount = "a"\naccount_key_file = "/nowhere"\n'
    )
    with pytest.raises(DeployError) as raised:
        installation.configure(text, "answers.toml")
    fields = {problem.path for problem in raised.value.fields}
    assert {"certificate.authorities", "certificate.account_key_file"} <= fields
