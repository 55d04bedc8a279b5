"""A database's tables at one moment, as Parquet files of text that every import can read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from medmip.catalogue.data_model import DataModel
from medmip.harmonise.mapping import Mapping
from medmip.harmonise.mapping_file import MappingFile
from medmip.ingest.reading import Progress
from medmip.store.postgres import Moment, moment
from medmip.store.postgres_account import refuse_writer
from medmip.store.postgres_table import Relation, refuse_bundles, relation
from medmip.store.sources import NoSuchTable, Source, SourceError

_BYTES = 2**24
"""Of cells that are in memory at once; a column may hold whole letters."""


@dataclass(frozen=True)
class Spooled:
    """Files of what a source held, each of one table; origin tells of source and moment as well.

    mapping is what rows are made of them by, if any; each file is called as the mapping's source.
    """

    files: tuple[Path, ...]
    tables: tuple[Relation, ...]
    origin: str
    mapping: Mapping | None = None

    @property
    def named(self) -> dict[str, Relation]:
        """The tables by their files' names."""
        return {file.stem: table for file, table in zip(self.files, self.tables, strict=True)}


def spool_table(source: Source, model: DataModel, work: Path, told: Progress) -> Spooled:
    """The source's one table, its column of patients' codes named as the model has it."""
    told("Asking the database", None)
    patient = source.settings.patient or model.patient_column
    with moment(source.address()) as found:
        refuse_writer(found, source)
        table = relation(found, source, source.settings.table)
        names = [column.name for column in table.columns]
        _refuse_patient(source, table, patient, model)
        named = [model.patient_column if name == patient else name for name in names]
        file = work / f"{source.name}.parquet"
        _write(found, source, table, named, patient, file, told)
        return Spooled((file,), (table,), _origin(source, [table]))


def spool_mapped(
    source: Source, mapping: MappingFile, work: Path, told: Progress
) -> tuple[Spooled, MappingFile]:
    """The tables that a mapping's sources are, and the mapping with these files as its sources."""
    told("Asking the database", None)
    files: list[Path] = []
    with moment(source.address()) as found:
        refuse_writer(found, source)
        tables = mapped_tables(found, source, mapping)
        for name, table in tables.items():
            file = work / f"{name}.parquet"
            named = [column.name for column in table.columns]
            _write(found, source, table, named, "", file, told)
            files.append(file)
    stated = {
        name: one.model_copy(update={"file": f"{name}.parquet", "sheet": None})
        for name, one in mapping.mapping.sources.items()
    }
    changed = mapping.mapping.model_copy(update={"sources": stated})
    origin = _origin(source, list(tables.values()))
    spooled = Spooled(tuple(files), tuple(tables.values()), origin, mapping.mapping)
    return spooled, MappingFile(changed, mapping.content)


def mapped_tables(found: Moment, source: Source, mapping: MappingFile) -> dict[str, Relation]:
    """By the names of a mapping's sources, their tables, with the columns that its text names.

    An optional one that is not there stays out.
    """
    where, stated = f"sources.{source.name}", mapping.mapping.sources
    named = source.settings.tables
    if unknown := sorted(named.keys() - stated.keys()):
        raise SourceError(
            f"The mapping has no source {', '.join(unknown)}.",
            where=f"{where}.tables",
            remedy=f"Its sources are {', '.join(stated)}.",
        )
    text = mapping.content.decode("utf-8", "replace").casefold()
    tables: dict[str, Relation] = {}
    for name, one in stated.items():
        try:
            table = relation(found, source, named.get(name, name))
        except NoSuchTable:
            if one.optional and name not in named:
                continue
            raise
        tables[name] = table.only(lambda column: column.casefold() in text)
        if not tables[name].columns:
            raise SourceError(f"{table.shown} has no column that the mapping names.", where=where)
    if not tables:
        raise SourceError("None of the mapping's tables is there.", where=where)
    return tables


def _refuse_patient(source: Source, table: Relation, patient: str, model: DataModel) -> None:
    """Raises SourceError where the column that the settings name is not there, or in doubt."""
    if not source.settings.patient:
        return
    names, where = [column.name for column in table.columns], f"sources.{source.name}.patient"
    if patient not in names:
        raise SourceError(f"{table.shown} has no column {patient}.", where=where)
    if patient != model.patient_column and model.patient_column in names:
        raise SourceError(
            f"{table.shown} has a column {model.patient_column} besides {patient}.",
            where=where,
            remedy="Name a view in which one of them has another name.",
        )


def _write(
    found: Moment,
    source: Source,
    table: Relation,
    names: list[str],
    first: str,
    file: Path,
    told: Callable[[str, float | None], None],
) -> None:
    """All rows of a table, a few megabytes at once, so that memory does not grow with them."""
    refuse_bundles(table, source)
    schema = pa.schema([(name, pa.string()) for name in names])
    done = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in found.batches(table.texts(first), most_bytes=_BYTES):
            arrays = [column.cast(pa.string()) for column in batch.columns]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            done += batch.num_rows
            told(f"Reading {table.shown}, {done:,} rows", None)


def _origin(source: Source, tables: list[Relation]) -> str:
    # Of what looks like a path, only the last part would be kept.
    names = ", ".join(table.shown.replace("/", "_") for table in tables)
    return f"{source.name} ({names}) at {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
