"""The server does what its own description says, for requests made from that description."""

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings, strategies
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

LISTED = {
    *("/v1/chat/completions", "/v1/responses", "/v1/models", "/api/v1/ocr"),
    *("/health", "/metrics", "/"),
}
OURS = [
    *("/api/v1/ocr", "/health", "/"),
    *("/v1/ocr", "/v1/files", "/v1/files/{file_id}", "/v1/files/{file_id}/url"),
    *("/v1/files/{file_id}/content", "/process", "/v1/convert/file", "/v1/convert/source"),
]
"""The routes whose description is ours, not vLLM's."""
EXAMPLES = 25
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


@pytest.mark.parametrize("path", OURS)
def test_our_routes_keep_to_their_description(base_url: str, path: str) -> None:
    api = schemathesis.openapi.from_url(f"{base_url}/openapi.json").include(path=path)
    tried = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=strategies.data())
    def try_all(data: strategies.DataObject) -> None:
        nonlocal tried
        for result in api.get_all_operations():
            assert isinstance(result, Ok), result
            case = data.draw(result.ok().as_strategy())
            case.call_and_validate(checks=CHECKS)
            tried += 1

    try_all()
    assert tried


def test_only_the_routes_that_exist_are_described(http: httpx2.Client) -> None:
    openapi = http.get("/openapi.json").json()
    paths = openapi["paths"]
    # Others may come, but none of vLLM's.
    assert set(paths) >= LISTED
    assert not {"/tokenize", "/invocations", "/v1/completions", "/load", "/version"} & set(paths)
    assert paths["/v1/models"]["get"]["security"]
    assert paths["/v1/convert/file"]["post"]["security"] == [{"key": []}, {"header": []}]
    assert openapi["components"]["securitySchemes"]["header"]["name"] == "X-Api-Key"
    assert "security" not in paths["/health"]["get"]
    for status in ("200", "400", "401", "413", "422", "429", "500", "503", "504"):
        assert status in paths["/api/v1/ocr"]["post"]["responses"]
    assert set(paths["/api/v1/ocr"]["post"]["requestBody"]["content"]) == {
        "application/json",
        "multipart/form-data",
    }


def test_routes_stand_under_what_they_are_for(http: httpx2.Client) -> None:
    openapi = http.get("/openapi.json").json()
    operations = {
        f"{method} {path}": operation
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }
    tags = [tag["name"] for tag in openapi["tags"]]
    used = [operation.get("tags", ["default"]) for operation in operations.values()]
    assert {tag for names in used for tag in names} == set(tags)
    assert all(len(names) == 1 for names in used)
    summaries = [operation["summary"] for operation in operations.values()]
    assert len(set(summaries)) == len(summaries)
    assert all(" " in summary for summary in summaries)
    assert operations["post /v1/chat/completions"]["tags"] == ["Models and chat (OpenAI)"]
    assert operations["post /v1/ocr"]["summary"] == "Read a document"


def test_the_documentation_needs_no_internet(http: httpx2.Client) -> None:
    page = http.get("/docs").text
    assert 'src="/static/swagger-ui-bundle.js"' in page
    for path in ("/static/swagger-ui-bundle.js", "/static/swagger-ui.css"):
        assert path in page
        assert http.get(path).status_code == 200
