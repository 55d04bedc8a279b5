"""The desk: watches the inbox, looks at what arrives, and publishes what it is told to."""

import contextlib
import queue
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from secrets import token_hex

from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.errors import Conflict, MipError, NotFound
from medmip.inbox.arrivals import Arrivals
from medmip.inbox.item import Choice, Item, ItemState, Obstacle, Order
from medmip.inbox.listing import Lying, files_of, is_being_written, lying, shown, stamp_of
from medmip.inbox.look import looked_at
from medmip.inbox.publishing import BY_ITSELF, may_publish_itself, name_of, publications, publish
from medmip.inbox.records import Records
from medmip.ingest.errors import NotClean
from medmip.logbook import logger
from medmip.notices.event import Event, Kind
from medmip.notices.outbox import Tell

LOOK_EVERY = 0.4
STILL_TO_PUBLISH = timedelta(seconds=30)
"""Where nobody can tell whether a file is open, as on a network drive, it is not published without
a click before: its copy may have stalled."""
NAMELESS = Obstacle(
    title="The file has no readable name",
    detail="Its name is not text in UTF-8, as names from a Windows share or an old disk may not be",
    remedy="Rename it.",
)
_MOST_PUBLICATIONS = 50
_MOVING = (ItemState.ARRIVING, ItemState.LOOKING, ItemState.PUBLISHING)
log = logger("medmip.inbox")


