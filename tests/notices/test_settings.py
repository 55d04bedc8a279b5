"""What `[notices]` may say, in every language; each mistake is told by its place."""

import pytest

from medmip.catalogue.configuration import SettingsError
from medmip.catalogue.home import Home
from medmip.notices.event import Event, Kind
from medmip.notices.message import LANGUAGES, Message
from medmip.notices.settings import NoticeSettings, notice_settings

EMAIL = '[notices.email]\nhost = "smtp.example"\nsender = "a@b.example"\nto = ["c@d.example"]\n'
HOOK = '[notices.webhook]\nsecret_file = "/etc/key"\n'


@pytest.mark.parametrize(
    "text, said",
    [
        ("[notices]\nlanguage = 'it'", "notices.language"),
        ("[notices]\nsummary_minutes = -1", "notices.summary_minutes"),
        ("[notices]\nportal = 'http://mip.example'", "begins with https://"),
        ("[notices]\nemial = {}", "notices.emial"),
        (HOOK + "url = 'http://receiver.example/'", "begins with https://"),
        (HOOK + "url = 'ftp://receiver.example/'", "begins with https://"),
        (HOOK + "url = 'https://user:word@receiver.example/'", "neither user"),
        (HOOK + "url = 'https://'", "has a host"),
        (HOOK + "url = 'https://receiver.example:99999/'", "no URL"),
        ("[notices.webhook]\nurl = 'https://receiver.example/'", "signing key"),
        (HOOK + "url = 'https://r.example/'\ncredential = 'x'", "exclude each other"),
        (HOOK + "url = 'https://r.example/'\nsecret = 'x'", "notices.webhook.secret"),
        ("[notices.slack]\nevents = ['all']\ncredential = 'x'", "there are experiments, scans"),
        ("[notices.slack]", "webhook's URL"),
        (EMAIL + "user = 'mip'", "user needs secret_file"),
        (EMAIL + "security = 'none'", "on this machine alone"),
        (EMAIL.replace("c@d.example", "c@d.example\\r\\nBcc: x@y.example"), "notices.email.to.0"),
        (EMAIL.replace("a@b.example", "nobody"), "notices.email.sender"),
    ],
)
def test_a_mistake_is_told_by_its_place(home: Home, text: str, said: str) -> None:
    home.configuration.write_text(text)
    with pytest.raises(SettingsError) as told:
        notice_settings(home)
    assert said in str(told.value)
    assert "word" not in str(told.value), "what stands in the wrong place may be a secret"


def test_usual_ports_are_taken_and_this_machine_may_speak_openly(home: Home) -> None:
    home.configuration.write_text(EMAIL)
    email = notice_settings(home).email
    assert email is not None
    assert email.at == 587
    home.configuration.write_text(EMAIL.replace("smtp.example", "localhost") + "security = 'none'")
    email = notice_settings(home).email
    assert email is not None
    assert email.at == 25


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_a_sentence_for_every_event(language: str) -> None:
    words = LANGUAGES[language]
    assert set(words.sentences) == set(Kind)
    for kind in Kind:
        for count in (1, 17):
            sentence = words.sentence(kind, count)
            assert "{" not in sentence
            assert count == 1 or "17" in sentence or kind in (Kind.TEST, Kind.BACKUP_OLD)
    settings = NoticeSettings(language=language)
    message = Message("m", "email", tuple(map(Event, Kind)))
    assert message.subject(settings).isprintable()
    assert message.text(settings).count("\n- ") == len(Kind) - 1


@pytest.mark.parametrize(
    "kind, identity",
    [
        (Kind.EXPERIMENT_FAILED, "Mrs Smith"),
        (Kind.EXPERIMENT_FAILED, "abcdefgh234567aa"),
        (Kind.SITE_LOST, "Valley Clinic"),
        (Kind.SCANS_FAILED, "ZQ1234"),
        (Kind.SERVICE_FAILED, "sshd"),
        (Kind.IMPORT_REFUSED, "smith.csv"),
    ],
)
def test_no_event_takes_what_a_person_typed(kind: Kind, identity: str) -> None:
    with pytest.raises(ValueError, match="no such identity"):
        Event(kind, identity=identity)
