"""Random requests over the whole OpenAPI document: never a server error, always the schema."""

from typing import Any

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


def test_api_keeps_its_schema(application: FastAPI, client: TestClient) -> None:
    assert client.get("/healthz").status_code == 200
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", application)
    operations = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operations.append(found.ok())
    assert len(operations) >= 20
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(
            max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        def keeps_its_schema(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(checks=CHECKS)

        keeps_its_schema()
