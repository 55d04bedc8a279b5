"""Notices arrive at real servers, whole and signed; and nothing is said where it must not be."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from medmip.catalogue.configuration import SettingsError
from medmip.catalogue.home import Home
from medmip.notices import sender
from medmip.notices.event import Event, Kind
from medmip.notices.outbox import MOST_WAITING, Outbox
from medmip.notices.posting import signed, signing_key
from medmip.notices.queue import PATIENCE, Queue
from medmip.notices.sender import send_due, ways_of
from medmip.store.state import open_state
from tests.notices.conftest import KEY, Configure, secret
from tests.notices.receivers import PASSWORD, USER, Post, Vouched, Web, mail_server, vouched

EXPERIMENT = "0b0e8a6e-53d5-4b38-9f8b-3f9d4c1f7f10"


def at_once(home: Home, *events: Event, now: datetime | None = None) -> tuple[Outbox, Queue]:
    """Writes events down and makes one round."""
    outbox, queue = opened(home)
    outbox.tell(*events)
    again(home, outbox, queue, now)
    return outbox, queue


def opened(home: Home) -> tuple[Outbox, Queue]:
    state: Engine = open_state(home)
    return Outbox.of(home, state), Queue(state)


def again(home: Home, outbox: Outbox, queue: Queue, now: datetime | None = None) -> None:
    settings = outbox.settings
    assert send_due(home, queue, ways_of(settings), settings, now or datetime.now(UTC))


def states(queue: Queue) -> list[str]:
    return [one.state for one in queue.deliveries(5000)]


def test_a_mail_comes_by_starttls_and_log_in_to_all_its_receivers(
    configure: Configure, post: Post
) -> None:
    home = configure(post=post, portal="https://mip.hospital.example", language="de")
    _, queue = at_once(home, Event(Kind.EXPERIMENT_REFUSED, identity=EXPERIMENT))
    assert states(queue) == ["sent"]
    (mail,) = post.mails
    assert post.log_ins == [USER]
    assert post.receivers == [["admin@hospital.example", "night@hospital.example"]]
    assert mail["From"] == "mip@hospital.example"
    assert mail["Subject"] == "MIP: Der Datenschutz-Wächter hat ein Experiment abgelehnt"
    assert f"https://mip.hospital.example/experiments/{EXPERIMENT}" in mail.get_content()
    (delivery,) = queue.deliveries()
    assert mail["Message-ID"] == f"<{delivery.message}@hospital.example>"


def test_a_webhook_is_signed_as_the_standard_says(configure: Configure, web: Web) -> None:
    before = datetime.now(UTC).timestamp()
    home = configure(web=web)
    _, queue = at_once(home, Event(Kind.BACKUP_FAILED))
    assert states(queue) == ["sent"]
    ((headers, body),) = web.posts
    moment = headers["webhook-timestamp"]
    assert before - 1 <= int(moment) <= datetime.now(UTC).timestamp()
    said = f"{headers['webhook-id']}.{moment}.".encode() + body
    seal = base64.b64encode(hmac.new(base64.b64decode(KEY), said, hashlib.sha256).digest())
    assert headers["webhook-signature"] == f"v1,{seal.decode()}"
    told = json.loads(body)
    assert told["data"]["id"] == headers["webhook-id"]
    assert [event["kind"] for event in told["data"]["events"]] == ["backups.failed"]


def test_the_signature_is_the_one_that_the_standards_libraries_give() -> None:
    # The example of the standard's own libraries.
    headers = signed(
        signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_slack_gets_the_text(configure: Configure, web: Web) -> None:
    _, queue = at_once(configure(slack=web, language="fr"), Event(Kind.SCANS_WAITING, 3))
    assert states(queue) == ["sent"]
    (document,) = web.documents()
    assert set(document) == {"text"}
    assert str(document["text"]).startswith("- 3 examens attendent une relecture.")


@pytest.mark.parametrize("status", [500, 404, 429])
def test_what_is_not_taken_comes_later_under_the_same_id(
    configure: Configure, web: Web, status: int
) -> None:
    web.status = status
    home = configure(web=web)
    outbox, queue = at_once(home, Event(Kind.SITE_LOST, identity="abcdefgh234567aa"))
    (failed,) = queue.deliveries()
    assert (failed.state, failed.attempts) == ("waiting", 1)
    assert failed.problem == f"the receiver answers {status}"
    assert queue.troubled() == {"webhook": f"the receiver answers {status}"}
    web.status = 204
    again(home, outbox, queue)
    assert len(web.posts) == 1, "a receiver in trouble is left alone for a while"
    again(home, outbox, queue, datetime.now(UTC) + timedelta(seconds=31))
    assert len(set(web.ids())) == 1
    assert len(web.posts) == 2
    assert states(queue) == ["sent"]
    assert queue.troubled() == {}


def test_pauses_grow_to_an_hour_and_after_days_it_is_given_up(
    configure: Configure, web: Web
) -> None:
    web.status = 503
    home = configure(web=web)
    outbox, queue = at_once(home, Event(Kind.DISK_LOW))
    pauses = []
    for _ in range(10):
        (message,) = queue.due("webhook", timedelta(), datetime.now(UTC) + timedelta(days=1))
        now = datetime.now(UTC)
        queue.failed(message, "no answer in time", now)
        due = queue.deliveries()[0].due
        assert due is not None
        pauses.append((due - now).total_seconds())
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
    (message,) = queue.due("webhook", timedelta(), datetime.now(UTC) + PATIENCE)
    queue.failed(message, "no answer in time", datetime.now(UTC) + PATIENCE)
    assert queue.counts() == {"waiting": 0, "sent": 0, "given up": 1}
    again(home, outbox, queue, datetime.now(UTC) + 2 * PATIENCE)
    assert len(web.posts) == 1


def test_a_receiver_that_hangs_holds_nobody_up(
    configure: Configure, web: Web, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_LONGEST", 1.0)
    web.hang = 30
    _, queue = at_once(configure(web=web, post=post), Event(Kind.SERVICE_FAILED, identity="mip"))
    found = {one.channel: (one.state, one.problem) for one in queue.deliveries()}
    assert found == {"email": ("sent", ""), "webhook": ("waiting", "no answer in time")}


def test_a_certificate_of_somebody_else_is_not_accepted(
    configure: Configure, web: Web, post: Post, tmp_path: Path
) -> None:
    home = configure(web=web, post=post)
    other = vouched(tmp_path / "other", "other").authority
    text = home.configuration.read_text()
    (line,) = {line for line in text.splitlines() if line.startswith("authority_file")}
    home.configuration.write_text(text.replace(line, f'authority_file = "{other}"'))
    _, queue = at_once(home, Event(Kind.DEPLOYED))
    assert web.posts == []
    assert (post.mails, post.log_ins) == ([], [])
    for one in queue.deliveries():
        assert one.state == "waiting"
        assert one.problem.startswith("the certificate is not accepted"), one


def test_a_certificate_of_another_name_is_not_accepted(configure: Configure, web: Web) -> None:
    home = configure(web=web)
    text = home.configuration.read_text()
    # The same machine, by an address that the certificate is not for.
    home.configuration.write_text(text.replace("https://127.0.0.1:", "https://127.0.0.2:"))
    _, queue = at_once(home, Event(Kind.DEPLOYED))
    assert web.posts == []
    assert states(queue) == ["waiting"]


def test_a_receiver_that_is_not_there_is_told_in_words(
    configure: Configure, web: Web, post: Post
) -> None:
    home = configure(web=web, post=post)
    text = home.configuration.read_text()
    home.configuration.write_text(
        text.replace(web.url, "https://127.0.0.1:9/").replace(f"port = {post.port}", "port = 9")
    )
    _, queue = at_once(home, Event(Kind.DEPLOYED))
    assert {one.problem for one in queue.deliveries()} == {"the connection is refused"}
    home.configuration.write_text(text.replace("https://127.0.0.1:", "https://nowhere.invalid:"))
    again(home, *opened(home), datetime.now(UTC) + timedelta(minutes=5))
    assert queue.troubled()["webhook"] == "the host has no address"


def test_no_redirect_is_followed(configure: Configure, web: Web, proof: Vouched) -> None:
    from tests.notices.receivers import web_server

    with web_server(proof) as elsewhere:
        web.status, web.location = 307, elsewhere.url
        _, queue = at_once(configure(web=web), Event(Kind.DEPLOYED))
        assert elsewhere.posts == []
    assert "redirects (307)" in queue.deliveries()[0].problem


def test_a_mail_server_without_tls_gets_no_password_and_no_mail(
    configure: Configure, proof: Vouched
) -> None:
    with mail_server(proof, starttls=False) as bare:
        _, queue = at_once(configure(post=bare), Event(Kind.DEPLOYED))
        assert (bare.mails, bare.log_ins) == ([], [])
    assert states(queue) == ["waiting"]


def test_a_wrong_password_is_told_and_neither_logged_nor_kept(
    configure: Configure, post: Post, tmp_path: Path
) -> None:
    home = configure(post=post)
    secret(tmp_path, "password", "wrong-but-still-secret")
    _, queue = at_once(home, Event(Kind.DEPLOYED))
    (one,) = queue.deliveries()
    assert (one.state, one.problem) == ("waiting", "SMTPAuthenticationError 535")
    assert PASSWORD.encode() not in home.state_db.read_bytes()


def test_quiet_events_wait_for_one_summary_and_urgent_ones_do_not(
    configure: Configure, web: Web
) -> None:
    home = configure(web=web, summary_minutes=30)
    runs = [Event(Kind.EXPERIMENT_FINISHED, identity=EXPERIMENT) for _ in range(7)]
    outbox, queue = at_once(home, *runs, Event(Kind.EXPERIMENT_FAILED), Event(Kind.BACKUP_OLD))
    assert [len(told["data"]["events"]) for told in web.documents()] == [1]  # type: ignore[index]
    again(home, outbox, queue, datetime.now(UTC) + timedelta(minutes=29))
    assert len(web.posts) == 1
    again(home, outbox, queue, datetime.now(UTC) + timedelta(minutes=31))
    summary = web.documents()[1]["data"]
    assert isinstance(summary, dict)
    assert summary["subject"] == "MIP: 8 events"
    assert summary["text"].startswith("- 7 experiments finished.\n")
    assert "- An experiment failed.\n" in summary["text"]


def test_each_way_gets_the_events_that_it_names(configure: Configure, web: Web, post: Post) -> None:
    home = configure(web=web, post=post)
    text = home.configuration.read_text()
    home.configuration.write_text(
        text.replace("[notices.webhook]", '[notices.webhook]\nevents = ["scans"]').replace(
            "[notices.email]", '[notices.email]\nevents = ["backups", "experiments.failed"]'
        )
    )
    at_once(
        home,
        Event(Kind.SCANS_FAILED),
        Event(Kind.EXPERIMENT_FINISHED),
        Event(Kind.EXPERIMENT_FAILED),
        Event(Kind.DRILL_FAILED),
    )
    (told,) = web.documents()
    assert [one["kind"] for one in told["data"]["events"]] == ["scans.failed"]  # type: ignore[index]
    text = "".join(mail.get_content() for mail in post.mails)
    assert "An experiment failed" in text
    assert "restore drill" in text
    assert "finished" not in text


def test_the_outbox_is_bounded_and_the_newest_stay(configure: Configure, web: Web) -> None:
    outbox, queue = opened(configure(web=web))
    for _ in range(5):
        outbox.tell(*(Event(Kind.EXPERIMENT_FINISHED) for _ in range(MOST_WAITING // 4)))
    last = Event(Kind.TEST)
    outbox.tell(last)
    assert queue.counts()["waiting"] == MOST_WAITING
    assert queue.deliveries(1)[0].event == last.id


def test_a_way_that_is_set_no_more_keeps_nothing_waiting(configure: Configure, web: Web) -> None:
    outbox, queue = opened(configure(web=web))
    outbox.tell(Event(Kind.TEST))
    queue.close(["email"], datetime.now(UTC))
    assert queue.counts() == {"waiting": 0, "sent": 0, "given up": 1}


def test_without_settings_nothing_is_written_and_nobody_is_told(home: Home) -> None:
    outbox, queue = opened(home)
    outbox.tell(Event(Kind.BACKUP_FAILED))
    assert queue.deliveries() == []
    assert ways_of(outbox.settings) == {}


def test_two_processes_never_send_at_the_same_time(configure: Configure, web: Web) -> None:
    home = configure(web=web)
    outbox, queue = opened(home)
    outbox.tell(Event(Kind.TEST))
    with sender._only_sender(home) as alone:
        assert alone
        settings = outbox.settings
        assert not send_due(home, queue, ways_of(settings), settings, datetime.now(UTC))
    assert web.posts == []


def test_secrets_that_others_may_read_or_that_are_none_are_refused(
    configure: Configure, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = configure(web=web)
    settings = opened(home)[0].settings
    key = tmp_path / "key"
    key.chmod(0o640)
    with pytest.raises(SettingsError, match="may be read by others"):
        ways_of(settings)
    key.chmod(0o600)
    key.write_text("c2hvcnQ=\n")
    with pytest.raises(SettingsError, match="base64 of at least 24 bytes") as told:
        ways_of(settings)
    assert "c2hvcnQ" not in str(told.value)
    key.unlink()
    with pytest.raises(SettingsError, match="cannot be read: FileNotFoundError"):
        ways_of(settings)
    # The same key, handed over by systemd.
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    text = home.configuration.read_text().replace(f'secret_file = "{key}"', 'credential = "hook"')
    home.configuration.write_text(text)
    (tmp_path / "hook").write_text(KEY)
    assert set(ways_of(opened(home)[0].settings)) == {"webhook"}
