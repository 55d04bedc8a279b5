"""An installation on two servers: which answers are taken, and what comes to which server."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg.conninfo
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from medmip.catalogue.atomic_file import write_atomically
from medmip.catalogue.home import Home
from medmip.deploy import database_trust, remote_validation, setup, upkeep, vault
from medmip.deploy.answers import Answers, parsed
from medmip.deploy.blocks.declaration import HOME, Audience, BlockName
from medmip.deploy.blocks.firewall import quiet, ruleset
from medmip.deploy.encryption import make_identity
from medmip.deploy.errors import DeployError
from medmip.deploy.far_database import valid
from medmip.deploy.installation import Installation
from medmip.deploy.placement import Placement, placements
from medmip.deploy.playbook import known_hosts
from medmip.deploy.removal import everything_removed, unwanted
from medmip.deploy.renewal import rotate
from medmip.deploy.server_files import configuration, server_files, used_secrets
from medmip.ldsm.settings import ldsm_settings
from tests.deploy.answered import PLAIN, PUBLIC, alone, plain

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKJRSzk7XQgBfhufbkej0zC26J7nkLc4Tu3f1B6fHW53"
ONE = """
[servers.front]
address = "10.1.0.4"
host_key = "%s front"
blocks = ["reference", "web-analytics"]
"""
TWO = """
[servers.store]
address = "10.1.0.5"
host = "store.hospital.example"
host_key = "%s store"
blocks = ["hospital-database"]
"""
SPLIT = PLAIN + (ONE + TWO) % (HOST_KEY, HOST_KEY)


def split() -> Answers:
    return parsed(SPLIT, "answers.toml")


def both() -> tuple[Placement, Placement]:
    """The database's server, which is set up first, and the node's."""
    store, front = placements(split())
    return store, front


def test_the_database_comes_first_and_each_server_has_its_blocks() -> None:
    store, front = both()
    assert (store.name, front.name) == ("store", "front")
    assert store.names == {BlockName.INFRASTRUCTURE, BlockName.HOSPITAL_DATABASE}
    assert front.names == {
        BlockName.INFRASTRUCTURE,
        BlockName.REFERENCE,
        BlockName.ALGORITHM_FACTORY,
        BlockName.WEB_ANALYTICS,
    }
    assert (store.server.host, front.server.host) == ("store.hospital.example", "10.1.0.4")
    assert store.is_apart
    assert front.is_apart


def test_one_server_is_as_it_was() -> None:
    only = alone(plain())
    assert not only.is_apart
    assert only.name == plain().name
    ports = {port.number for block in only.every_block for port in block.every_port}
    assert ports == {22, 443, 8080}
    assert "host=/var/run/postgresql" in configuration(only)
    assert not {one.name for one in used_secrets(only)} & {"database-server-key"}


@pytest.mark.parametrize(
    "servers, said",
    [
        (ONE + TWO.replace("10.1.0.5", "10.1.0.4"), "front and store are two servers of one"),
        (ONE + TWO.replace("store.hospital.example", "10.1.0.4"), "two servers of one address"),
        (ONE + TWO.replace('["hospital', '["reference", "hospital'), "reference is on two servers"),
        (ONE + TWO.replace("hospital-database", "data-factory"), "data-factory cannot leave"),
        (ONE + TWO.replace("hospital-database", "federation-hub"), "front: take it from store"),
        (TWO, "algorithm-factory is on no server, and hospital-database needs it"),
        (ONE + TWO.replace('["hospital-database"]', "[]"), "at least 1 item"),
        (ONE + TWO.replace("10.1.0.5", "fd00::5"), "addresses of two kinds"),
        (ONE + TWO.replace("10.1.0.5", "127.0.0.1"), "by which no other server reaches it"),
        (ONE + TWO.replace("10.1.0.5", "store"), "not a valid IPv4 or IPv6 address"),
        (ONE + TWO.replace("servers.store", "servers.mip"), "no server can be called mip"),
        (ONE + TWO.replace("servers.store", "servers.Store"), "String should match"),
        (ONE + TWO + '[server]\nhost = "x"\n', "so leave out server"),
        (ONE.replace("address", "# address") + TWO, "Field required"),
    ],
)
def test_servers_that_cannot_be_are_named(servers: str, said: str) -> None:
    with pytest.raises(DeployError) as raised:
        parsed(PLAIN + servers.replace("%s", HOST_KEY), "answers.toml")
    assert said in " ".join(f"{one.path} {one.message}" for one in raised.value.fields)


def test_blocks_are_named_with_servers_and_not_beside_them() -> None:
    with pytest.raises(DeployError) as raised:
        parsed('blocks = ["web-analytics"]\n' + SPLIT, "answers.toml")
    assert "so leave out blocks" in raised.value.fields[0].message


def paths(placed: Placement) -> set[str]:
    return {file.path for file in server_files(placed)}


def test_each_server_gets_the_files_of_its_blocks() -> None:
    store, front = both()
    assert paths(store) == {
        "/etc/nftables.conf",
        "/etc/apt/apt.conf.d/52mip",
        "/etc/ssh/sshd_config.d/10-mip.conf",
    }
    here = paths(alone(plain()))
    assert paths(front) == here
    folders = {folder.path for block in store.every_block for folder in block.folders}
    assert HOME not in folders
    assert {one.name for one in used_secrets(store) if one.path} == {"database-server-key"}
    assert {one.name for one in used_secrets(front) if one.path} == {
        "portal-key",
        "database-client-key",
    }


def test_the_firewall_opens_the_database_for_the_node_alone() -> None:
    store, front = both()
    rules = ruleset(store.every_block, store.networks)
    assert set(re.findall(r"saddr @(\w+) tcp dport \{ ([\d, ]+) \} accept", rules)) == {
        ("maintainers_ip", "22"),
        ("node_ip", "5432"),
    }
    assert "elements = { 10.1.0.4/32 }" in rules
    assert "5432" not in ruleset(front.every_block, front.networks)
    assert front.networks[Audience.NODE] == store.networks[Audience.NODE]
    # While an upgrade goes on, the node reaches that and nothing else.
    kept_out = quiet(front.every_block, front.address_of(BlockName.HOSPITAL_DATABASE))
    before, _, after = kept_out.partition("ip daddr 10.1.0.5 tcp dport 5432 accept")
    assert "reject" in after
    assert "skuid" not in before


def test_the_node_is_told_of_the_database_elsewhere(home: Home) -> None:
    _, front = both()
    home.configuration.write_text(configuration(front))
    settings = ldsm_settings(home)
    assert settings
    told = psycopg.conninfo.conninfo_to_dict(settings.database)
    assert (told["host"], told["sslmode"]) == ("10.1.0.5", "verify-full")
    assert told["sslcert"] == "/etc/mip/database/client.pem"
    assert settings.readers_host == "/var/run/postgresql"


def test_postgresql_lets_in_the_node_by_its_certificate_and_nobody_else_by_the_network() -> None:
    store, _ = both()
    told = setup._postgresql(store)
    network = [line for line in told["access"].splitlines() if not line.startswith(("#", "local"))]
    assert network == ["hostssl mip postgres 10.1.0.4/32 cert clientcert=verify-full map=node"]
    assert "ssl_min_protocol_version = 'TLSv1.3'" in told["settings"]
    assert "own mip" not in told["who"]
    assert "node mip-node postgres" in told["who"]
    here = setup._postgresql(alone(plain()))
    assert "host" not in re.sub("#.*", "", here["access"])
    assert "listen_addresses = ''\n" in here["settings"]
    assert "own mip postgres" in here["who"]


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "installation")
    person = make_identity(tmp_path / "person.txt")
    named = SPLIT.replace(PUBLIC, person).replace("mip.hospital.example", "localhost", 1)
    made.configure(named, "answers.toml")
    return made


def told(installation: Installation, folder: Path) -> dict[str, Any]:
    return {
        one.name: setup._variables(installation, one, folder / one.name)
        for one in placements(installation.answers)
    }


def test_each_server_is_told_its_own_and_no_secret_of_the_other(
    installation: Installation, tmp_path: Path
) -> None:
    made = told(installation, tmp_path)
    assert made["store"]["order"] == ["infrastructure", "hospital-database"]
    assert made["front"]["order"][-1] == "web-analytics"
    assert (made["store"]["account"], made["front"]["account"]) == (False, True)
    laid = {
        name: {str(path.relative_to(tmp_path / name / "files")) for path in
               (tmp_path / name / "files").rglob("*") if path.is_file()}
        for name in made
    }  # fmt: skip
    tls = "etc/mip/database"
    assert {path for path in laid["store"] if "database" in path} == {
        f"{tls}/authority.pem",
        f"{tls}/server.pem",
        f"{tls}/server-key.pem",
    }
    assert {path for path in laid["front"] if "database" in path} == {
        f"{tls}/authority.pem",
        f"{tls}/client.pem",
        f"{tls}/client-key.pem",
    }
    assert not any("portal" in path for path in laid["store"])
    for name in ("database-server-key", "database-client-key", "database-authority-key"):
        line = installation.secret(name).decode().splitlines()[1]
        assert line not in json.dumps(made)
    authority = installation.secret("database-authority-key").decode()
    assert all(path.read_text() != authority for path in tmp_path.glob("*/files/**/*.pem"))


def refuse_strangers(installation: Installation) -> None:
    """Fails where a certificate is not of the authority that is there, or for another key."""
    trust = installation.database_trust
    issuer = x509.load_pem_x509_certificate(trust.authority.read_bytes())
    for path, secret in (
        (trust.server, "database-server-key"),
        (trust.client, "database-client-key"),
    ):
        held = x509.load_pem_x509_certificate(path.read_bytes())
        held.verify_directly_issued_by(issuer)
        key = load_pem_private_key(installation.secret(secret), None)
        assert held.public_key() == key.public_key()


def test_certificates_are_for_whom_they_say_and_stay_until_they_are_renewed(
    installation: Installation,
) -> None:
    refuse_strangers(installation)
    trust = installation.database_trust
    names = x509.load_pem_x509_certificate(trust.server.read_bytes()).extensions
    at = names.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one) for one in at.get_values_for_type(x509.IPAddress)] == ["10.1.0.5"]
    was = {path: path.read_bytes() for path in (trust.authority, trust.server, trust.client)}
    text = (installation.folder / "answers.toml").read_text()
    installation.configure(text, "answers.toml")
    assert {path: path.read_bytes() for path in was} == was
    # Another address is another certificate; the rest stays.
    installation.configure(text.replace("10.1.0.5", "10.1.0.6"), "answers.toml")
    changed = [path.name for path, content in was.items() if path.read_bytes() != content]
    assert changed == ["database-server.pem"]
    assert "database" in installation.renew(["database-keys"])[0]
    assert all(path.read_bytes() != content for path, content in was.items())


class Killed(BaseException):
    """What ends a process."""


@pytest.mark.parametrize("writes", range(7))
def test_keys_whose_renewal_was_killed_fit_each_other_after_the_next_configuration(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    left = writes

    def killed(path: Path, content: bytes) -> None:
        nonlocal left
        if not left:
            raise Killed
        left -= 1
        write_atomically(path, content)

    with monkeypatch.context() as patched:
        for module in (vault, database_trust):
            patched.setattr(module, "write_atomically", killed)
        try:
            installation.renew(["database-keys"])
        except Killed:
            assert not left
        else:
            assert writes == 6, "three keys and three certificates"
    text = (installation.folder / "answers.toml").read_text()
    installation.configure(text, "answers.toml")
    refuse_strangers(installation)


def test_a_certificate_that_soon_runs_out_fails_the_acceptance_test(
    installation: Installation, tmp_path: Path
) -> None:
    path = installation.database_trust.client
    held = x509.load_pem_x509_certificate(path.read_bytes())
    assert valid(path, "c", held.not_valid_before_utc).passed
    assert not valid(path, "c", held.not_valid_after_utc - timedelta(days=29)).passed
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\n")
    assert "no certificate" in valid(broken, "c", held.not_valid_before_utc).found


def test_keys_that_are_not_there_are_not_made_anew(tmp_path: Path) -> None:
    made = Installation(tmp_path / "installation")
    person = make_identity(tmp_path / "person.txt")
    text = PLAIN.replace(PUBLIC, person).replace("mip.hospital.example", "localhost", 1)
    made.configure(text + '[server]\nhost = "mip-server"\n', "answers.toml")
    with pytest.raises(DeployError, match="no database-keys"):
        rotate(made, ["database-keys"], print)


def test_what_moved_elsewhere_is_taken_off() -> None:
    store, front = both()
    script = unwanted(store)
    for line in (
        "stopped mip.service",
        "stopped mip-backup.timer",
        "back /etc/logrotate.d/mip",
        "back /etc/nginx/sites-enabled/mip.conf",
    ):
        assert f"{line}\n" in script
    assert "as_before postgresql.service" not in script
    assert "gone /etc/mip/database\n" not in script
    assert "dropped the database mip" in unwanted(front)
    assert "stopped mip-backup.timer" not in unwanted(front)
    # Together again, what they knew each other by goes.
    assert "gone /etc/mip/database\n" in unwanted(alone(plain()))
    assert "/etc/mip/database " in everything_removed(store, Path("/srv"), purge=False)


def test_a_server_judges_itself_as_itself() -> None:
    for placed in both():
        seen = parsed(remote_validation._as_seen_there(placed), "answers.toml")
        (here,) = [one for one in placements(seen) if one.is_here]
        assert here.name == placed.name
        assert HOST_KEY not in remote_validation._as_seen_there(placed)
        assert server_files(here) == server_files(placed)


def test_every_server_is_known_by_its_own_key() -> None:
    lines = known_hosts([one.server for one in both()]).splitlines()
    assert lines == [f"store.hospital.example {HOST_KEY} store", f"10.1.0.4 {HOST_KEY} front"]


def test_services_are_named_by_their_servers() -> None:
    def units(*names: str) -> dict[str, list[str]]:
        return {one.name: found for one, found in upkeep.picked(split(), names)}

    assert units("hospital-database") == {"store": ["postgresql.service"]}
    assert units("mip") == {"front": ["mip.service"]}
    assert units("store") == {"store": ["ssh.service", "nftables.service", "postgresql.service"]}
    assert units("ssh").keys() == {"store", "front"}
    with pytest.raises(DeployError, match="nor such a server"):
        units("attic")
