"""Publishing from a hospital's database: read once, then as a file of the same rows goes."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.harmonise.mapping_file import MappingFile, read_mapping
from medmip.harmonise.publishing import through_mapping
from medmip.ingest.dialect import Options
from medmip.ingest.identity import guarded, let_go, policy_in_force
from medmip.ingest.publish import Imported, Read, bring_in
from medmip.ingest.reading import Progress, Reading, reading
from medmip.ingest.report import Report
from medmip.ingest.work import work_folder
from medmip.sources.placing import place_source, refuse_place
from medmip.sources.spool import Spooled, mapped_tables, spool_mapped, spool_table
from medmip.stewardship.policy import DatasetPolicy
from medmip.store.postgres import moment
from medmip.store.postgres_account import refuse_writer
from medmip.store.postgres_table import relation
from medmip.store.sources import Source, SourceError

_OPTIONS = Options(decimal=".")
"""A database writes its numbers with a point."""


def publish_source(
    home: Home,
    source: Source,
    *,
    quarantine: bool = False,
    allow_small_change: bool = False,
    synthetic: bool = False,
    report: Path | None = None,
    stated: DatasetPolicy | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Read a source at one moment, check, anonymise and publish it; see ingest.publish.bring_in.

    Where the dataset's policy says in_place, the records stay where they are; see place_source.
    Each version keeps the source's name, its tables and the moment, and the mapping if any.
    Raises SourceError and SourceFailure, by which nothing has changed, and what bring_in raises.
    """
    home.prepare()
    model = ModelStore(home).get(source.settings.model)
    dataset = source.settings.dataset
    policy = stated or policy_in_force(home, model.key, dataset, synthetic=synthetic)
    in_place = policy.publication.in_place
    if in_place:
        refuse_place(home, source)
        if quarantine:
            raise SourceError(
                "No row can be set aside of what is analysed in place.",
                where=f"sources.{source.name}",
                remedy="Mend it in the database, or let a view leave the bad rows out.",
            )
    with _road(home, source, model, policy, progress) as road:
        if in_place:
            home.in_place.mkdir(mode=0o700, exist_ok=True)
            with road.read(home=home, also=[home.in_place], progress=progress) as read:
                return place_source(
                    home,
                    source,
                    model,
                    policy,
                    read,
                    road.spooled,
                    _OPTIONS,
                    allow_small_change=allow_small_change,
                    synthetic=synthetic,
                    report=report,
                    progress=progress,
                )
        return bring_in(
            home,
            road.spooled.files[0],
            model,
            dataset,
            _OPTIONS,
            quarantine=quarantine,
            allow_small_change=allow_small_change,
            synthetic=synthetic,
            report=report,
            stated=stated,
            progress=progress,
            through=road.read,
            origin=road.spooled.origin,
        )


def check_source(
    home: Home, source: Source, *, report: Path | None = None, progress: Progress | None = None
) -> Report:
    """What publishing would find wrong with a source; nothing is published."""
    home.prepare()
    model = ModelStore(home).get(source.settings.model)
    policy = policy_in_force(home, model.key, source.settings.dataset)
    with (
        _road(home, source, model, policy, progress) as road,
        road.read(home=home, also=[], progress=progress) as read,
    ):
        codes = read.report.datasets
        found = guarded(read, [policy_in_force(home, model.key, code) for code in codes])
        return found.listed(home, report)


def readable(home: Home, source: Source) -> list[str]:
    """The tables that a source is read from, found there by an account that is fit for it.

    Raises SourceError, SourceFailure, MappingError; no row is read.
    """
    mapping = _mapping(home, source)
    with moment(source.address()) as found:
        refuse_writer(found, source)
        if mapping is None:
            return [relation(found, source, source.settings.table).shown]
        return [table.shown for table in mapped_tables(found, source, mapping).values()]


@dataclass(frozen=True)
class _Road:
    """A source read into files, and the way from them to the rows of a model."""

    spooled: Spooled
    way: Read
    name: str

    def read(
        self, *, home: Home, also: Sequence[Path], progress: Progress | None
    ) -> AbstractContextManager[Reading]:
        return _named(self.name, self.way(home=home, also=also, progress=progress))


@contextmanager
def _road(
    home: Home,
    source: Source,
    model: DataModel,
    policy: DatasetPolicy,
    progress: Progress | None,
) -> Iterator[_Road]:
    told = progress or (lambda _step, _done: None)
    dataset = source.settings.dataset
    with work_folder(home) as work:
        if (stated := _mapping(home, source)) is not None:
            spooled, mapping = spool_mapped(source, stated, work, told)
            way: Read = through_mapping(spooled.files, mapping, model, dataset, _OPTIONS)
        else:
            spooled = spool_table(source, model, work, told)
            (file,) = spooled.files
            way = partial(reading, file, model, dataset, _OPTIONS, let_go=let_go(policy))
        yield _Road(spooled, way, source.name)


@contextmanager
def _named(name: str, read: AbstractContextManager[Reading]) -> Iterator[Reading]:
    """The same reading, told of by the source's name and not by its file's."""
    with read as found:
        yield replace(found, report=found.report.model_copy(update={"file": name}))


def _mapping(home: Home, source: Source) -> MappingFile | None:
    """A source's mapping: a file, in the home where its path is not whole, or a shipped one."""
    named = source.settings.mapping
    if not named:
        return None
    inside = home.path / named
    return read_mapping(inside if inside.is_file() else Path(named))
