"""How much this installation is used, day by day; no page view is kept with a person."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from pydantic import BaseModel
from sqlalchemy import Engine, func, select
from sqlalchemy.dialects import postgresql, sqlite

from medmip.accounts.tables import events
from medmip.experiments.experiment import State
from medmip.experiments.tables import page_views
from medmip.store.state import experiments

_LOGGED_IN = "logged in"


class Page(StrEnum):
    """A page of the portal, whatever it shows."""

    WORKSPACE = "workspace"
    EXPERIMENTS = "experiments"
    EXPERIMENT = "experiment"
    DATASETS = "datasets"
    DATASET = "dataset"
    INBOX = "inbox"
    SCANS = "scans"
    FEDERATION = "federation"
    HELP = "help"
    PROFILE = "profile"
    PEOPLE = "people"
    ADMINISTRATION = "administration"


class UsedDay(BaseModel):
    """One day: experiments begun, the persons who began them, log-ins, and pages seen."""

    day: date
    experiments: int
    persons: int
    log_ins: int
    views: int


class Usage(BaseModel):
    """The use of some days, the first day first, and what became of their experiments.

    persons is how many different persons began an experiment in all of the days together, pages
    how often each page was seen in them, the most seen first.
    """

    days: list[UsedDay]
    persons: int
    states: dict[State, int]
    pages: dict[Page, int]


def see(engine: Engine, page: Page, today: date) -> None:
    """Counts one view of a page."""
    with engine.begin() as connection:
        insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert
        first = insert(page_views).values(day=today, page=page.value, views=1)
        connection.execute(
            first.on_conflict_do_update(
                index_elements=["day", "page"], set_={"views": page_views.c.views + 1}
            )
        )


def usage(engine: Engine, days: int, today: date) -> Usage:
    """The use of so many days up to today, in UTC; days that nothing happened on are there too."""
    first = today - timedelta(days=days - 1)
    since = datetime.combine(first, time(), UTC)
    made = experiments.c.created >= since
    day = func.date(experiments.c.created)
    entered = func.date(events.c.at)
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
        persons = func.count(experiments.c.user.distinct())
        runs = connection.execute(
            select(day, func.count(), persons).where(made).group_by(day)
        ).all()
        log_ins = connection.execute(
            select(entered, func.count())
            .where(events.c.at >= since, events.c.what == _LOGGED_IN)
            .group_by(entered)
        ).all()
        states = connection.execute(
            select(experiments.c.state, func.count()).where(made).group_by(experiments.c.state)
        ).all()
        everybody = connection.scalar(select(persons).where(made)) or 0
        seen = connection.execute(select(page_views).where(page_views.c.day >= first)).all()
    run = {str(when): (count, who) for when, count, who in runs}
    entries = {str(when): count for when, count in log_ins}
    views: Counter[date] = Counter()
    pages: Counter[str] = Counter()
    for view in seen:
        views[view.day] += view.views
        pages[view.page] += view.views
    return Usage(
        days=[_day(first + timedelta(days=step), run, entries, views) for step in range(days)],
        persons=everybody,
        states={State(state): count for state, count in states},
        pages={Page(page): count for page, count in pages.most_common() if page in set(Page)},
    )


def _day(
    day: date,
    runs: Mapping[str, Sequence[int]],
    log_ins: Mapping[str, int],
    views: Mapping[date, int],
) -> UsedDay:
    count, persons = runs.get(day.isoformat(), (0, 0))
    entered = log_ins.get(day.isoformat(), 0)
    return UsedDay(
        day=day, experiments=count, persons=persons, log_ins=entered, views=views.get(day, 0)
    )
