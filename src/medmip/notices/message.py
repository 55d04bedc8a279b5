"""Several events as one message: its subject, its text, the same at every attempt."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from medmip.notices.event import Event
from medmip.notices.settings import NoticeSettings
from medmip.notices.words import Words
from medmip.notices.words.english import ENGLISH
from medmip.notices.words.french import FRENCH
from medmip.notices.words.german import GERMAN

LANGUAGES = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH}
_MOST_LINKS = 10


@dataclass(frozen=True, slots=True)
class Message:
    """What one way is to be sent: id is the message's own, so that a receiver takes it once."""

    id: str
    channel: str
    events: tuple[Event, ...]
    attempts: int = 0

    @property
    def at(self) -> datetime:
        """When the last of what it tells of happened."""
        return max(event.at for event in self.events)

    def subject(self, settings: NoticeSettings) -> str:
        """One line: the sentence where there is one, else how many events there are."""
        words = LANGUAGES[settings.language]
        sentences = [*_sentences(self.events, words)]
        number = sum(event.count for event in self.events)
        if len(sentences) == 1:
            # What to do about it is for the text.
            return f"MIP: {sentences[0][0].split('. ')[0].rstrip('.')}"
        return f"MIP: {words.summary.format(count=number)}"

    def text(self, settings: NoticeSettings) -> str:
        """The whole, as plain text."""
        words = LANGUAGES[settings.language]
        lines = []
        for sentence, events in _sentences(self.events, words):
            lines.append(f"- {sentence}")
            places = [event.link(settings.portal) or event.identity for event in events]
            named = [place for place in dict.fromkeys(places) if place]
            lines += [f"  {place}" for place in named[:_MOST_LINKS]]
            if more := len(named) - _MOST_LINKS:
                lines += [f"  {words.more.format(count=more)}"] if more > 0 else []
        return "\n".join([*lines, "", words.foot]) + "\n"

    def document(self, settings: NoticeSettings) -> dict[str, object]:
        """The whole for a program."""
        return {
            "type": "mip.notice",
            "timestamp": self.at.isoformat(),
            "data": {
                "id": self.id,
                "subject": self.subject(settings),
                "text": self.text(settings),
                "events": [
                    {
                        "id": event.id,
                        "kind": event.kind.value,
                        "count": event.count,
                        "identity": event.identity,
                        "at": event.at.isoformat(),
                        "link": event.link(settings.portal),
                    }
                    for event in self.events
                ],
            },
        }


def _sentences(events: tuple[Event, ...], words: Words) -> Iterator[tuple[str, list[Event]]]:
    """A sentence a kind, in the order in which they first happened."""
    counts = Counter[str]()
    for event in events:
        counts[event.kind] += event.count
    for kind in dict.fromkeys(event.kind for event in events):
        of_kind = [event for event in events if event.kind is kind]
        yield words.sentence(kind, counts[kind]), of_kind
