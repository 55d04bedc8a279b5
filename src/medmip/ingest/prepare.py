"""One dataset of an audited file made ready: typed, anonymised, written as a snapshot's file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from medmip.anonymise.generalise import Generalised, carry_out, plan
from medmip.anonymise.step import Step
from medmip.anonymise.transform import RAW, Transformation, ages, patient_key, transformation
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET
from medmip.ingest.reading import Reading
from medmip.ingest.rules import typed
from medmip.ingest.session import Session, literal
from medmip.ingest.staging import AT_ONCE, Column
from medmip.stewardship.policy import DatasetPolicy
from medmip.store.parquet import COMPRESSION, PATIENT_COLUMN, ROW_GROUP, write_batches
from medmip.store.sql_session import quoted

KEPT = "(FROM cells ANTI JOIN problem USING (k))"
"""The rows of a reading that break no rule."""


@dataclass(frozen=True)
class Prepared:
    """A dataset as it will be published: its file, and what was done to it.

    The session's table `known` (code, pseudonym) has its patients where they got pseudonyms
    that the policy lets the key's holder go back from.
    """

    file: Path
    steps: tuple[Step, ...]
    generalised: Generalised | None
    reversible: bool


def prepare(
    found: Reading,
    model: DataModel,
    code: str,
    policy: DatasetPolicy,
    key: bytes,
    pseudonyms: str = "",
) -> Prepared:
    """Write one dataset of a reading under its policy; key is the site's key of pseudonyms.

    pseudonyms is the code of the model whose dataset they were first made for, where that is
    another. Raises AnonymisationError, IngestError.
    """
    assert found.session is not None
    patients = patient_key(key, policy.anonymisation, pseudonyms or model.code, code)
    writer = _Writer(found.session, found, model, code, policy, patients)
    file = writer.written()
    steps = writer.transformed.steps
    rule = policy.anonymisation.k_anonymity
    generalised = None
    if rule is not None:
        oldest = policy.anonymisation.oldest_age
        caps = dict.fromkeys(ages(policy.anonymisation, model), oldest + 1.0)
        planned = plan(found.session, file, model, rule, caps)
        target = file.with_name(f"{code}.generalised.parquet")
        carry_out(found.session, file, target, planned, longitudinal=model.longitudinal)
        target.rename(file)
        steps, generalised = (*steps, *planned.steps), planned.generalised
    return Prepared(file, steps, generalised, writer.note_patients(file))


@dataclass(frozen=True)
class _Writer:
    session: Session
    found: Reading
    model: DataModel
    code: str
    policy: DatasetPolicy
    patients: bytes

    @property
    def columns(self) -> dict[str, Column]:
        return {column.name: column for column in self.found.columns}

    @property
    def transformed(self) -> Transformation:
        present = [name for name in self.columns if name != DATASET]
        return transformation(self.policy.anonymisation, self.model, self.patients, present)

    def written(self) -> Path:
        """The file with every cell of the dataset as it is published, none left out yet."""
        made = self.transformed
        published = ", ".join(filter(None, (made.select, f"{literal(self.code)} AS {DATASET}")))
        file = self.session.work / f"{self.code}.parquet"
        if not self.model.longitudinal:
            rows = f"SELECT {published}, k AS {PATIENT_COLUMN} FROM ({self._typed(made, ', k')})"  # noqa: S608
            cells = self.session.batches(rows, AT_ONCE, made.parameters)
            write_batches(numbered(cells, self._problems()), file)
            return file
        patient = made.columns[self.model.patient_column]
        name = quoted(self.model.patient_column)
        # Numbered by pseudonym: the order of the hospital's own codes is not told.
        self.session.run(
            f"""
            CREATE OR REPLACE TABLE patient AS
            SELECT code, (row_number() OVER (ORDER BY published) - 1)::INTEGER AS number
            FROM (
                SELECT {name} AS code, {patient.sql} AS published
                FROM (SELECT DISTINCT {self._patient} AS {name} FROM {self._rows})
            )
            """,  # noqa: S608
            list(patient.parameters),
        )
        # First typed, then sorted: together they need more memory than either.
        visits = f", {self._visits} AS __visit, k AS __row"
        rows = f"""
            SELECT {published}, number AS {PATIENT_COLUMN}, __visit, __row
            FROM ({self._typed(made, visits)}) AS kept JOIN patient ON kept.{name} = patient.code
            """  # noqa: S608
        unsorted = self.session.work / "unsorted.parquet"
        self.session.run(_copy(rows, unsorted, AT_ONCE), made.parameters)
        sorted_rows = f"""
            SELECT * EXCLUDE (__visit, __row) FROM read_parquet({literal(str(unsorted))})
            ORDER BY {PATIENT_COLUMN}, __visit, __row
            """  # noqa: S608
        self.session.run(_copy(sorted_rows, file))
        unsorted.unlink()
        return file

    def note_patients(self, file: Path) -> bool:
        """Fill `known` with the patients in the file and their codes, where the policy says so."""
        settings = self.policy.anonymisation
        if not settings.reidentification or settings.patient_codes == "keep":
            return False
        patient = self.transformed.columns[self.model.patient_column]
        name = quoted(self.model.patient_column)
        self.session.run(
            f"""
            CREATE OR REPLACE TABLE known AS
            SELECT code, pseudonym FROM (
                SELECT {name} AS code, {patient.sql} AS pseudonym
                FROM (SELECT DISTINCT {self._patient} AS {name} FROM {self._rows})
            ) SEMI JOIN (SELECT {name} AS pseudonym FROM read_parquet({literal(str(file))}))
            USING (pseudonym)
            """,  # noqa: S608
            list(patient.parameters),
        )
        return True

    def _problems(self) -> NDArray[np.int64]:
        """The rows that break a rule, by k."""
        found = self.session.arrow("SELECT DISTINCT k FROM problem WHERE k IS NOT NULL")
        return np.asarray(found["k"], dtype=np.int64)

    def _typed(self, made: Transformation, more: str = "") -> str:
        """The dataset's rows, each cell in its variable's type and dates as they stand there."""
        wanted = [name for name in self.model.all_variables if name in self.columns]
        cells = [
            f"{typed(self.columns[name])} AS {quoted(name)}" for name in wanted if name != DATASET
        ]
        cells += [f"{self.columns[name].sql} AS {quoted(RAW + name)}" for name in made.dates]
        rows = self._rows if self.model.longitudinal else self._of_dataset("cells")
        return f"SELECT {', '.join(cells)}{more} FROM {rows}"  # noqa: S608

    @property
    def _rows(self) -> str:
        return self._of_dataset(KEPT)

    def _of_dataset(self, rows: str) -> str:
        if DATASET not in self.columns:
            return rows
        return f"(FROM {rows} WHERE {self.columns[DATASET].sql} = {literal(self.code)})"

    @property
    def _patient(self) -> str:
        return self.columns[self.model.patient_column].sql

    @property
    def _visits(self) -> str:
        """The order of visits: the model's, else by their codes."""
        visit = self.columns[str(self.model.visit_column)]
        levels = visit.variable.levels if visit.variable else ()
        if not levels:
            return visit.sql
        members = ", ".join(literal(level) for level in levels)
        return f"list_position([{members}], {visit.sql})"


def numbered(
    batches: Iterable[pa.RecordBatch], left_out: NDArray[np.int64]
) -> Iterator[pa.RecordBatch]:
    """Rows whose last column is k, with a patient's number from 0 in its place.

    Rows whose k is left out are dropped. A join or a window in SQL would do the same in one thread.
    """
    done = 0
    for batch in batches:
        place = batch.num_columns - 1
        broken = np.isin(batch.column(place).to_numpy(), left_out)
        kept = batch.filter(pa.array(~broken)) if broken.any() else batch
        number = pa.array(np.arange(done, done + kept.num_rows, dtype=np.int32))
        done += kept.num_rows
        yield kept.set_column(place, kept.schema.field(place).with_type(pa.int32()), number)


def _copy(rows: str, file: Path, group: int = ROW_GROUP) -> str:
    return (
        f"COPY ({rows}) TO {literal(str(file))} "
        f"(FORMAT parquet, COMPRESSION {COMPRESSION}, ROW_GROUP_SIZE {group})"
    )
