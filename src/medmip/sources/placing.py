"""A dataset left in the hospital's database: checked as a publication is, then read where it is."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from medmip.anonymise.errors import AnonymisationError
from medmip.anonymise.keyed import Keyed, derived, pseudonym_sql
from medmip.anonymise.transform import ages, patient_key
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.variable import DATASET, Variable
from medmip.errors import Conflict
from medmip.harmonise.postgres_mapping import placed_rows
from medmip.ingest.dialect import Options
from medmip.ingest.errors import IngestError, NotClean
from medmip.ingest.identity import guarded
from medmip.ingest.judging import judged
from medmip.ingest.prepare import Prepared, prepare
from medmip.ingest.publish import Imported
from medmip.ingest.reading import Progress, Reading
from medmip.ingest.session import Session, literal
from medmip.ingest.small_change import refuse_small_change
from medmip.ingest.staging import BLANKS, Column
from medmip.privacy.policy import site_policy
from medmip.privacy.site_key import site_key
from medmip.sources.spool import Spooled
from medmip.stewardship.applied import Applied
from medmip.stewardship.patients import KEY
from medmip.stewardship.policy import DatasetPolicy
from medmip.store.parquet import PATIENT_COLUMN
from medmip.store.placed import (
    CONTENTS,
    Place,
    Placed,
    PlacedColumn,
    PlacedTable,
    registers,
    write_register,
)
from medmip.store.postgres import Moment, moment
from medmip.store.postgres_engine import fingerprint, ordered
from medmip.store.postgres_table import Relation
from medmip.store.snapshots import Datasets
from medmip.store.sources import Source, SourceError
from medmip.store.sql_session import quoted

_AT_ONCE = 16_384


def refuse_place(home: Home, source: Source) -> None:
    """Raises SourceError, Conflict where its settings keep a source out."""
    stated, where = source.settings, f"sources.{source.name}"
    if stated.dataset is None:
        raise SourceError(
            "What is analysed in place belongs to one dataset.",
            where=where,
            remedy="Say which, as dataset.",
        )
    if stated.dataset in home.published(stated.model):
        raise Conflict(
            f"{stated.model} {stated.dataset} is published.",
            remedy=f"First: mip data remove {stated.model} {stated.dataset}",
        )


def _changed(what: str, how: str) -> AnonymisationError:
    return AnonymisationError(
        f"The dataset's policy changes {what} {how}; in place they are analysed as they stand.",
        remedy="Publish the dataset, or let a view in the database leave out what tells too much.",
    )


def place_source(
    home: Home,
    source: Source,
    model: DataModel,
    policy: DatasetPolicy,
    read: Reading,
    spooled: Spooled,
    options: Options,
    *,
    allow_small_change: bool = False,
    synthetic: bool = False,
    report: Path | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Make what a source holds the current version of a dataset, its records left there.

    They are checked and prepared as for a publication. What an analysis would read in place must
    equal that, cell by cell. Kept here is the register (see store.placed). Raises what a
    publication raises, and SourceError naming a column that would be read otherwise.
    """
    dataset, told = str(source.settings.dataset), progress or (lambda _step, _done: None)
    found = guarded(read, [policy])
    listed = found.listed(home, report)
    if listed.problems:
        raise NotClean(listed)
    if found.session is None:
        raise IngestError("The table has no records.", where=source.name)
    session, guards, key = found.session, site_policy(home), site_key(home, KEY)
    place = _place(source, model, policy, found.columns, spooled, options)
    told(f"Preparing {dataset}", None)
    kept = policy.anonymisation.model_copy(
        update={"patient_codes": "keep", "reidentification": False}
    )
    done = prepare(found, model, dataset, policy.model_copy(update={"anonymisation": kept}), key)
    made_alike = done.generalised
    if made_alike is not None and (any(made_alike.levels.values()) or made_alike.suppressed):
        raise _changed("records", f"so that {made_alike.k} patients look alike")
    if spooled.mapping is not None and not model.longitudinal:
        _put_in_order(session, done.file, model)
    findings = judged(
        session, done.file, model, dataset, policy.quality, Datasets(home), guards.minimum_cell
    )
    told("Reading in place", None)
    with moment(source.address()) as there:
        records, contents = fingerprint(there, place)
        place = place.model_copy(update={"records": records, "fingerprint": contents})
        _prove(there, place, dataset, done.file)
    register = session.work / "register.parquet"
    write_register(_rows(session, done, model, policy, dataset, place, key), place, register)
    datasets = registers(home)
    earlier = [one for one in datasets.list(model.key) if one.dataset == dataset]
    if earlier and not allow_small_change:
        versions = datasets.versions(model.key, dataset)
        minimum = guards.minimum_patients
        refuse_small_change(session, register, versions, model, dataset, minimum)
    applied = Applied(
        policy=policy, steps=done.steps, generalised=made_alike, findings=findings
    ).model_dump_json()
    snapshots = datasets.publish_all(
        {dataset: register},
        model.key,
        f"{spooled.origin}, where it is analysed in place",
        synthetic,
        move=True,
        applied={dataset: applied},
        mapping=read.mapping,
    )
    return Imported(tuple(Placed.of(snapshot) for snapshot in snapshots), listed, None)


