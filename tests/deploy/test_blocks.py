"""What is generated from the one table is taken by the programs that it is for."""

import os
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from medmip.accounts.settings import login_settings
from medmip.catalogue.home import Home
from medmip.deploy.answers import parsed
from medmip.deploy.blocks.declaration import HOME, Audience, BlockName
from medmip.deploy.blocks.firewall import quiet, ruleset
from medmip.deploy.blocks.proxy import proxy
from medmip.deploy.blocks.registry import BLOCKS, blocks_of
from medmip.deploy.contents import PARTS
from medmip.deploy.errors import DeployError
from medmip.deploy.server_files import configuration, server_files, used_secrets
from medmip.deploy.settings import backup_settings
from medmip.imaging.settings import imaging_settings
from medmip.ldsm.settings import ldsm_settings
from tests.conftest import missing
from tests.deploy.answered import BY_ACME, EVERY_BLOCK, PLAIN, alone, everything, plain
from tests.project.tree import ROOT

Need = Callable[..., str]
WHO_COMES = {
    PLAIN: "",
    PLAIN + BY_ACME: "0.0.0.0/0",
    PLAIN + 'authorities = ["10.1.1.1"]\n' + BY_ACME: "10.1.1.1",
}
"""Answers, and from where an authority comes by port 80."""


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    where = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin", "SYSTEMD_COLORS": "0"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=where)


def sbin(need: Need, name: str) -> str:
    return path if Path(path := f"/usr/sbin/{name}").exists() else need(name)


def units(tmp_path: Path) -> list[Path]:
    paths = []
    for file in server_files(alone(parsed(EVERY_BLOCK + BY_ACME, "answers.toml"))):
        if file.path.endswith((".service", ".timer")):
            paths.append(tmp_path / Path(file.path).name)
            # The program is not installed where the tests run.
            text = re.sub("/opt/mip/current/bin/(mip|python)", "/bin/true", file.text)
            paths[-1].write_text(text)
    return paths


def test_a_block_brings_what_it_needs() -> None:
    assert blocks_of([BlockName.REFERENCE]) == tuple(
        block
        for block in BLOCKS
        if block.name
        in {BlockName.INFRASTRUCTURE, BlockName.ALGORITHM_FACTORY, BlockName.REFERENCE}
    )


def test_what_is_needed_is_set_up_before_what_needs_it() -> None:
    order = [block.name for block in BLOCKS]
    late = [
        (block.name, need)
        for block in BLOCKS
        for need in block.needs
        if order.index(need) > order.index(block.name)
        and block.name not in {BlockName.REFERENCE, BlockName.FEDERATION_HUB}
    ]
    assert late == []


def test_no_two_programs_listen_at_one_port() -> None:
    numbers = [port.number for block in BLOCKS for port in block.every_port]
    assert len(numbers) == len(set(numbers))


def test_the_home_is_kept_and_the_backup_knows_its_parts() -> None:
    kept = [folder.path for block in BLOCKS for folder in block.folders if folder.kept]
    assert kept == [HOME]
    assert any(part.kept for part in PARTS)


def test_the_firewall_is_taken_by_nft(need: Need, tmp_path: Path) -> None:
    for number, answers in enumerate((everything(), plain())):
        path = tmp_path / f"{number}.nft"
        path.write_text(ruleset(answers.every_block, answers.networks))
        judged = ran(sbin(need, "nft"), "-c", "-f", str(path))
        if "Operation not permitted" in judged.stderr:
            missing("nft may not read the kernel's tables here")
        assert judged.returncode == 0, judged.stderr


