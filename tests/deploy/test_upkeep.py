"""Which services are looked after, and what may go to somebody who helps."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from medmip.deploy import support, upkeep
from medmip.deploy.encryption import make_identity
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from tests.deploy.answered import alone, everything, plain

PATIENT = "Mustermann-4711"


def test_a_block_or_a_service_names_units() -> None:
    assert upkeep.chosen(alone(everything()), ["data-factory"]) == ["mip-imaging.service"]
    assert upkeep.chosen(alone(everything()), ["mip", "nginx"]) == ["mip.service", "nginx.service"]
    assert "mip-backup.timer" in upkeep.chosen(alone(plain()), [])
    with pytest.raises(DeployError, match="mip-imaging"):
        upkeep.picked(plain(), ["mip-imaging"])


def test_nobody_stops_the_firewall_or_the_way_in() -> None:
    stopped = upkeep._stoppable(alone(everything()), ["infrastructure", "web-analytics"])
    assert stopped == ["mip-backup.timer", "nginx.service"]


def test_of_a_log_only_what_our_code_names_is_taken(tmp_path: Path) -> None:
    lines = [
        {"event": "link failed", "level": "error", "timestamp": "t", "error": "OSError",
         "message": PATIENT, "reason": PATIENT},
        {"event": f"row of {PATIENT} refused", "level": "error", "timestamp": "t"},
        {"event": "died", "level": "error", "timestamp": "t", "error": f"ValueError: {PATIENT}"},
    ]  # fmt: skip
    log = tmp_path / "mip.jsonl"
    log.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + f"not JSON {PATIENT}\n")
    (tmp_path / f"{PATIENT}.jsonl").write_text(log.read_text())
    told = list(support.logged(tmp_path))
    assert [one["event"] for one in told] == ["link failed", "died"]
    assert told[0]["error"] == "OSError"
    assert PATIENT not in json.dumps(told)


def test_of_a_journal_only_systemd_and_places_in_our_code_are_taken() -> None:
    told = list(
        support.of_journal(
            [
                {"_PID": "1", "UNIT": "mip.service", "MESSAGE": "Started mip.service"},
                {"_PID": "9", "MESSAGE": f"patient {PATIENT}"},
                {"_PID": "9", "MESSAGE": f"ValueError: could not convert '{PATIENT}'"},
                {"_PID": "9", "MESSAGE": '  File "/opt/mip/x/medmip/web/door.py", line 7, in a'},
                {"_PID": "9", "MESSAGE": f'    look("{PATIENT}")'},
            ]
        )
    )
    assert [one.get("systemd") or one.get("error") or one.get("frame") for one in told] == [
        "Started mip.service",
        "ValueError",
        "web/door.py:7",
    ]
    assert PATIENT not in json.dumps(told)


def test_a_bundle_with_a_secret_is_not_written(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "installation")
    person = make_identity(tmp_path / "person.txt")
    installation.configure(
        f'name = "localhost"\nrecipients = ["{person}"]\n[server]\nhost = "mip-server"\n'
        '[who]\nmaintainers = ["10.0.0.0/8"]\n',
        "a",
    )
    support._refuse_secrets(installation, {"a": "harmless", "b": person})
    key = installation.secret("portal-key").decode().splitlines()[1]
    identity = (installation.folder / "identity.txt").read_text().splitlines()[1]
    for secret in (key, identity):
        with pytest.raises(DeployError, match="not written"):
            support._refuse_secrets(installation, {"a": f"x {secret} y"})


def test_answers_name_no_source_and_no_scanner() -> None:
    told = json.dumps(support._plain(everything()))
    assert "10.9.0.4" not in told
    assert "age1" not in told


def test_a_bundle_holds_its_parts() -> None:
    with tarfile.open(fileobj=io.BytesIO(support.packed({"b": "2", "a": "é"}))) as archive:
        assert archive.getnames() == ["mip-support/a", "mip-support/b"]
