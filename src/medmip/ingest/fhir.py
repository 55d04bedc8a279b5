"""FHIR R4 bulk export (NDJSON): one resource type's file as a table.

A line is a resource; a resource of several codings or components gives a row for each, all with
the number of its line. Source: HL7 FHIR R4, Patient, Encounter, Observation, Condition; FHIR Bulk
Data Access.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from medmip.ingest.errors import IngestError
from medmip.ingest.text_table import TableWriter, TextTable, as_text

Json = Mapping[str, object]
Row = dict[str, object]
MAXIMUM_LINE = 16 * 2**20

COLUMNS: dict[str, tuple[str, ...]] = {
    "Patient": ("id", "gender", "birth_date", "deceased", "deceased_date"),
    "Encounter": ("id", "patient", "status", "class", "start", "end"),
    "Observation": (
        "id", "patient", "encounter", "status", "date", "system", "code", "display",
        "value", "unit", "value_system", "value_code", "value_display", "component",
    ),
    "Condition": (
        "id", "patient", "encounter", "clinical_status", "verification_status",
        "system", "code", "display", "onset", "abatement", "recorded",
    ),
}  # fmt: skip
"""The columns of each resource type's table."""


def read_fhir(path: Path, target: Path) -> TextTable:
    """The table of a bulk export's file; raises IngestError, without any content, where a line
    is no resource, or of another type than the first.
    """
    resource_type = ""
    writer: TableWriter | None = None
    try:
        with path.open("rb") as file:
            line = 0
            while data := file.readline(MAXIMUM_LINE + 1):
                line += 1
                if len(data) > MAXIMUM_LINE:
                    raise _bad(path, line, "is longer than 16 MiB")
                if not data.strip():
                    continue
                resource = _parse(data, path, line)
                found = str(resource.get("resourceType", ""))
                if writer is None:
                    if found not in COLUMNS:
                        raise _bad(path, line, "is no resource of a type that is read")
                    resource_type = found
                    writer = TableWriter(target, len(COLUMNS[found]))
                elif found != resource_type:
                    raise _bad(path, line, f"is no {resource_type}, as the lines before it are")
                for row in _ROWS[resource_type](resource):
                    cells = [as_text(row.get(name)) or None for name in COLUMNS[resource_type]]
                    writer.row(line, cells)
        if writer is None:
            raise IngestError("The file holds no resource.", where=path.name)
    finally:
        if writer is not None:
            writer.__exit__(None, None, None)
    return TextTable(COLUMNS[resource_type], target)


def _parse(data: bytes, path: Path, line: int) -> Json:
    try:
        resource = json.loads(data)
    except (ValueError, RecursionError):
        raise _bad(path, line, "is not valid JSON") from None
    if not isinstance(resource, dict):
        raise _bad(path, line, "is no JSON object")
    return resource


def _bad(path: Path, line: int, what: str) -> IngestError:
    return IngestError(
        f"Line {line:,} {what}.",
        where=path.name,
        remedy=f"A bulk export's file has a resource on each line: {', '.join(COLUMNS)}.",
    )


def _patient(resource: Json) -> Iterator[Row]:
    yield {
        "id": resource.get("id"),
        "gender": resource.get("gender"),
        "birth_date": resource.get("birthDate"),
        "deceased": resource.get("deceasedBoolean"),
        "deceased_date": resource.get("deceasedDateTime"),
    }


def _encounter(resource: Json) -> Iterator[Row]:
    period = _object(resource.get("period"))
    yield {
        "id": resource.get("id"),
        "patient": _reference(resource.get("subject")),
        "status": resource.get("status"),
        "class": _object(resource.get("class")).get("code"),
        "start": period.get("start"),
        "end": period.get("end"),
    }


def _observation(resource: Json) -> Iterator[Row]:
    shared: Row = {
        "id": resource.get("id"),
        "patient": _reference(resource.get("subject")),
        "encounter": _reference(resource.get("encounter")),
        "status": resource.get("status"),
        "date": resource.get("effectiveDateTime")
        or _object(resource.get("effectivePeriod")).get("start")
        or resource.get("effectiveInstant"),
    }
    for coding in _codings(resource.get("code")):
        yield shared | _coded(coding) | _value(resource) | {"component": False}
    for component in _list(resource.get("component")):
        for coding in _codings(component.get("code")):
            yield shared | _coded(coding) | _value(component) | {"component": True}


def _condition(resource: Json) -> Iterator[Row]:
    shared: Row = {
        "id": resource.get("id"),
        "patient": _reference(resource.get("subject")),
        "encounter": _reference(resource.get("encounter")),
        "clinical_status": _codings(resource.get("clinicalStatus"))[0].get("code"),
        "verification_status": _codings(resource.get("verificationStatus"))[0].get("code"),
        "onset": resource.get("onsetDateTime") or _object(resource.get("onsetPeriod")).get("start"),
        "abatement": resource.get("abatementDateTime"),
        "recorded": resource.get("recordedDate"),
    }
    for coding in _codings(resource.get("code")):
        yield shared | _coded(coding)


_ROWS: dict[str, Callable[[Json], Iterator[Row]]] = {
    "Patient": _patient,
    "Encounter": _encounter,
    "Observation": _observation,
    "Condition": _condition,
}


def _value(element: Json) -> Row:
    quantity = _object(element.get("valueQuantity"))
    coding = _codings(element.get("valueCodeableConcept"))[0]
    value = quantity.get("value")
    for name in ("valueInteger", "valueString", "valueBoolean", "valueDateTime"):
        value = element.get(name) if value is None else value
    return {
        "value": value,
        "unit": quantity.get("code") or quantity.get("unit"),
        "value_system": coding.get("system"),
        "value_code": coding.get("code"),
        "value_display": coding.get("display"),
    }


def _coded(coding: Json) -> Row:
    return {name: coding.get(name) for name in ("system", "code", "display")}


def _codings(concept: object) -> list[Json]:
    """A concept's codings, one empty where it has none."""
    return _list(_object(concept).get("coding")) or [{}]


def _reference(element: object) -> str | None:
    """The id that a reference names: of `Patient/12` and of an address that ends in it."""
    reference = _object(element).get("reference")
    if not isinstance(reference, str):
        return None
    return reference.removeprefix("urn:uuid:").split("/_history/")[0].rpartition("/")[2]


def _object(element: object) -> Json:
    return element if isinstance(element, dict) else {}


def _list(element: object) -> list[Json]:
    return [_object(part) for part in element] if isinstance(element, list) else []
