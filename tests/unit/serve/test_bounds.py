"""What a request may hold, and which parameters it may have."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from qwen_ocr_serve.api import bounds, parameters
from qwen_ocr_serve.http.errors import APIError

DOCS = Path(__file__).parents[3] / "docs" / "http-api.md"
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}
LONG = "x" * (bounds.MAX_TEXT + 1)


def chat(content: object = "x", **fields: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], **fields}


def formatted(schema: object) -> dict[str, Any]:
    return chat(response_format={"type": "json_schema", "json_schema": {"schema": schema}})


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    "data",
    [
        chat(),
        chat([IMAGE, {"type": "text", "text": "x" * 100_000}]),
        chat([IMAGE] * bounds.MAX_PARTS),
        chat(stop=["x"] * bounds.MAX_STOPS, n=bounds.MAX_CHOICES),
        formatted({"type": "object", "properties": {f"p{i}": {} for i in range(990)}}),
        formatted({"enum": list(range(bounds.MAX_ENUM))}),
        formatted({"type": "array", "maxItems": bounds.MAX_REPETITIONS}),
        # Left to those who look at types.
        {},
        {"messages": None},
        {"messages": [None, 3, {"content": 3}, {"content": {"a": [1]}}]},
        chat(response_format=3, tools=3, structured_outputs=[]),
        chat(structured_outputs={"json": "{not JSON"}),
    ],
)
def test_what_is_within_bounds(data: dict[str, Any]) -> None:
    bounds.check_chat(data)


@pytest.mark.parametrize(
    ("data", "param"),
    [
        ({"messages": [{"content": "x"}] * (bounds.MAX_MESSAGES + 1)}, "messages"),
        (chat([IMAGE] * (bounds.MAX_PARTS + 1)), "messages"),
        (chat(LONG), "messages"),
        (chat([{"type": "text", "text": LONG}]), "messages"),
        # Only where an image belongs, its URL is not counted.
        (chat([{"type": "text", "text": "x", "more": {"image_url": LONG}}]), "messages"),
        (chat(image_url=LONG), "messages"),
        (chat(tools=[{"function": {"parameters": {"image_url": LONG}}}]), "messages"),
        (chat(**{LONG: 1}), "messages"),
        (chat(stop=["x"] * 17), "stop"),
        (chat(tools=[{}] * 65), "tools"),
        (chat(n=17), "n"),
        (formatted({f"p{i}": {} for i in range(1000)}), "response_format"),
        (formatted(nested(1001)), "response_format"),
        (formatted({"enum": list(range(1001))}), "response_format"),
        (formatted({"items": {"minItems": 10**6}}), "response_format"),
        (formatted({"pattern": "a|" * 600}), "response_format"),
        (chat(structured_outputs={"json": {"maxLength": 10**9}}), "structured_outputs"),
        (chat(structured_outputs={"json": json.dumps({"maxLength": 1e9})}), "structured_outputs"),
        (chat(tools=[{"function": {"parameters": {"minItems": 10**6}}}]), "tools"),
    ],
)
def test_what_is_too_much(data: dict[str, Any], param: str) -> None:
    with pytest.raises(APIError) as caught:
        bounds.check_chat(data)
    assert (caught.value.code, caught.value.param) == ("request_too_complex", param)


def message(*parts: object, **fields: object) -> dict[str, Any]:
    return {"role": "user", "content": list(parts), **fields}


TEXT = {"type": "input_text", "text": "x"}


@pytest.mark.parametrize(
    "items",
    [
        None,
        "x" * 100_000,
        [{"role": "user", "content": "x"}],
        [message({"type": "input_image", "image_url": "data:," + "A" * 10**6}, TEXT)],
        [
            message({"type": "output_text", "text": "x", "annotations": []}, role="assistant"),
            {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "1"},
            {"type": "function_call_output", "call_id": "1", "output": "x"},
            {"type": "reasoning", "id": "x", "summary": []},
        ],
    ],
)
def test_an_input_that_is_taken(items: object) -> None:
    bounds.check_responses({"input": items})


@pytest.mark.parametrize(
    ("items", "code"),
    [
        (LONG, "request_too_complex"),
        ([message(TEXT)] * (bounds.MAX_MESSAGES + 1), "request_too_complex"),
        ([message(*[TEXT] * (bounds.MAX_PARTS + 1))], "request_too_complex"),
        ([message({**TEXT, "image_url": "x", "text": LONG})], "request_too_complex"),
        # vLLM's class would try each of these in thirty forms.
        ({str(number): number for number in range(1000)}, "invalid_request"),
        ([None], "invalid_request"),
        (["x"], "invalid_request"),
        ([message(3)], "invalid_request"),
        ([message(TEXT, role="nobody")], "invalid_request"),
        ([message({"type": "input_text", "text": 3})], "invalid_request"),
        ([message({**TEXT, "annotations": [{"type": "x"}] * 100})], "invalid_request"),
        ([message(TEXT, more={"x": 1})], "invalid_request"),
        ([{"type": "mcp_call"}], "invalid_request"),
        ([{"type": ["message"]}], "invalid_request"),
        ([{"type": "function_call", "name": "f", "arguments": {}, "call_id": "1"}], ""),
    ],
)
def test_an_input_that_is_refused(items: object, code: str) -> None:
    with pytest.raises(APIError) as caught:
        bounds.check_responses({"input": items})
    assert (caught.value.code, caught.value.param) == (code or "invalid_request", "input")


def test_no_list_is_endless() -> None:
    for fields in ({"logit_bias": {str(i): 1 for i in range(1025)}}, {"include": ["x"] * 1025}):
        with pytest.raises(APIError, match="entries"):
            bounds.check_responses({"input": "x", **fields})


def test_the_schema_of_a_response_is_bounded() -> None:
    text = {"format": {"type": "json_schema", "schema": nested(1001)}}
    with pytest.raises(APIError, match="schema"):
        bounds.check_responses({"input": "x", "text": text})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b'{"a": "\\ud800"}', "invalid_json"),
        (b"[" * 100_000, "invalid_json"),
        (b"[" + b"1," * 100_001 + b"1]", "request_too_complex"),
        (b"{" + b'"k":1,' * 60_000 + b'"k":1}', "request_too_complex"),
    ],
)
def test_a_body_that_is_not_parsed(body: bytes, code: str) -> None:
    with pytest.raises(APIError) as caught:
        bounds.parse_json(body)
    assert caught.value.code == code


def test_a_body_that_is_parsed() -> None:
    data = {"image": "A/" * 10**6, "text": "汉字 \U0001f600", "n": [1.5, None, True]}
    assert bounds.parse_json(json.dumps(data).encode()) == data
    assert bounds.parse_json(json.dumps(data).replace("/", "\\/").encode()) == data


@pytest.mark.parametrize(
    ("data", "param"),
    [
        ({"use_beam_search": True}, "use_beam_search"),
        ({"truncate_prompt_tokens": 10}, "truncate_prompt_tokens"),
        ({"structured_outputs": {"regex": "a"}}, "structured_outputs.regex"),
        ({"structured_outputs": {"structural_tag": "a"}}, "structured_outputs.structural_tag"),
        ({"response_format": {"type": "structural_tag"}}, "response_format.type"),
        ({"tools": [{"type": "custom"}]}, "tools.type"),
        ({"x" * 1000: 1}, "x" * 100),
    ],
)
def test_a_parameter_that_is_not_taken(data: dict[str, Any], param: str) -> None:
    with pytest.raises(APIError) as caught:
        parameters.check_parameters(data, parameters.CHAT, allow_grammars=False)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", param)


@pytest.mark.parametrize("allowed", [parameters.CHAT, parameters.RESPONSES])
def test_null_is_as_good_as_left_out(allowed: Mapping[str, str]) -> None:
    data: dict[str, Any] = {
        "use_beam_search": None,
        "structured_outputs": {"regex": None, "json": {}},
    }
    parameters.check_parameters(data, allowed, allow_grammars=False)


def test_grammars_where_they_are_allowed() -> None:
    for kind in parameters.GRAMMARS:
        data = {"structured_outputs": {kind: "a"}}
        parameters.check_parameters(data, parameters.CHAT, allow_grammars=True)
    tag = {"structured_outputs": {"structural_tag": "a"}}
    with pytest.raises(APIError):
        parameters.check_parameters(tag, parameters.CHAT, allow_grammars=True)


@pytest.mark.parametrize("taken", [parameters.CHAT, parameters.RESPONSES])
def test_the_documentation_has_the_lists(taken: Mapping[str, str]) -> None:
    assert parameters.table(taken) in DOCS.read_text("utf-8"), (
        "put what `python -m qwen_ocr_serve.api.parameters` prints into docs/http-api.md"
    )