def test_the_rules_that_keep_the_world_out_are_taken_by_nft(need: Need, tmp_path: Path) -> None:
    for number, answers in enumerate((everything(), plain())):
        rules = quiet(answers.every_block)
        assert ("4222" in rules) == answers.has(BlockName.FEDERATION_HUB)
        assert "443" in rules
        assert " 22" not in rules
        path = tmp_path / f"{number}.nft"
        # The account is there where MIP is installed.
        path.write_text(rules.replace('skuid "mip"', 'skuid "root"'))
        judged = ran(sbin(need, "nft"), "-c", "-f", str(path))
        if "Operation not permitted" in judged.stderr:
            missing("nft may not read the kernel's tables here")
        assert judged.returncode == 0, judged.stderr


def test_the_firewall_lets_in_who_is_named_and_nobody_else() -> None:
    rules = ruleset(everything().every_block, everything().networks)
    accepted = set(re.findall(r"saddr @(\w+) tcp dport \{ ([\d, ]+) \} accept", rules))
    assert accepted == {
        ("maintainers_ip", "22"),
        ("maintainers_ip6", "22"),
        ("people_ip", "443"),
        ("sites_ip", "4222"),
        ("scanners_ip", "11112"),
    }
    assert "elements = { 10.9.0.4/32 }" in rules
    assert rules.count("policy drop") == 2


def test_nobody_means_that_no_rule_opens_the_port() -> None:
    rules = ruleset(everything().every_block, {Audience.PEOPLE: everything().who.people})
    assert re.findall(r"tcp dport \{ ([\d, ]+) \}", rules) == ["443"]
    assert "8080" not in rules


def test_the_units_are_sound(need: Need, tmp_path: Path) -> None:
    for path in units(tmp_path):
        judged = ran(need("systemd-analyze"), "verify", "--man=no", str(path))
        assert judged.returncode == 0, judged.stderr
        assert path.name not in judged.stderr


def test_the_units_are_hardened(need: Need, tmp_path: Path) -> None:
    services = [path for path in units(tmp_path) if path.suffix == ".service"]
    assert len(services) == 5
    for path in services:
        judged = ran(
            need("systemd-analyze"), "security", "--offline=true", "--threshold=25", str(path)
        )
        assert judged.returncode == 0, judged.stdout


def test_port_80_is_open_where_an_authority_comes_by_it_and_only_then() -> None:
    for text, open_to in WHO_COMES.items():
        answers = parsed(text, "answers.toml")
        rules = ruleset(answers.every_block, answers.networks)
        site = next(file.text for file in server_files(alone(answers)) if "nginx" in file.path)
        assert ("tcp dport { 80 } accept" in rules) == bool(open_to)
        assert ("listen 80;" in site) == bool(open_to)
        assert open_to in rules


def test_an_authority_is_asked_for_nothing_where_there_is_no_portal() -> None:
    answers = parsed('blocks = ["hospital-database"]\n' + PLAIN + BY_ACME, "answers.toml")
    assert not answers.has(BlockName.CERTIFICATE_RENEWAL)
    assert not [file for file in server_files(alone(answers)) if "certificate" in file.path]


