"""Star schemas of which a mapping is generated: i2b2, OMOP and FHIR, concept by concept."""

from collections.abc import Sequence
from dataclasses import dataclass

from medmip.catalogue.data_model import DataModel
from medmip.ingest.session import Session, literal
from medmip.ingest.source_table import SourceTable

_CELLS = 500
"""Of a concept, looked at."""


STANDARD = {
    "72106-8": "MMSE total",
    "72172-0": "MoCA total",
    "33203-1": "Amyloid beta 1-42",
    "30160-6": "Total tau",
    "72260-3": "Phosphorylated tau",
}
"""What concepts of LOINC are called here, where an export has no names."""


@dataclass(frozen=True)
class Concept:
    """A concept that facts have: its code, what it is called, its commonest unit, some values."""

    code: str
    label: str
    unit: str
    cells: list[str]


@dataclass(frozen=True)
class Star:
    """A layout: files by the beginning of their names, and the columns that make a fact.

    facts, patients and visits are tables; code, number, text, unit, date and patient are columns
    of facts; labels is a table of concepts with its code and name, empty where facts have both.
    """

    name: str
    facts: str
    patients: str
    visits: str
    suffix: str
    code: str
    number: str
    text: str
    unit: str
    date: str
    patient: str
    patient_key: str
    visit_patient: str
    visit_date: str
    label: str
    labels: tuple[str, str, str] | None
    columns: tuple[tuple[str, str], ...]
    where: str = ""
    own_columns: frozenset[str] = frozenset(
        {"subjectcode", "subjectid", "gender", "subjectage", "subjectageyears", "dataset"}
    )

    def tables(self, sources: Sequence[SourceTable]) -> dict[str, list[SourceTable]] | None:
        """The layout's tables among files, None where one is missing."""
        wanted = [self.facts, self.patients, self.visits, *(self.labels or ())[:1]]
        found = {}
        for name in wanted:
            match = [s for s in sources if s.file.casefold().startswith(name.casefold())]
            if not match:
                return None
            found[name] = match
        return found

    def concepts(self, session: Session, tables: dict[str, list[SourceTable]]) -> list[Concept]:
        """The concepts of the facts, the commonest first."""
        facts = _named(tables[self.facts])
        labels = "(SELECT NULL::VARCHAR AS label_code, NULL::VARCHAR AS label_name)"
        if self.labels is not None:
            table, code, name = self.labels
            labels = f"""(
                SELECT {_column(code)} AS label_code, any_value({_column(name)}) AS label_name
                FROM {_named(tables[table])} GROUP BY 1
            )"""
        own = f"any_value({_column(self.label)})" if self.label else "NULL"
        rows = session.rows(
            f"""
            SELECT code, coalesce(any_value(label_name), any_value(own), ''), any_value(unit),
                any_value(cells)
            FROM (
                SELECT {_column(self.code)} AS code, {own} AS own,
                    mode({_column(self.unit)}) AS unit, count(*) AS rows,
                    list(coalesce({_column(self.number)}, {_column(self.text)}))
                        [1:{_CELLS}] AS cells
                FROM {facts} WHERE {_column(self.code)} IS NOT NULL GROUP BY 1
            ) LEFT JOIN {labels} ON code = label_code
            GROUP BY code ORDER BY max(rows) DESC, code
            """
        )
        return [
            Concept(
                str(code),
                str(label) or STANDARD.get(str(code), ""),
                "" if unit is None else str(unit),
                [str(cell) for cell in cells if cell is not None]
                if isinstance(cells, list)
                else [],
            )
            for code, label, unit, cells in rows
        ]

    def yaml_head(self) -> list[str]:
        """The mapping down to its facts."""
        lines = ["sources:"]
        names = [self.facts, self.patients, self.visits]
        lines += [f'  {name.lower()}: {{file: "{name}*{self.suffix}"}}' for name in names]
        visit = (
            f"    first_visit: {{table: {self.visits.lower()}, "
            f"on: {{{self.patient_key}: {self.visit_patient}}}, value: {self.visit_date}, "
            f"take: first, order: {self.visit_date}}}"
        )
        return [*lines, "rows:", f"  from: {self.patients.lower()}", "  facts:", visit]

    def yaml_fact(self, name: str, code: str, numeric: bool) -> str:
        """The fact of a concept's value."""
        value = self.number if numeric else f'"coalesce({self.text}, {self.number})"'
        return self._fact(name, code, value)

    def yaml_unit(self, name: str, code: str) -> str:
        """The fact of the unit of a concept's value."""
        return self._fact(name, code, self.unit, f" and {self.number} is not null")

    def yaml_columns(self, model: DataModel) -> list[str]:
        """What the layout fills without any concept."""
        known = model.all_variables
        lines = [
            "columns:",
            f"  {model.patient_column}: {self.patients.lower()}.{self.patient_key}",
        ]
        return lines + [f"  {code}: {text}" for code, text in self.columns if code in known]

    def _fact(self, name: str, code: str, value: str, more: str = "") -> str:
        chosen = f"{self.code} = {literal(code)}{more}" + (
            f" and {self.where}" if self.where else ""
        )
        escaped = chosen.replace("\\", "\\\\").replace('"', '\\"')
        return (
            f"    {name}: {{table: {self.facts.lower()}, "
            f"on: {{{self.patient_key}: {self.patient}}}, "
            f'where: "{escaped}", value: {value}, take: first, order: {self.date}}}'
        )