class Desk:
    """What lies in a home's inbox. Only the home's one server opens it; nothing there is altered.

    One thread looks at the folder and one does the work, a file at a time. What is known of a file
    is written down whenever it changes, so that a killed server goes on where it was. tell is
    given a notice of what was published, or could not be.
    """

    def __init__(
        self, home: Home, models: ModelStore | None = None, tell: Tell = lambda *_: None
    ) -> None:
        self.home = home
        self._tell = tell
        self._told: set[tuple[str, str]] = set()
        self.models = models or ModelStore(home)
        self._records = Records(home)
        self._lock = threading.RLock()
        self._items = {item.name: item for item in self._records.all()}
        self._arrivals = Arrivals()
        self._waiting: set[str] = set()
        self._steps: dict[str, tuple[str, float | None]] = {}
        self._work: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._entered = 0
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Desk":
        """Takes up what a stopped or killed server left, and begins to watch."""
        with self._lock:
            self._entered += 1
            if self._entered > 1:
                return self
            self.home.prepare()
            self._stop.clear()
            self._work = queue.SimpleQueue()
            for item in self._items.values():
                if item.state in (ItemState.LOOKING, ItemState.PUBLISHING) and not item.gone:
                    self._work.put(item.name)
            self._threads = [
                threading.Thread(target=self._watch, name="inbox", daemon=True),
                threading.Thread(target=self._labour, name="inbox-work", daemon=True),
            ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops watching; work that runs is left to the next start."""
        with self._lock:
            self._entered -= 1
            if self._entered:
                return
        self._stop.set()
        self._work.put(None)
        for thread in self._threads:
            thread.join(timeout=2)

    def items(self) -> list[Item]:
        """Everything that lies in the inbox or was published from it, by name."""
        with self._lock:
            return sorted(self._items.values(), key=lambda item: item.name.casefold())

    def get(self, name: str) -> Item:
        """One item; raises NotFound."""
        with self._lock:
            if name not in self._items:
                raise NotFound(
                    f"Nothing in the inbox is called “{name}”.",
                    remedy="It may have been renamed or removed; look at the list.",
                )
            return self._items[name]

    def step(self, name: str) -> tuple[str, float | None] | None:
        """What is being done with an item now, and how much of it is done, where known."""
        return self._steps.get(name)

    def choose(self, name: str, choice: Choice | None) -> Item:
        """Say how an item is read, None to let it be recognised; it is looked at anew.

        Raises NotFound, Conflict while it arrives or is worked on, UnknownModel.
        """
        if choice is not None:
            self.models.get(choice.model)
            for other in choice.others:
                self.get(other)
        with self._lock:
            item = self._idle(name)
            return self._look(item.model_copy(update={"choice": choice, "recognised": False}))

    def look_again(self, name: str) -> Item:
        """Look at an item anew, as after a change of a policy; raises NotFound, Conflict."""
        with self._lock:
            return self._look(self._idle(name))

    def policy_changed(self, model: str, dataset: str | None) -> None:
        """Look anew at what a changed policy concerns; dataset is None for the policy of all."""
        with self._lock:
            for item in [*self._items.values()]:
                if item.gone or item.choice is None or item.state in _MOVING:
                    continue
                concerned = dataset in (None, item.choice.dataset, *item.datasets)
                if dataset is None or (concerned and item.choice.model == model):
                    self._look(item)

    def order(
        self, name: str, user: str, *, quarantine: bool = False, allow_small_change: bool = False
    ) -> Item:
        """Ask for an item's publication, which is then carried out even if the server is killed.

        Raises NotFound, Conflict where it is not fit to be published.
        """
        with self._lock:
            item = self._idle(name)
            if item.state is ItemState.UNMATCHED:
                raise Conflict(
                    f"Nobody has said how {name} is read.", remedy="Choose a data model first."
                )
            unfit = item.state is ItemState.TROUBLED and not allow_small_change
            if unfit and (item.blocked or not quarantine):
                raise Conflict(
                    f"{name} has problems that keep it from being published.",
                    remedy="Mend the file, its mapping or its policy"
                    + ("." if item.blocked else ", or set the bad rows aside."),
                )
            order = Order(
                stamp=item.stamp,
                user=user,
                quarantine=quarantine,
                allow_small_change=allow_small_change,
            )
            return self._queued(item, ItemState.PUBLISHING, order)

    def forget(self, name: str) -> None:
        """Take an item that is gone off the list; raises NotFound, Conflict where it lies there."""
        with self._lock:
            if not self.get(name).gone:
                raise Conflict(
                    f"{name} lies in the inbox.", remedy="Remove the file there, not here."
                )
            del self._items[name]
            self._records.forget(name)

    def _idle(self, name: str) -> Item:
        item = self.get(name)
        if item.trouble == NAMELESS:
            raise Conflict(NAMELESS.detail, remedy=NAMELESS.remedy)
        if item.gone:
            raise Conflict(f"{name} is no longer in the inbox.", remedy="Put it there again.")
        if item.state in _MOVING:
            raise Conflict(
                f"{name} is still being read or published.", remedy="Try again in a moment."
            )
        return item

    def _look(self, item: Item) -> Item:
        return self._queued(item, ItemState.LOOKING, None)

    def _queued(self, item: Item, state: ItemState, order: Order | None) -> Item:
        kept = self._keep(item.model_copy(update={"state": state, "order": order}))
        self._work.put(kept.name)
        return kept

    def _keep(self, item: Item) -> Item:
        with self._lock:
            self._items[item.name] = item
            self._records.write(item)
        return item

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self.scan()
            except Exception as error:  # noqa: BLE001 - watching goes on, whatever one look met
                log.error("the inbox could not be looked at", kind=type(error).__name__)
            self._stop.wait(LOOK_EVERY)

    def scan(self) -> None:
        """One look at the folder: what is new, changed, whole, or gone."""
        now = time.monotonic()
        there = {shown(found.path): found for found in lying(self.home.inbox)}
        with self._lock:
            for name, found in there.items():
                self._note(name, found, now)
            for name, item in [*self._items.items()]:
                if name not in there and not item.gone:
                    self._lose(item)
            for name in [*self._waiting]:
                waiting = self._items.get(name)
                if waiting is None or waiting.gone or waiting.state is not ItemState.READY:
                    self._waiting.discard(name)
                elif datetime.now(UTC) - waiting.seen >= STILL_TO_PUBLISH:
                    self._waiting.discard(name)
                    self._publish_itself(waiting)

    def _note(self, name: str, found: Lying, now: float) -> None:
        known = self._items.get(name)
        if (
            known is not None
            and known.stamp == found.stamp
            and known.state is not ItemState.ARRIVING
        ):
            if known.gone:
                self._keep(known.model_copy(update={"gone": False}))
            return
        item = _arriving(name, found, known)
        if name != found.path.name:
            self._keep(item.model_copy(update={"state": ItemState.TROUBLED, "trouble": NAMELESS}))
            return
        if not self._arrivals.is_whole(name, found, now):
            if known is None or known.state is not ItemState.ARRIVING or known.stamp != found.stamp:
                # What is arriving is not written down: the next start would look at it anyway.
                self._items[name] = item
            return
        self._look(item)

    def _lose(self, item: Item) -> None:
        self._arrivals.forget(item.name)
        if item.published:
            state = ItemState.PUBLISHED if item.state is ItemState.ARRIVING else item.state
            self._keep(item.model_copy(update={"gone": True, "state": state, "order": None}))
        else:
            del self._items[item.name]
            self._records.forget(item.name)

    def _labour(self) -> None:
        while (name := self._work.get()) is not None and not self._stop.is_set():
            item = self._items.get(name)
            if item is None or item.gone:
                continue
            try:
                with self._telling(name):
                    if item.state is ItemState.PUBLISHING:
                        self._publish(item)
                    elif item.state is ItemState.LOOKING:
                        self._do_look(item)
            except Exception as error:  # noqa: BLE001 - nothing foreign may end the desk's work
                self._settle(item, _failed(item, error))
                self._refused(item)

    @contextlib.contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        self._steps[name] = ("Looking", None)
        try:
            yield
        finally:
            self._steps.pop(name, None)

    def _do_look(self, item: Item) -> None:
        found = looked_at(item, self.home, self.models)
        if found.state is ItemState.READY and found.is_current:
            found = found.model_copy(update={"state": ItemState.PUBLISHED})
        itself = False
        try:
            itself = found.state is ItemState.READY and may_publish_itself(self.home, found)
        except MipError as error:
            found = found.model_copy(
                update={"state": ItemState.TROUBLED, "trouble": Obstacle.of(error)}
            )
        if not self._settle(item, found):
            return
        if found.state is ItemState.TROUBLED:
            self._refused(found)
        if not itself:
            return
        if is_being_written(files_of(self.home.inbox / item.name)) is None:
            self._waiting.add(item.name)
        else:
            self._publish_itself(found)

    def _publish_itself(self, item: Item) -> None:
        with self._lock:
            self._queued(item, ItemState.PUBLISHING, Order(stamp=item.stamp, user=BY_ITSELF))

    def _publish(self, item: Item) -> None:
        order = item.order
        assert order is not None
        done = item.model_copy(update={"order": None})
        if order.stamp != stamp_of(self.home.inbox / item.name) or item.choice is None:
            # Changed since it was asked for: the watcher has seen it, or will in a moment.
            return

        def told(step: str, part: float | None) -> None:
            self._steps[item.name] = (step, part)

        try:
            imported = publish(self.home, item, self.models.get(item.choice.model), order, told)
        except NotClean as error:
            told_of = {"state": ItemState.TROUBLED, "problems": error.report.problems}
            self._settle(item, done.model_copy(update=told_of))
            self._refused(item)
        except MipError as error:
            trouble = Obstacle.of(error)
            self._settle(
                item, done.model_copy(update={"state": ItemState.TROUBLED, "trouble": trouble})
            )
            self._refused(item)
        else:
            made = publications(imported, item, order, datetime.now(UTC))
            versions = (*item.published, *made)[-_MOST_PUBLICATIONS:]
            update: dict[str, object] = {
                "state": ItemState.PUBLISHED,
                "trouble": None,
                "published": versions,
                "quarantined": name_of(imported.quarantined),
            }
            # The file may have been changed or lost meanwhile: what was published is kept.
            with self._lock:
                now = self._items.get(item.name, item)
                if now.stamp == item.stamp and not now.gone:
                    self._keep(done.model_copy(update=update))
                else:
                    self._keep(now.model_copy(update={"published": versions}))
            self._tell(Event(Kind.IMPORT_PUBLISHED, len(made)))
            log.info("published from the inbox", datasets=[part.dataset for part in made])

    def _refused(self, item: Item) -> None:
        """Tells that a file cannot be published, once for each of its contents."""
        if (item.name, item.stamp) not in self._told:
            self._told.add((item.name, item.stamp))
            self._tell(Event(Kind.IMPORT_REFUSED))

    def _settle(self, before: Item, after: Item) -> bool:
        """Keep what was found, unless the file was changed or lost meanwhile."""
        with self._lock:
            now = self._items.get(before.name)
            if now is None or now.gone or now.stamp != before.stamp:
                return False
            self._keep(after)
            return True


def _arriving(name: str, found: Lying, known: Item | None) -> Item:
    """An item whose content is new; how it was read and what it became is kept."""
    return Item(
        name=name,
        state=ItemState.ARRIVING,
        size=found.size,
        changed=datetime.fromtimestamp(found.changed, UTC),
        seen=known.seen if known and known.stamp == found.stamp else datetime.now(UTC),
        stamp=found.stamp,
        choice=known.choice if known else None,
        recognised=known.recognised if known else False,
        published=known.published if known else (),
    )


def _failed(item: Item, error: Exception) -> Item:
    """An item whose work ended by a fault of ours."""
    reference = token_hex(6)
    # A foreign message may quote a record, so only the place is written down.
    frames = traceback.extract_tb(error.__traceback__)
    log.error(
        "work on an inbox file failed",
        reference=reference,
        kind=type(error).__name__,
        frames=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    )
    trouble = Obstacle(
        title="The work on it failed inside",
        detail=f"{type(error).__name__}, reference {reference}",
        remedy="Give the reference to the administrator, who finds it in the log.",
    )
    return item.model_copy(update={"state": ItemState.TROUBLED, "trouble": trouble, "order": None})
