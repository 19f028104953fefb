"""How much a request may hold: what is counted before anything works on it.

Most limits are far above what a page needs, and each is there because a request beyond it was seen
to stop the event loop or the engine. Times are of two cores of an AMD EPYC.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

from qwen_ocr_serve.api.response_input import check_input
from qwen_ocr_serve.http.errors import APIError

MAX_ELEMENTS = 100_000
"""Commas, colons and brackets of a JSON body, those in texts included: parsing them takes 10 ms."""
MAX_TEXT = 131_072
"""Characters of all texts beside the images, names of fields included. vLLM makes tokens in one
thread for all callers: 4 MiB took 7 s, so this is a quarter of a second."""
MAX_ENTRIES = 1_024
"""Entries of any one list or object. pydantic tries each in all forms that it could have, and tells
what is wrong with each: 20,000 took 107 s."""
MAX_MESSAGES = 128
MAX_PARTS = 256
"""Texts and images of all messages."""
MAX_TOOLS = 64
MAX_STOPS = 16
MAX_CHOICES = 16
"""Answers to one request. Each is a sequence for the engine, but one place in the queue."""
MAX_SUBSCHEMAS = 1_000
"""Objects of a JSON Schema. 1,000 properties compile in 40 ms; a chain of 5,000 references ended
the server with a segmentation fault."""
MAX_ENUM = 1_000
MAX_REPETITIONS = 10_000
"""Items or characters that a schema may ask for in `minItems`, `maxLength` and the like."""
MAX_PATTERN = 1_000
"""Characters of a regular expression in a schema."""

_STRUCTURE = tuple(bytes([character]) for character in b",:[{")
_CHUNK = 1 << 16
_REPETITIONS = frozenset(
    {
        *("minItems", "maxItems", "minLength", "maxLength"),
        *("minProperties", "maxProperties", "minContains", "maxContains"),
    }
)


def too_much(what: str, limit: int, param: str | None = None) -> APIError:
    """400 for a request that holds more of something than the server takes."""
    message = f"the request has too much in it: at most {limit:,} {what}"
    return APIError(400, "request_too_complex", message, param=param)


def parse_json(body: bytes) -> Any:
    """The value of a JSON body. Raises `APIError` for what is not JSON, and for too many elements.

    pydantic's parser takes 5 ms for an image of 30 MiB where Python's takes 60, and refuses nesting
    beyond 200 levels and half a surrogate pair, which could not be encoded again.
    """
    elements = 0
    for start in range(0, len(body), _CHUNK):
        chunk = body[start : start + _CHUNK]
        elements += sum(map(chunk.count, _STRUCTURE))
        if elements > MAX_ELEMENTS:
            raise too_much("commas, colons and brackets", MAX_ELEMENTS)
    try:
        return from_json(body)
    except ValueError as exc:
        raise APIError(400, "invalid_json", f"the body is not valid JSON: {exc}") from exc


def check_chat(data: Mapping[str, Any]) -> None:
    """Raise `APIError` for a chat request that holds too much. Wrong types are left to others."""
    _check_messages(data.get("messages"), "messages")
    _check_counts(data)
    _check_text({**data, "messages": None}, data.get("messages"), "messages")
    response_format = data.get("response_format")
    if isinstance(response_format, Mapping):
        wrapper = response_format.get("json_schema")
        if isinstance(wrapper, Mapping):
            check_schema(wrapper.get("schema"), "response_format")


def check_responses(data: Mapping[str, Any]) -> None:
    """The same for a request of the Responses API."""
    _check_messages(data.get("input"), "input")
    check_input(data.get("input"))
    _check_counts(data)
    _check_text({**data, "input": None}, data.get("input"), "input")
    text = data.get("text")
    if isinstance(text, Mapping) and isinstance(text.get("format"), Mapping):
        check_schema(text["format"].get("schema"), "text")


def check_schema(schema: object, param: str) -> None:
    """Raise `APIError` for a JSON Schema that would take long to compile."""
    subschemas = 0
    for value in _values(schema):
        if isinstance(value, Mapping):
            subschemas += 1
            if subschemas > MAX_SUBSCHEMAS:
                raise too_much("objects in a schema", MAX_SUBSCHEMAS, param)
            for name in _REPETITIONS & value.keys():
                count = value[name]
                if isinstance(count, int | float) and count > MAX_REPETITIONS:
                    raise too_much(f"in a schema's {name}", MAX_REPETITIONS, param)
            pattern = value.get("pattern")
            if isinstance(pattern, str) and len(pattern) > MAX_PATTERN:
                raise too_much("characters in a schema's pattern", MAX_PATTERN, param)
        elif isinstance(value, list) and len(value) > MAX_ENUM:
            raise too_much("values in a list of a schema", MAX_ENUM, param)


def _check_messages(messages: object, param: str) -> None:
    if messages is None or isinstance(messages, str):
        return
    if not isinstance(messages, list):  # of an object, vLLM would take the names for messages
        raise APIError(400, "invalid_request", f"{param} has the wrong type", param=param)
    if len(messages) > MAX_MESSAGES:
        raise too_much("messages", MAX_MESSAGES, param)
    if sum(len(list(_parts(message))) for message in messages) > MAX_PARTS:
        raise too_much("texts and images", MAX_PARTS, param)


def _check_counts(data: Mapping[str, Any]) -> None:
    for name, limit in (("tools", MAX_TOOLS), ("stop", MAX_STOPS)):
        value = data.get(name)
        if isinstance(value, list) and len(value) > limit:
            raise too_much(name, limit, name)
    choices = data.get("n")
    if isinstance(choices, int) and choices > MAX_CHOICES:
        raise too_much("choices", MAX_CHOICES, "n")
    for tool in data.get("tools") or () if isinstance(data.get("tools"), list) else ():
        check_schema(tool, "tools")
    structured = data.get("structured_outputs")
    if isinstance(structured, Mapping):
        schema = structured.get("json")
        if isinstance(schema, str):
            with suppress(ValueError):  # vLLM says what is wrong with it
                schema = from_json(schema)
        check_schema(schema, "structured_outputs")


def _check_text(rest: object, messages: object, param: str) -> None:
    """Count all characters that are not an image's: where a part of a message has its URL."""
    size = _size(rest)
    for message in messages if isinstance(messages, list) else [messages]:
        if isinstance(message, Mapping):
            size += _size({**message, "content": None})
            content = message.get("content")
            for part in content if isinstance(content, list) else [content]:
                size += _size({**part, "image_url": None} if isinstance(part, Mapping) else part)
        else:
            size += _size(message)
    if size > MAX_TEXT:
        raise too_much("characters beside the images", MAX_TEXT, param)


def _parts(message: object) -> Iterator[object]:
    content = message.get("content") if isinstance(message, Mapping) else None
    yield from content if isinstance(content, list) else ()


def _size(value: object) -> int:
    """The characters of all texts and names in a JSON value. Raises `APIError` for long lists."""
    size = 0
    for part in _values(value):
        if isinstance(part, str):
            size += len(part)
        elif isinstance(part, list | dict):
            if len(part) > MAX_ENTRIES:
                raise too_much("entries in one list or object", MAX_ENTRIES)
            if isinstance(part, dict):
                size += sum(map(len, part))
    return size


def _values(value: object) -> Iterator[object]:
    """A JSON value and all values in it, without recursion."""
    waiting = [value]
    while waiting:
        value = waiting.pop()
        yield value
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
