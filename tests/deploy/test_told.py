"""The answers about notices reach the server: settings in mip.toml, secrets as credentials."""

from pathlib import Path

import pytest

from medmip.catalogue.home import Home
from medmip.cli.notices import Happening
from medmip.deploy import machine
from medmip.deploy.answers import Answers, parsed
from medmip.deploy.blocks.registry import BLOCKS
from medmip.deploy.drill import units
from medmip.deploy.encryption import make_identity
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from medmip.deploy.server_files import configuration, server_files, used_secrets
from medmip.notices.settings import notice_settings
from tests.deploy.answered import BY_ACME, EVERY_BLOCK, PLAIN, alone, everything, plain
from tests.deploy.test_configure import NOW, answers

PASSWORD = "a-password-of-the-mail-server"
NOTICES = """
[notices]
language = "fr"
[notices.email]
host = "smtp.hospital.example"
sender = "mip@hospital.example"
to = ["it@hospital.example"]
user = "mip"
secret_file = "{folder}/password"
[notices.webhook]
url = "https://hooks.hospital.example/mip"
secret_file = "{folder}/key"
"""


def told(folder: Path = Path("/run")) -> Answers:
    return parsed(PLAIN + NOTICES.format(folder=folder), "a")


def file_of(given: Answers, name: str) -> str:
    return next(file.text for file in server_files(alone(given)) if file.path.endswith(f"/{name}"))


def test_the_server_is_told_how_people_are_told(home: Home) -> None:
    home.configuration.write_text(configuration(alone(told())))
    settings = notice_settings(home)
    assert (settings.language, settings.portal) == ("fr", "https://mip.hospital.example")
    assert settings.certificates == ("/etc/mip/portal.pem",)
    assert {name: way.credential for name, way in settings.channels.items()} == {
        "email": "notices-email",
        "webhook": "notices-webhook",
    }
    assert all(not way.secret_file for way in settings.channels.values())


def test_services_that_send_get_the_secrets_that_there_are_and_no_others() -> None:
    assert {one.name for one in used_secrets(alone(told()))} >= {"notices-email", "notices-webhook"}
    for name in ("mip.service", "mip-notice@.service"):
        text = file_of(told(), name)
        assert "LoadCredential=notices-email:/etc/mip/secrets/notices-email\n" in text
        assert "LoadCredential=notices-webhook:/etc/mip/secrets/notices-webhook\n" in text
        assert "notices-slack" not in text
        assert "notices-" not in file_of(plain(), name)
    assert "notices" not in configuration(alone(plain()))


def test_every_unit_that_fails_is_told_of_by_a_name_that_the_command_knows() -> None:
    by_acme = parsed(EVERY_BLOCK + BY_ACME, "answers.toml")
    for block in BLOCKS:
        for service in block.services:
            text = file_of(by_acme, f"{service.name}.service")
            assert "OnFailure=mip-notice@%p.service\n" in text
            assert service.name in list(Happening)
    drill = units(Path("/backups"), Path("/identity"))
    assert "OnFailure=mip-notice@%p.service\n" in drill["mip-drill.service"]
    assert "mip-drill" in list(Happening)
    notice = file_of(everything(), "mip-notice@.service")
    assert "ExecStart=/opt/mip/current/bin/mip notices tell %i --home /var/lib/mip\n" in notice
    assert "Type=oneshot\n" in notice
    assert "OnFailure" not in notice


def test_secrets_are_kept_as_files_of_age_and_in_no_answer(tmp_path: Path) -> None:
    person = make_identity(tmp_path / "person.txt")
    (tmp_path / "password").write_text(PASSWORD + "\n")
    (tmp_path / "key").write_text("a2V5a2V5a2V5a2V5a2V5a2V5a2V5a2V5\n")
    installation = Installation(tmp_path / "installation")
    installation.configure(answers(person, NOTICES.format(folder=tmp_path)), "a")
    assert installation.secret("notices-email") == PASSWORD.encode()
    assert installation.secret("notices-webhook").startswith(b"a2V5")
    for path in installation.folder.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes()


def test_a_secret_that_is_not_there_is_told(tmp_path: Path) -> None:
    found = machine.problems(told(tmp_path), None, NOW)
    assert {"notices.email.secret_file", "notices.webhook.secret_file"} <= {
        one.path for one in found
    }


def test_a_credential_is_no_answer() -> None:
    with pytest.raises(DeployError) as error:
        parsed(PLAIN + '[notices.slack]\ncredential = "slack"\n', "a")
    assert "name a secret_file" in str(error.value)
