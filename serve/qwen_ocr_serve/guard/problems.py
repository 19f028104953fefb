"""Every refusal: its status, a code that never changes, and words that say what to do.

A problem is shown as OpenAI shows errors, or in the replaced service's envelope, or as plain text
to a caller who asked for text. vLLM's own errors, which have no code, become problems as well.
"""

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MAX_MESSAGE = 1000
"""Characters of a message. vLLM's can hold the whole of what was wrong, an image for instance."""

RETRY_AFTER = "retry-after"
_NO_RETRY = {"x-should-retry": "false"}  # which OpenAI's SDKs obey


@dataclass(eq=False)
class Problem(Exception):  # noqa: N818  # an answer to give, in the word of RFC 9457
    """Why a request gets no good answer."""

    status: int
    code: str
    message: str
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def type(self) -> str:
        """OpenAI's broad class of the error."""
        if self.status == 401:
            return "authentication_error"
        if self.status == 429:
            return "rate_limit_error"
        return "server_error" if self.status >= 500 else "invalid_request_error"

    def openai(self, request_id: str) -> dict[str, Any]:
        """The body as OpenAI's SDKs expect it, with the request id added."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
                "request_id": request_id,
            }
        }

    def envelope(self, request_id: str) -> dict[str, Any]:
        """The body as the replaced service sent it, with the code added."""
        return {
            "success": False,
            "data": [],
            "message": self.message,
            "timestamp": datetime.now(UTC).isoformat(),
            "request_id": request_id,
            "code": self.code,
        }

    def text(self, request_id: str) -> str:
        """One line for people."""
        return f"{self.message} (code {self.code}, request id {request_id})\n"


def not_found(path: str) -> Problem:
    """404 for a path that is not in the table of routes."""
    return Problem(404, "not_found", f"there is no {path[:200]} here; see / for what there is")


def wrong_method(method: str, allowed: frozenset[str]) -> Problem:
    """405 for a route that exists, but not for this method."""
    methods = ", ".join(sorted(allowed))
    message = f"this address does not take {method[:20]}, use {methods}"
    return Problem(405, "method_not_allowed", message, headers={"allow": methods})


def unauthorized(*, given: bool) -> Problem:
    """401 for no key, or a wrong one."""
    headers = {"www-authenticate": 'Bearer realm="qwen-ocr"'}
    if given:
        message = "this key is not one that the server knows"
        return Problem(401, "invalid_api_key", message, headers=headers)
    message = "a key is needed: send it as the header 'Authorization: Bearer KEY'"
    return Problem(401, "missing_api_key", message, headers=headers)


def body_too_large(limit: int) -> Problem:
    """413, before the body has been read whole."""
    message = f"the request is larger than {limit / 2**20:g} MiB: send fewer or smaller images"
    # What follows of the body would be taken for the next request.
    return Problem(413, "request_too_large", message, headers={"connection": "close", **_NO_RETRY})


def body_too_slow(seconds: float) -> Problem:
    """408 for a body that does not come."""
    message = f"the request was not complete after {seconds:g} s: send it faster, or in parts"
    return Problem(408, "request_timeout", message, headers={"connection": "close"})


def queue_full(limit: int, seconds: int) -> Problem:
    """503: as many requests as the server takes are running or waiting."""
    message = f"all {limit} places in the queue are taken: try again in {seconds} s"
    return Problem(503, "queue_full", message, headers={RETRY_AFTER: str(seconds)})


def no_room(limit: int, seconds: int) -> Problem:
    """503: the requests that are under way are as large as the server can hold."""
    message = (
        f"the server holds {limit / 2**20:g} MiB of requests, which is all it may: "
        f"try again in {seconds} s"
    )
    return Problem(503, "no_room", message, headers={RETRY_AFTER: str(seconds)})


def too_many_pdfs(seconds: int) -> Problem:
    """503: as many PDFs as the server takes are being rendered or wait for it."""
    message = f"too many PDFs at a time: try again in {seconds} s"
    return Problem(503, "queue_full", message, headers={RETRY_AFTER: str(seconds)})


def key_limit(limit: int, seconds: int) -> Problem:
    """429: this key has as many requests running or waiting as it may have."""
    message = f"this key already has {limit} requests under way: try again in {seconds} s"
    return Problem(429, "key_limit", message, headers={RETRY_AFTER: str(seconds)})


def shutting_down(seconds: int = 5) -> Problem:
    """503 while the last requests are finished."""
    message = "the server is shutting down: try again soon, or another one"
    return Problem(
        503,
        "shutting_down",
        message,
        headers={RETRY_AFTER: str(seconds), "connection": "close"},
    )


def deadline_exceeded(seconds: float) -> Problem:
    """504. Not to be retried at once: the next attempt would take as long."""
    message = f"the request was ended after {seconds:g} s: ask for less text, or a smaller image"
    return Problem(504, "deadline_exceeded", message, headers=_NO_RETRY)


def internal_error() -> Problem:
    """500, with nothing of what happened inside; the log has it under the request id."""
    message = "the server failed at this request: its log says more under the request id"
    return Problem(500, "internal_error", message)


_KNOWN = (
    (404, "model_not_found", "model .* does not exist"),
    (503, "queue_full", "engine is currently busy|prefill token backlog"),
    (503, "engine_dead", "EngineCore encountered an issue"),
    (400, "context_length_exceeded", "maximum (context|model) length|longer than the maximum"),
    (400, "too_many_images", r"At most \d+ image"),
    (400, "empty_prompt", "the prompt is empty"),
    (422, "empty_prompt", "the prompt is empty"),
    (400, "unsupported_media_type", "Unsupported Media Type"),
    (400, "invalid_json", "JSON decode error|json_invalid|error parsing the body"),
    (400, "origin_not_allowed", "^Disallowed CORS"),
)
"""vLLM's errors that deserve a code of their own: status, code, and what its message holds."""

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


def from_answer(status: int, body: bytes, retry_after: int) -> Problem:
    """The problem in an error that the application answered, in whatever form.

    `retry_after` is in seconds, for those that are worth trying again. Nothing that the server
    knows about itself is passed on: of a failure of its own, only that there was one.
    """
    message, param = _words(body)
    for known_status, code, pattern in _KNOWN:
        if re.search(pattern, message) and (status == known_status or code == "engine_dead"):
            status = known_status
            break
    else:
        code = _BY_STATUS.get(status, "invalid_request")
        if status >= 500 and status != 503:
            return internal_error() if status == 500 else Problem(status, "failed", message)
    if code == "origin_not_allowed":
        message = (
            "this server answers no web pages of other origins: send the request from a program, "
            "or start the server with -- --allowed-origins '[\"https://that.origin\"]'"
        )
    if code == "engine_dead":
        message = "the model has stopped: the server will be restarted, try again soon"
    headers = {RETRY_AFTER: str(retry_after)} if status == 503 else {}
    return Problem(status, code, message[:MAX_MESSAGE], param, headers)


def _words(body: bytes) -> tuple[str, str | None]:
    """The message in an error body, and which parameter it is about."""
    try:
        content = json.loads(body)
    except ValueError:
        # Starlette's own words about another origin are the only ones that are no JSON.
        return body.decode() if body.startswith(b"Disallowed CORS") else _REFUSED, None
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
