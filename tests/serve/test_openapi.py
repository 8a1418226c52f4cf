"""Requests made from the OpenAPI description: none breaks the service, no answer breaks it."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

EXAMPLES = 10
BOUNDED = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
OPERATIONS = (
    ("POST", "/v1/liveness"),
    ("POST", "/v1/privacy/mia"),
    ("POST", "/v1/privacy/audit"),
    ("POST", "/v1/text/detect"),
    ("POST", "/v1/text/attack"),
    ("POST", "/v1/text/watermark"),
    ("GET", "/v1/jobs/{job_id}"),
    ("GET", "/v1/jobs/{job_id}/{file}"),
    ("DELETE", "/v1/jobs/{job_id}"),
    ("GET", "/v1/runs"),
    ("GET", "/v1/runs/compare"),
    ("GET", "/v1/runs/{name}"),
)


@pytest.fixture(scope="module")
def described(address: str) -> Any:
    return schemathesis.openapi.from_url(f"{address}/v1/openapi.json")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_answers_are_those_that_are_described(described: Any, method: str, path: str) -> None:
    # No schema says what a file must hold, nor which names there are.
    @BOUNDED
    @given(case=described[path][method].as_strategy())
    def ask(case: Any) -> None:
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    ask()


def test_every_operation_is_asked(described: Any) -> None:
    paths = described.raw_schema["paths"]
    found = {(method.upper(), path) for path, ways in paths.items() for method in ways}
    assert found == set(OPERATIONS)