@pytest.mark.parametrize("more", ["", BY_ACME])
def test_the_proxy_is_taken_by_nginx(need: Need, tmp_path: Path, more: str) -> None:
    nginx = sbin(need, "nginx")
    make = ran(
        need("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-subj", "/CN=mip.hospital.example", "-keyout", str(tmp_path / "portal-key.pem"),
        "-out", str(tmp_path / "portal.pem"),
    )  # fmt: skip
    assert make.returncode == 0, make.stderr
    site = proxy(
        "mip.hospital.example",
        secrets=str(tmp_path),
        at=str(tmp_path / "portal.pem"),
        is_asked=bool(more),
    )
    whole = tmp_path / "nginx.conf"
    whole.write_text(
        f"pid {tmp_path}/pid;\nerror_log {tmp_path}/error.log;\nevents {{}}\n"
        f"http {{ access_log off;\n{site}}}\n"
    )
    judged = ran(nginx, "-t", "-c", str(whole), "-e", str(tmp_path / "error.log"))
    assert judged.returncode == 0, judged.stderr
    assert "TLSv1.3" in site
    assert "TLSv1.2" not in site


def test_the_rotation_is_taken_by_logrotate(need: Need, tmp_path: Path) -> None:
    path = tmp_path / "mip"
    rotation = next(
        file for file in server_files(alone(everything())) if file.path == "/etc/logrotate.d/mip"
    )
    # The account is not there where the tests run.
    path.write_text(rotation.text.replace("su mip mip", "su root root"))
    judged = ran(sbin(need, "logrotate"), "-d", str(path))
    assert judged.returncode == 0, judged.stderr
    assert "error" not in judged.stderr


def test_the_home_is_configured_so_that_mip_reads_it(home: Home) -> None:
    home.configuration.write_text(configuration(alone(everything())))
    login = login_settings(home)
    assert login.oidc
    assert login.oidc.client_secret_file.startswith("/run/credentials/mip.service/")
    assert backup_settings(home).to == "/var/backups/mip"
    assert imaging_settings(home).receiver.peers[0].title == "PACS"
    assert ldsm_settings(home)


def test_no_text_on_the_server_holds_a_secret_or_names_where_it_was_given() -> None:
    assert all("/run/secret" not in file.text for file in server_files(alone(everything())))
    used = {secret.name for secret in used_secrets(alone(plain()))}
    assert used == {"report-key", "portal-key", "authority-key"}


def test_a_backup_elsewhere_is_where_its_service_may_write() -> None:
    answers = parsed(PLAIN + '[backup]\nto = "/mnt/share"\n', "a")
    unit = next(
        file.text
        for file in server_files(alone(answers))
        if file.path.endswith("mip-backup.service")
    )
    assert "ReadWritePaths=/mnt/share\n" in unit
    assert tomllib.loads(configuration(alone(answers)))["backup"]["to"] == "/mnt/share"


@pytest.mark.parametrize(
    "more, field",
    [
        ('blocks = ["kitchen"]', "blocks.0"),
        ("[login]\nkind = 'open'", "answers"),
        ("[certificate]\nkind = 'files'", "certificate"),
        ("[certificate]\nkind = 'acme'", "certificate"),
        ("[certificate]\nterms_agreed = true", "certificate"),
        ("[certificate]\nkind = 'acme'\ndirectory = 'http://a'", "certificate.directory"),
        ("[certificate]\nkind = 'acme'\nterms_agreed = true\naccount = 'a'", "certificate"),
        ("[who]\npeople = ['10.0.0.0/99']", "who.people.0"),
        ("[settings.login]\nkind = 'open'", "answers"),
    ],
)
def test_an_answer_that_cannot_be_used_is_named(more: str, field: str) -> None:
    beginning = 'name = "mip.example"\nrecipients = ["AGE-SECRET-KEY-1QQ"]\n'
    with pytest.raises(DeployError) as raised:
        parsed(beginning + more, "answers.toml")
    fields = {problem.path.removesuffix(".function-plain") for problem in raised.value.fields}
    assert "recipients.0" in fields
    assert field in fields or field == "answers"
    assert "AGE-SECRET" not in str(raised.value)


def test_answers_are_taken_whole() -> None:
    assert everything().has(BlockName.FEDERATION_HUB)
    assert not plain().has(BlockName.FEDERATION_HUB)
    assert EVERY_BLOCK.count("[[") == len(everything().imaging.receiver.peers)


def test_every_proof_that_the_document_names_is_there() -> None:
    page = (ROOT / "docs" / "from-mip-2018.md").read_text()
    sources = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    file, absent = "", []
    for named in re.findall(r"`([^`]*(?:test_\w+\.py)?(?:::test_\w+)?)`", page):
        part, _, test = named.partition("::")
        file = part.rsplit("/", 1)[-1] or file
        if test and f"def {test}(" not in sources.get(file, ""):
            absent.append(named)
        if part.startswith("tests/") and not (ROOT / part).exists():
            absent.append(named)
    assert absent == []
    assert page.count("::test_") > 15
