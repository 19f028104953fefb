"""vLLM's own errors, which have no code of their own, as ours.

vLLM says what is wrong in words alone. `KNOWN` is the one place where they are recognised; a test
provokes each of them in the real vLLM.
"""

import json
import re

from qwen_ocr_serve.http.errors import RETRY_AFTER, APIError, internal_error

MAX_MESSAGE = 1000
"""Characters of a message. vLLM's can hold the whole of what was wrong, an image for instance."""

_DISALLOWED_ORIGIN = "Disallowed CORS"

KNOWN = (
    (404, "model_not_found", "model .* does not exist"),
    (503, "queue_full", "engine is currently busy|prefill token backlog"),
    (503, "engine_dead", "EngineCore encountered an issue"),
    (400, "context_length_exceeded", "maximum (context|model) length|longer than the maximum"),
    (400, "too_many_images", r"At most \d+ image"),
    (400, "unsupported_media_type", "Unsupported Media Type"),
    (400, "invalid_json", "JSON decode error|json_invalid|error parsing the body"),
    (400, "origin_not_allowed", f"^{_DISALLOWED_ORIGIN}"),
)
"""Errors of vLLM, FastAPI and Starlette that get a code of their own: status, code, and a regular
expression that the message matches."""

_PARAMETER = re.compile(r" \(parameter=[^()]*\)$")
"""What vLLM appends to messages, and says again in a field of its own."""

_REFUSED = "the request was refused"

_BY_STATUS = {
    401: "invalid_api_key",
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: "rate_limited",
    503: "unavailable",
}


def from_answer(status: int, body: bytes, retry_after: int) -> APIError:
    """The error in an answer of the application, in whatever form that is.

    `retry_after` is in seconds, for those that are worth trying again. Nothing that the server
    knows about itself is passed on: of a failure of its own, only that there was one.
    """
    message, param = _words(body)
    for known_status, code, pattern in KNOWN:
        if re.search(pattern, message) and (status == known_status or code == "engine_dead"):
            status = known_status
            break
    else:
        code = _BY_STATUS.get(status, "invalid_request")
        if status >= 500 and status != 503:
            return internal_error() if status == 500 else APIError(status, "failed", message)
    if code == "origin_not_allowed":
        message = (
            "this server answers no web pages of other origins: send the request from a program, "
            "or start the server with --cors-origins https://that.origin"
        )
    if code == "engine_dead":
        message = "the model has stopped: the server will be restarted, try again soon"
    headers = {RETRY_AFTER: str(retry_after)} if status == 503 else {}
    return APIError(status, code, message[:MAX_MESSAGE], param, headers)


def _words(body: bytes) -> tuple[str, str | None]:
    """The message in an error body, and which parameter it is about."""
    try:
        content = json.loads(body)
    except ValueError:
        # Starlette's own words about another origin are the only ones that are no JSON.
        other_origin = body.startswith(_DISALLOWED_ORIGIN.encode())
        return body.decode() if other_origin else _REFUSED, None
    if isinstance(content, dict) and isinstance(content.get("error"), dict):
        content = content["error"]
    if not isinstance(content, dict):
        return _REFUSED, None
    message = content.get("message") or content.get("detail")
    param = content.get("param")
    return (
        _PARAMETER.sub("", message) if isinstance(message, str) else _REFUSED,
        param if isinstance(param, str) else None,
    )
