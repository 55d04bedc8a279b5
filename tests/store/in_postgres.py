"""The same records in a real PostgreSQL: for whatever holds of every engine."""

import hashlib
from dataclasses import fields, replace

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from medmip.catalogue.data_model import DataModel
from medmip.harmonise.mapping import Mapping
from medmip.harmonise.postgres_mapping import placed_rows
from medmip.store.parquet import PATIENT_COLUMN
from medmip.store.placed import CONTENTS, Place, Placed, PlacedColumn, PlacedTable, write_register
from medmip.store.postgres import Address, moment
from medmip.store.postgres_engine import PostgresEngine, fingerprint
from medmip.store.postgres_table import Column, Relation
from medmip.store.snapshots import Snapshot
from tests.store.models import nominal, real


class Database:
    """Takes in snapshots, each once, and has the engine that scans them there.

    Where they are mapped, their cells are there as texts, levels by other names and numbers with
    commas, and a mapping makes the records of them.
    """

    def __init__(self, address, folder, mapped=False):
        self.address = address
        self.mapped = mapped
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
        columns = {
            code: PlacedColumn(name=code, kind=kinds[code], numeric=kinds[code] != "text")
            for code in told
        }
        place = Place(
            source="test", namespace="public", table=name, columns=columns,
            patient=patient, visit=visit, visits=visits,
        )  # fmt: skip
        held = table
        if self.mapped:
            name += "_mapped"
            held, place = self._in_other_words(table, place.model_copy(update={"table": name}))
            kinds = dict.fromkeys(held.column_names, "text")
            told = held.column_names
        listed = ", ".join(f'"{code}" {kinds[code]}' for code in told)
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"CREATE TABLE {name} ({listed})")
            with connection.cursor().copy(f"COPY {name} FROM STDIN") as target:
                # Backwards: the order of the register is the patients', not the heap's.
                for row in reversed(held.select(told).to_pylist()):
                    target.write_row([row[code] for code in told])
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

    def _in_other_words(self, table, place):
        """The table as texts under other names, and the place of a mapping back."""
        cells, columns, variables = {}, {}, []
        for index, (code, column) in enumerate(place.columns.items()):
            values, name = table.column(code).to_pylist(), f"Column {index}?"
            if column.numeric:
                cells[name] = [
                    None if value is None or value != value else repr(value).replace(".", ",")
                    for value in values
                ]
                columns[code] = {"column": name}
                variables.append(real(code))
            else:
                levels = dict.fromkeys(value for value in values if value is not None)
                cells[name] = [None if value is None else f" it's {value}" for value in values]
                columns[code] = {
                    "column": name, "codes": {f"it's {level}": level for level in levels},
                }  # fmt: skip
                variables.append(nominal(code, *levels))
        mapping = Mapping.model_validate({
            "mapping": "1",
            "name": "back",
            "sources": {"rows_there": {"file": "x.csv", "decimal": "comma", "missing": []}},
            "rows": {"from": "rows_there"},
            "columns": columns,
        })  # fmt: skip
        model = DataModel(
            code="m", version="1", label="m", variables=tuple(variables),
            longitudinal=place.visit is not None,
        )  # fmt: skip
        names = tuple(cells)
        there = Relation("public", place.table, tuple(Column(name, "text", "S") for name in names))
        made = placed_rows(mapping, {"rows_there": there}, model)
        placed = {
            code: PlacedColumn(
                name=code, kind="float8" if made.numeric[code] else "text", numeric=column.numeric
            )
            for code, column in place.columns.items()
        }
        read = PlacedTable(namespace="public", table=place.table, columns=names)
        return pa.table(cells), place.model_copy(
            update={"columns": placed, "query": made.query, "tables": (read,)}
        )
