"""A signed report is proved by its server's key, and refused once a byte of it was changed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from medmip.cli.main import app
from medmip.deploy.acceptance import Check, Report
from medmip.deploy.encryption import make_identity
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation, report_key
from medmip.deploy.signed_report import prove, signed_html, signed_json
from medmip.federation.identity import Identity

SIGNER = Identity(bytes(range(32)))
REPORT = Report(
    "mip.hospital.example",
    datetime(2026, 11, 1, tzinfo=UTC),
    "0.1.0",
    (
        Check("disk", True, "97 % are free – plenty", "Free space."),
        Check("portal", False, "</script><b>HTTP 502</b>", "See why & start it."),
    ),
)
FORMS = pytest.mark.parametrize("seal", [signed_html, signed_json])
Seal = Callable[[Report, Identity], bytes]


@FORMS
def test_a_report_that_was_not_changed_is_proved(seal: Seal) -> None:
    proved = prove(seal(REPORT, SIGNER), SIGNER.public)
    assert (proved.name, proved.made, proved.version) == (REPORT.name, REPORT.made, "0.1.0")
    assert (proved.points, proved.failed) == (2, ("portal",))


@FORMS
@settings(max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_changed_bit_is_refused(seal: Seal, place: float, bit: int) -> None:
    changed = bytearray(seal(REPORT, SIGNER))
    changed[int(place * len(changed))] ^= 1 << bit
    with pytest.raises(DeployError):
        prove(bytes(changed), SIGNER.public)


@FORMS
def test_what_is_added_or_cut_off_is_refused(seal: Seal) -> None:
    sealed = seal(REPORT, SIGNER)
    for other in (sealed + b"\n", sealed + b"<p>passed</p>", sealed[:-1], b" " + sealed, b""):
        with pytest.raises(DeployError):
            prove(other, SIGNER.public)


def test_a_field_that_stands_twice_is_refused() -> None:
    twice = signed_json(REPORT, SIGNER).replace(b"{", b'{\n  "passed": true,', 1)
    with pytest.raises(DeployError, match="was changed"):
        prove(twice, SIGNER.public)


@FORMS
def test_another_servers_report_is_refused(seal: Seal) -> None:
    with pytest.raises(DeployError, match="another key"):
        prove(seal(REPORT, Identity.made()), SIGNER.public)
    # Nor does it help to write our name over it.
    other = Identity.made()
    forged = seal(REPORT, other).replace(other.public.hex.encode(), SIGNER.public.hex.encode())
    with pytest.raises(DeployError, match="was changed"):
        prove(forged, SIGNER.public)


@FORMS
def test_another_document_of_the_same_key_is_no_report(seal: Seal) -> None:
    told = REPORT.told()
    text = json.dumps(told, indent=2, ensure_ascii=False).encode()
    signature = {"key": SIGNER.public.hex, "value": SIGNER.sign(text).hex()}
    content = json.dumps(told | {"signature": signature}, indent=2, ensure_ascii=False) + "\n"
    with pytest.raises(DeployError, match="was changed"):
        prove(content.encode(), SIGNER.public)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "installation")
    person = make_identity(tmp_path / "person.txt")
    made.configure(
        f'name = "localhost"\nrecipients = ["{person}"]\n[server]\nhost = "mip-server"\n'
        '[who]\nmaintainers = ["10.0.0.0/8"]\n',
        "answers.toml",
    )
    return made


def verify(*words: str | Path) -> tuple[int, str]:
    ended = CliRunner().invoke(app, ["deploy", "verify-report", *map(str, words)])
    return ended.exit_code, ended.output + str(ended.exception or "")


def test_the_command_proves_by_the_configuration_or_by_a_key(
    installation: Installation, tmp_path: Path
) -> None:
    path, key = tmp_path / "validation.html", tmp_path / "report-key.pub"
    path.write_bytes(signed_html(REPORT, installation.reporter()))
    key.write_bytes(installation.report_key.read_bytes())
    for words in ((path, "--folder", installation.folder), (path, "--key", key)):
        code, said = verify(*words)
        assert code == 0
        assert "failed in 1 of 2 points: portal" in said
    path.write_text(path.read_text().replace("FAIL", "pass"))
    code, said = verify(path, "--key", key)
    assert code == 1
    assert "it was changed" in said
    assert verify(tmp_path / "none.html", "--key", key)[0] == 1
    assert verify(path, "--key", tmp_path / "none.pub")[0] == 1


def test_the_key_is_made_once_and_anew_only_when_it_is_said(installation: Installation) -> None:
    was = installation.reporter().public
    sealed = signed_json(REPORT, installation.reporter())
    assert report_key(installation.report_key) == was
    installation.configure((installation.folder / "answers.toml").read_text(), "answers.toml")
    assert installation.reporter().public == was
    installation.renew(["report-key"])
    assert report_key(installation.report_key) == installation.reporter().public != was
    with pytest.raises(DeployError, match="another key"):
        prove(sealed, report_key(installation.report_key))
