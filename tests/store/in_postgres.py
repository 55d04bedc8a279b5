"""The same records in a real PostgreSQL: for whatever holds of every engine."""

import hashlib
from dataclasses import fields, replace

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from medmip.store.parquet import PATIENT_COLUMN
from medmip.store.placed import CONTENTS, Place, Placed, PlacedColumn, write_register
from medmip.store.postgres import Address, moment
from medmip.store.postgres_engine import PostgresEngine, fingerprint
from medmip.store.snapshots import Snapshot


class Database:
    """Takes in snapshots, each once, and has the engine that scans them there."""

    def __init__(self, address, folder):
        self.address = address
        self.folder = folder
        self.engine = PostgresEngine(self._address_of)
        self._places = {}

    def site(self, site):
        """A site of the same records in the same datasets, which are here."""
        placed = tuple(self.placed(snapshot) for snapshot in site.snapshots)
        return replace(site, engine=self.engine, snapshots=placed)

    def placed(self, snapshot, visits=()):
        """A snapshot as it is when its records are here; `visits` are levels in their order."""
        if snapshot.hash not in self._places:
            self._places[snapshot.hash] = self._taken_in(snapshot, visits)
        place, register = self._places[snapshot.hash]
        held = {field.name: getattr(snapshot, field.name) for field in fields(Snapshot)}
        return Placed(**held | {"path": register}, place=place)

    def run(self, statement):
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(statement)

    def _address_of(self, name):
        return Address(name, self.address, 60)

    def _taken_in(self, snapshot, visits):
        table = pq.read_table(snapshot.path)
        name = f"t_{snapshot.hash[:20]}"
        longitudinal = "subjectid" in table.column_names
        if not {"subjectid", "subjectcode"} & {*table.column_names}:
            people = [f"p{number:06}" for number in range(table.num_rows)]
            table = table.append_column("subjectcode", pa.array(people))
        patient = "subjectid" if longitudinal else "subjectcode"
        visit = "visitid" if "visitid" in table.column_names else None
        told = [code for code in table.column_names if code not in ("dataset", PATIENT_COLUMN)]
        kinds = {
            code: "float8" if pa.types.is_floating(table.schema.field(code).type)
            else "int8" if pa.types.is_integer(table.schema.field(code).type) else "text"
            for code in told
        }  # fmt: skip
        listed = ", ".join(f'"{code}" {kinds[code]}' for code in told)
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"CREATE TABLE {name} ({listed})")
            with connection.cursor().copy(f"COPY {name} FROM STDIN") as target:
                # Backwards: the order of the register is the patients', not the heap's.
                for row in reversed(table.select(told).to_pylist()):
                    target.write_row([row[code] for code in told])
        columns = {
            code: PlacedColumn(name=code, kind=kinds[code], numeric=kinds[code] != "text")
            for code in told
        }
        place = Place(
            source="test", namespace="public", table=name, columns=columns,
            patient=patient, visit=visit, visits=visits,
        )  # fmt: skip
        with moment(self._address_of("test")) as found:
            records, contents = fingerprint(found, place)
        place = place.model_copy(update={"records": records, "fingerprint": contents})
        keys = [(patient, "ascending"), *([(visit, "ascending")] if visit else [])]
        rows = table.sort_by(keys).select([patient, PATIENT_COLUMN])
        digests = [
            int(hashlib.sha256(str(i).encode()).hexdigest()[:15], 16) for i in range(rows.num_rows)
        ]
        register = self.folder / f"{name}.parquet"
        write_register(rows.append_column(CONTENTS, pa.array(digests)), place, register)
        return place, register
