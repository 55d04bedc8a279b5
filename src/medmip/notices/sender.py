"""Sends what waits, in the background of a server or once at a command's end."""

import fcntl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from medmip.catalogue.home import Home
from medmip.logbook import logger
from medmip.notices.delivery import NotDelivered, Way, Ways
from medmip.notices.email import Email
from medmip.notices.message import Message
from medmip.notices.posting import Slack, Webhook
from medmip.notices.queue import Queue
from medmip.notices.settings import NoticeSettings

LOOK_EVERY = 2.0
WATCH_EVERY = 60.0
_LONGEST = 60.0
"""Seconds that one delivery may last, whatever its receiver does."""
log = logger("medmip.notices")


def ways_of(settings: NoticeSettings) -> dict[str, Way]:
    """The ways that are set, ready to be used; raises SettingsError where a secret is not there."""
    ways: dict[str, Way] = {}
    if settings.email is not None:
        ways["email"] = Email(settings, settings.email)
    if settings.slack is not None:
        ways["slack"] = Slack(settings, settings.slack)
    if settings.webhook is not None:
        ways["webhook"] = Webhook(settings, settings.webhook)
    return ways


def send_due(home: Home, queue: Queue, ways: Ways, settings: NoticeSettings, now: datetime) -> bool:
    """One round over all ways; false where another process sends just now.

    A way whose receiver fails is left alone until the next round.
    """
    pause = timedelta(minutes=settings.summary_minutes)
    with _only_sender(home) as alone:
        if not alone:
            return False
        for name, way in ways.items():
            for message in queue.due(name, pause, now):
                if not _sent(queue, way, message):
                    break
    return True


def _sent(queue: Queue, way: Way, message: Message) -> bool:
    problem = _delivered(way, message)
    now = datetime.now(UTC)
    if problem:
        queue.failed(message, problem, now)
    else:
        queue.sent(message, now)
    return not problem


def _delivered(way: Way, message: Message) -> str:
    """Why a message did not arrive, empty where it did.

    A receiver that gives a byte now and then would hold a thread for ever: it is left to itself.
    """
    found: list[str] = []

    def work() -> None:
        try:
            way.deliver(message)
        except NotDelivered as error:
            found.append(str(error))
        except Exception as error:  # noqa: BLE001 - a receiver's fault may not end the sending
            found.append(type(error).__name__)
        else:
            found.append("")

    thread = threading.Thread(target=work, name="notice", daemon=True)
    thread.start()
    thread.join(_LONGEST)
    return found[0] if found else "no answer in time"


class Sender:
    """Sends in a thread of its own, and looks at what is watched, until it is left.

    watch writes down what has changed of the machine; it is called once a minute.
    """

    def __init__(
        self,
        home: Home,
        queue: Queue,
        settings: NoticeSettings,
        watch: Callable[[], None] = lambda: None,
    ) -> None:
        self._home = home
        self._queue = queue
        self._settings = settings
        self._ways = ways_of(settings)
        self._watch = watch
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notices", daemon=True)

    def __enter__(self) -> "Sender":
        now = datetime.now(UTC)
        self._queue.close(self._ways, now)
        self._queue.hasten(now)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops; what is being sent may be sent again, under the same id."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        rounds = 0
        while not self._stop.wait(LOOK_EVERY if rounds else 0):
            try:
                if rounds % round(WATCH_EVERY / LOOK_EVERY) == 0:
                    self._watch()
                now = datetime.now(UTC)
                send_due(self._home, self._queue, self._ways, self._settings, now)
            except Exception as error:  # noqa: BLE001 - sending goes on, whatever one round met
                log.error("notices could not be sent", kind=type(error).__name__)
            rounds += 1


@contextmanager
def _only_sender(home: Home) -> Iterator[bool]:
    """Whether this process alone sends, for as long as it is entered."""
    with (home.path / "notices.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