def _place(
    source: Source,
    model: DataModel,
    policy: DatasetPolicy,
    columns: Sequence[Column],
    spooled: Spooled,
    options: Options,
) -> Place:
    settings = policy.anonymisation
    touched = {*settings.codes, *settings.dates}
    if changed := [column.name for column in columns if column.name in touched]:
        raise _changed(f"the column {changed[0]}", "by codes or dates")
    wanted = [
        (index, column, column.variable)
        for index, column in enumerate(columns)
        if column.variable is not None
        and column.name != DATASET
        and column.name not in settings.drop
    ]
    made, tables = None, tuple[PlacedTable, ...]()
    if spooled.mapping is not None:
        made = placed_rows(spooled.mapping, spooled.named, model)
        tables = tuple(_read_of(table) for table in spooled.tables)
    read = dict[str, PlacedColumn]()
    for index, column, variable in wanted:
        if made is None:
            there = spooled.tables[0].columns[index]
            read[column.name] = _column(there.name, there.kind, column, variable, options)
        else:
            kind = "float8" if made.numeric[column.name] else "text"
            read[column.name] = PlacedColumn(
                name=column.name, kind=kind, numeric=variable.is_numeric
            )
        if not read[column.name].suits:
            raise SourceError(
                f"The column {read[column.name].name} of {spooled.tables[0].shown} is "
                f"{read[column.name].kind}, and {column.name} is a number.",
                where=f"sources.{source.name}",
                remedy="Let a view make it a number, or publish the dataset.",
            )
    for name in ages(settings, model):
        if name in read:
            read[name] = read[name].model_copy(update={"cap": settings.oldest_age + 1.0})
    if model.patient_column not in read:
        raise SourceError(
            f"{model.key} has no variable {model.patient_column}, which puts records in order.",
            where=f"sources.{source.name}",
            remedy="Add it to the data model, or publish the dataset.",
        )
    visit = model.visit_column
    known = model.all_variables.get(str(visit))
    return Place(
        source=source.name,
        namespace=spooled.tables[0].schema,
        table=spooled.tables[0].name,
        columns=read,
        patient=model.patient_column,
        visit=visit,
        visits=known.levels if known is not None else (),
        query=made.query if made is not None else "",
        tables=tables,
    )


def _column(
    name: str, kind: str, column: Column, variable: Variable, options: Options
) -> PlacedColumn:
    levels = variable.levels if variable.is_nominal else ()
    missing = [code for code in (*options.missing, *BLANKS) if code not in levels]
    return PlacedColumn(
        name=name,
        kind=kind,
        numeric=variable.is_numeric,
        trimmed=column.is_key or bool(levels),
        missing=() if variable.is_numeric else tuple(dict.fromkeys(missing)),
    )


def _read_of(table: Relation) -> PlacedTable:
    names = tuple(column.name for column in table.columns)
    return PlacedTable(namespace=table.schema, table=table.name, columns=names)


def _put_in_order(session: Session, file: Path, model: DataModel) -> None:
    """Puts a flat dataset's records in the order of patients' codes, as the database gives them."""
    target = file.with_name(f"{file.stem}.ordered.parquet")
    code = quoted(model.patient_column)
    number = f"(row_number() OVER (ORDER BY {code}) - 1)::INTEGER AS {PATIENT_COLUMN}"
    session.run(
        f"""
        COPY (
            SELECT * REPLACE ({number})
            FROM read_parquet({literal(str(file))}) ORDER BY {code}
        ) TO {literal(str(target))} (FORMAT parquet)
        """  # noqa: S608
    )
    target.rename(file)


def _prove(there: Moment, place: Place, dataset: str, prepared: Path) -> None:
    """Raises SourceError where what is read in place is not what was prepared."""
    names, rows = [*place.columns], 0
    where = f"sources.{place.source}"
    with pq.ParquetFile(prepared) as file:
        expected = _slices(file, names)
        for batch in there.batches(ordered(place, dataset, names), records=_AT_ONCE):
            other = next(expected, None)
            if other is None or other.num_rows != batch.num_rows:
                break
            rows += batch.num_rows
            for name, one in zip(names, batch.columns, strict=True):
                if not one.equals(other.column(name).cast(one.type).combine_chunks()):
                    raise SourceError(
                        f"The column {place.columns[name].name} of {place.shown} would be read "
                        "otherwise in place than it would be published, or has just changed.",
                        where=where,
                        remedy="Try again; else let a view make it plain, or publish the dataset.",
                    )
        if rows != file.metadata.num_rows or rows != place.records:
            raise SourceError(
                f"{place.shown} has other rows in place than would be published.",
                where=where,
                remedy="If others write to it, try again on a view of what stands still.",
            )


def _slices(file: pq.ParquetFile, names: Sequence[str]) -> Iterator[pa.Table]:
    """The records of some columns, so many at once as the database gives."""
    held: pa.Table | None = None
    for batch in file.iter_batches(_AT_ONCE, columns=list(names)):
        part = pa.Table.from_batches([batch])
        held = part if held is None else pa.concat_tables([held, part])
        while held.num_rows >= _AT_ONCE:
            yield held.slice(0, _AT_ONCE)
            held = held.slice(_AT_ONCE)
    if held is not None and held.num_rows:
        yield held


def _rows(
    session: Session,
    done: Prepared,
    model: DataModel,
    policy: DatasetPolicy,
    dataset: str,
    place: Place,
    key: bytes,
) -> pa.Table:
    """The register's rows: pseudonym, digest of contents, number of the patient."""
    settings, code = policy.anonymisation, quoted(model.patient_column)
    person = Keyed(code)
    if settings.patient_codes == "pseudonymise":
        person = pseudonym_sql(patient_key(key, settings, model.code, dataset), code)
    digests = derived(key, "register", model.code, dataset)
    values = ", ".join(quoted(name) for name in place.columns)
    return session.arrow(
        f"""
        SELECT {person.sql} AS {code}, CAST('0x' || substr(sha256(
            ?::BLOB || encode(CAST(row({values}) AS VARCHAR))), 1, 15) AS BIGINT) AS {CONTENTS},
            {PATIENT_COLUMN}
        FROM read_parquet({literal(str(done.file))})
        """,  # noqa: S608
        [*person.parameters, digests],
    )
