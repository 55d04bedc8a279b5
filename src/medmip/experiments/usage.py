"""How much this installation is used, day by day, counted from what it keeps anyway."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from pydantic import BaseModel
from sqlalchemy import Engine, func, select

from medmip.accounts.tables import events
from medmip.experiments.experiment import State
from medmip.store.state import experiments

_LOGGED_IN = "logged in"


class UsedDay(BaseModel):
    """One day: experiments begun, the persons who began them, and log-ins."""

    day: date
    experiments: int
    persons: int
    log_ins: int


class Usage(BaseModel):
    """The use of some days, the first day first, and what became of their experiments.

    persons is how many different persons began an experiment in all of the days together.
    """

    days: list[UsedDay]
    persons: int
    states: dict[State, int]


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
    run = {str(when): (count, who) for when, count, who in runs}
    entries = {str(when): count for when, count in log_ins}
    return Usage(
        days=[_day(first + timedelta(days=step), run, entries) for step in range(days)],
        persons=everybody,
        states={State(state): count for state, count in states},
    )


def _day(day: date, runs: Mapping[str, Sequence[int]], log_ins: Mapping[str, int]) -> UsedDay:
    count, persons = runs.get(day.isoformat(), (0, 0))
    entered = log_ins.get(day.isoformat(), 0)
    return UsedDay(day=day, experiments=count, persons=persons, log_ins=entered)