def _named(tables: Sequence[SourceTable]) -> str:
    """The rows of a table's files, columns by name."""
    selects = []
    for table in tables:
        cells = ", ".join(f"c{i} AS {_column(name)}" for i, name in enumerate(table.table.names))
        selects.append(f"SELECT {cells} FROM read_parquet({literal(str(table.table.file))})")
    return f"({' UNION ALL BY NAME '.join(selects)})"


def _column(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_BORN = (
    "date_of(year_of_birth || '-' || coalesce(month_of_birth, '7') || '-' || "
    "coalesce(day_of_birth, '1'), '%Y-%m-%d')"
)
_PARTLY = "date_of(birth_date, '%Y-%m-%d', '%Y-%m', '%Y')"


def _ages(born: str) -> tuple[tuple[str, str], ...]:
    exact = f"round(years_between({born}, date_of(first_visit)), 2)"
    whole = f"full_years({born}, date_of(first_visit))"
    return (
        ("subjectage", f'{{expression: "{exact}"}}'),
        ("subjectageyears", f'{{expression: "{whole}"}}'),
    )


def _gender(column: str, codes: str) -> tuple[str, str]:
    return ("gender", f'{{column: {column}, codes: {{{codes}}}, others: ""}}')


STARS = (
    Star(
        name="i2b2 star schema",
        facts="observation_fact", patients="patient_dimension", visits="visit_dimension",
        suffix=".csv", code="concept_cd", number="nval_num", text="tval_char", unit="units_cd",
        date="start_date", patient="patient_num", patient_key="patient_num",
        visit_patient="patient_num", visit_date="start_date", label="",
        labels=("concept_dimension", "concept_cd", "name_char"),
        where="coalesce(modifier_cd, '@') = '@'",
        columns=(
            _gender("sex_cd", 'M: M, F: F, "DEM|SEX:M": M, "DEM|SEX:F": F'),
            *_ages("date_of(birth_date)"),
        ),
    ),
    Star(
        name="OMOP CDM 5.4",
        facts="measurement", patients="person", visits="visit_occurrence",
        suffix=".csv", code="measurement_concept_id", number="value_as_number",
        text="value_as_concept_id", unit="unit_source_value", date="measurement_date",
        patient="person_id", patient_key="person_id", visit_patient="person_id",
        visit_date="visit_start_date", label="", labels=("concept", "concept_id", "concept_name"),
        columns=(_gender("gender_concept_id", '"8507": M, "8532": F'), *_ages(_BORN)),
    ),
    Star(
        name="FHIR R4 bulk export",
        facts="Observation", patients="Patient", visits="Encounter", suffix=".ndjson",
        code="code", number="value", text="value_code", unit="unit", date="date",
        patient="patient", patient_key="id", visit_patient="patient", visit_date="start",
        label="display", labels=None,
        where="status in ('final', 'amended', 'corrected')",
        columns=(_gender("gender", "male: M, female: F"), *_ages(_PARTLY)),
    ),
)  # fmt: skip
