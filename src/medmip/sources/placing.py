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
from medmip.catalogue.variable import DATASET
from medmip.errors import Conflict
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


def refuse_place(home: Home, source: Source, policy: DatasetPolicy) -> None:
    """Raises SourceError, AnonymisationError, Conflict where its settings keep a source out."""
    stated, where = source.settings, f"sources.{source.name}"
    if stated.mapping or stated.dataset is None:
        raise SourceError(
            "Analysed in place is one table or view, whose rows all belong to one dataset.",
            where=where,
            remedy="Say table and dataset; let a view in the database do what a mapping would.",
        )
    if policy.anonymisation.k_anonymity is not None:
        raise _changed("records", "by k_anonymity")
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
    place = _place(source, model, policy, found.columns, spooled.tables[0], options)
    told(f"Preparing {dataset}", None)
    kept = policy.anonymisation.model_copy(
        update={"patient_codes": "keep", "reidentification": False}
    )
    done = prepare(found, model, dataset, policy.model_copy(update={"anonymisation": kept}), key)
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
    applied = Applied(policy=policy, steps=done.steps, findings=findings).model_dump_json()
    snapshots = datasets.publish_all(
        {dataset: register},
        model.key,
        f"{spooled.origin}, where it is analysed in place",
        synthetic,
        move=True,
        applied={dataset: applied},
    )
    return Imported(tuple(Placed.of(snapshot) for snapshot in snapshots), listed, None)


def _place(
    source: Source,
    model: DataModel,
    policy: DatasetPolicy,
    columns: Sequence[Column],
    table: Relation,
    options: Options,
) -> Place:
    settings = policy.anonymisation
    capped, read = ages(settings, model), dict[str, PlacedColumn]()
    touched = {*settings.codes, *settings.dates}
    if changed := [column.name for column in columns if column.name in touched]:
        raise _changed(f"the column {changed[0]}", "by codes or dates")
    for column, there in zip(columns, table.columns, strict=True):
        if column.variable is None or column.name == DATASET or column.name in settings.drop:
            continue
        levels = column.variable.levels if column.variable.is_nominal else ()
        missing = [code for code in (*options.missing, *BLANKS) if code not in levels]
        numeric = column.variable.is_numeric
        read[column.name] = PlacedColumn(
            name=there.name,
            kind=there.kind,
            numeric=numeric,
            trimmed=column.is_key or bool(levels),
            missing=() if numeric else tuple(dict.fromkeys(missing)),
            cap=settings.oldest_age + 1.0 if column.name in capped else None,
        )
        if not read[column.name].suits:
            raise SourceError(
                f"The column {there.name} of {table.shown} is {there.kind}, and {column.name} is "
                "a number.",
                where=f"sources.{source.name}",
                remedy="Let a view make it a number, or publish the dataset.",
            )
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
        namespace=table.schema,
        table=table.name,
        columns=read,
        patient=model.patient_column,
        visit=visit,
        visits=known.levels if known is not None else (),
    )


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
