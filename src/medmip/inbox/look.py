"""Looking at a file of the inbox: how it is written, which model fits, what is wrong with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.errors import MipError
from medmip.harmonise.coverage import coverage
from medmip.harmonise.profile import Profile, profiles
from medmip.inbox.item import ColumnSketch, Item, ItemState, Obstacle, TableSketch
from medmip.inbox.reading_plan import ReadingPlan, kind_of
from medmip.inbox.recognition import recognised
from medmip.ingest.check import check
from medmip.ingest.dialect import Options
from medmip.ingest.errors import IngestError
from medmip.ingest.query import tables_of
from medmip.ingest.session import Session
from medmip.ingest.source_table import SourceTable, read_source
from medmip.ingest.work import work_folder


@dataclass(frozen=True)
class Sketch:
    """The tables of an item, and what each column's values look like."""

    tables: tuple[TableSketch, ...]
    columns: tuple[tuple[Profile, ...], ...]


def looked_at(item: Item, home: Home, models: ModelStore) -> Item:
    """The item with everything that can be told of it now; nothing is published.

    What a person chose stays; else names and columns choose. Never raises a MipError: what keeps
    a file from being read stands in it as trouble.
    """
    path = home.inbox / item.name
    found = item.model_copy(
        update={"trouble": None, "problems": (), "listed": None, "records": 0, "datasets": ()}
    )
    chosen = item.choice if not item.recognised else None
    try:
        sketch = sketched([path], home, chosen.options if chosen else Options())
    except MipError as error:
        return found.model_copy(
            update={"state": ItemState.TROUBLED, "tables": (), "trouble": Obstacle.of(error)}
        )
    known = recognised(sketch.columns, sketch.tables, models.list())
    found = found.model_copy(update={"tables": sketch.tables, "fits": known.fits})
    choice = chosen or known.choice
    if choice is None:
        return found.model_copy(
            update={"state": ItemState.UNMATCHED, "kind": "", "choice": None, "recognised": False}
        )
    found = found.model_copy(
        update={"choice": choice, "recognised": chosen is None, "kind": kind_of(choice)}
    )
    try:
        return _checked(found, home, models.get(choice.model))
    except MipError as error:
        return found.model_copy(update={"state": ItemState.TROUBLED, "trouble": Obstacle.of(error)})


def sketched(paths: Sequence[Path], home: Home, options: Options) -> Sketch:
    """How each table of files, folders and zips is written; raises IngestError."""
    with work_folder(home) as work:
        asked = tables_of(paths, work)
        if not asked:
            raise IngestError("It holds no file that can be read.", where=paths[0].name)
        wanted = [one for one in asked if options.sheet in (None, one.sheet)] or asked
        tables, columns = [], []
        session = Session(work, "512MB")
        try:
            for index, one in enumerate(wanted):
                folder = work / f"s{index}"
                folder.mkdir()
                read = read_source(
                    one.file, folder, options.model_copy(update={"sheet": one.sheet})
                )
                found = profiles(session, read)
                tables.append(_table(session, read, found))
                columns.append(tuple(found))
        finally:
            session.close()
    return Sketch(tuple(tables), tuple(columns))


def _table(session: Session, read: SourceTable, found: Sequence[Profile]) -> TableSketch:
    split = 0
    if read.rejected is not None:
        split = session.number("SELECT count(*) FROM read_parquet(?)", [str(read.rejected)])
    comma = any(column.comma for column in found)
    dialect = read.dialect.model_copy(update={"decimal": ","}) if comma else read.dialect
    return TableSketch(
        file=read.file,
        dialect=dialect,
        written=str(dialect),
        rows=read.records,
        split=split,
        columns=tuple(
            ColumnSketch(name=column.name, kind=_kind(column), filled=column.filled)
            for column in found
        ),
    )


def _kind(column: Profile) -> str:
    if not column.filled:
        return "empty"
    if column.date:
        return "date"
    if column.numbers:
        return "number"
    return "codes" if column.codes else "text"


def _checked(item: Item, home: Home, model: DataModel) -> Item:
    """The item with what a publication would find."""
    assert item.choice is not None
    plan = ReadingPlan(home, item, model)
    if plan.mapping is None:
        report = check(plan.path, model, plan.dataset, plan.options, home=home)
    else:
        report = coverage(
            plan.paths, plan.mapping, model, plan.dataset, plan.options, home=home
        ).report
    return item.model_copy(
        update={
            "state": ItemState.READY if report.clean else ItemState.TROUBLED,
            "records": report.records,
            "datasets": report.datasets,
            "problems": report.problems,
            "listed": report.written.name if report.written else None,
        }
    )
