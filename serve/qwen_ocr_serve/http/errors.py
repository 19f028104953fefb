"""Every refusal: its status, a code that never changes, and words that say what to do.

`error_formats` shows an error in the form of a route, `vllm_errors` makes one of what vLLM answers.
"""

from dataclasses import dataclass, field

RETRY_AFTER = "retry-after"
_NO_RETRY = {"x-should-retry": "false"}  # which OpenAI's SDKs obey


@dataclass(eq=False)
class APIError(Exception):
    """Why a request gets no good answer. Whatever raises it, the middleware answers with it."""

    status: int
    code: str
    message: str
    param: str | None = None
    """The parameter of the request that is wrong, if it is one."""
    headers: dict[str, str] = field(default_factory=dict)


def not_found(path: str) -> APIError:
    """404 for a path that is not in the table of routes."""
    return APIError(404, "not_found", f"there is no {path[:200]} here; see / for what there is")


def wrong_method(method: str, allowed: frozenset[str]) -> APIError:
    """405 for a route that exists, but not for this method."""
    methods = ", ".join(sorted(allowed))
    message = f"this address does not take {method[:20]}, use {methods}"
    return APIError(405, "method_not_allowed", message, headers={"allow": methods})


def unauthorized(*, given: bool) -> APIError:
    """401 for no key, or a wrong one."""
    headers = {"www-authenticate": 'Bearer realm="qwen-ocr"'}
    if given:
        message = "this key is not one that the server knows"
        return APIError(401, "invalid_api_key", message, headers=headers)
    message = "a key is needed: send it as the header 'Authorization: Bearer KEY'"
    return APIError(401, "missing_api_key", message, headers=headers)


def body_too_large(limit: int) -> APIError:
    """413, before the body has been read whole."""
    message = (
        f"the request is larger than {limit / 2**20:g} MiB: send fewer or smaller images, or fewer "
        "pages"
    )
    # What follows of the body would be taken for the next request.
    return APIError(413, "request_too_large", message, headers={"connection": "close", **_NO_RETRY})


def body_too_slow(seconds: float) -> APIError:
    """408 for a body that does not come."""
    message = f"the request was not complete after {seconds:g} s: send it faster, or in parts"
    return APIError(408, "request_timeout", message, headers={"connection": "close"})


def queue_full(limit: int, seconds: int) -> APIError:
    """503: as many requests as the server takes are running or waiting."""
    message = f"all {limit} places in the queue are taken: try again in {seconds} s"
    return APIError(503, "queue_full", message, headers={RETRY_AFTER: str(seconds)})


def no_room(limit: int, seconds: int) -> APIError:
    """503: the requests that are under way are as large as the server can hold."""
    message = (
        f"the server holds {limit / 2**20:g} MiB of requests, which is its limit: "
        f"try again in {seconds} s"
    )
    return APIError(503, "no_room", message, headers={RETRY_AFTER: str(seconds)})


def key_limit(limit: int, seconds: int) -> APIError:
    """429: this key has as many requests running or waiting as it may have."""
    message = f"this key already has {limit} requests under way: try again in {seconds} s"
    return APIError(429, "key_limit", message, headers={RETRY_AFTER: str(seconds)})


def shutting_down(seconds: int = 5) -> APIError:
    """503 while the last requests are finished."""
    message = "the server is shutting down: try again soon, or ask another server"
    return APIError(
        503,
        "shutting_down",
        message,
        headers={RETRY_AFTER: str(seconds), "connection": "close"},
    )


def deadline_exceeded(seconds: float) -> APIError:
    """504. Not to be retried at once: the next attempt would take as long."""
    message = f"the request was ended after {seconds:g} s: ask for less text, or a smaller image"
    return APIError(504, "deadline_exceeded", message, headers=_NO_RETRY)


def internal_error() -> APIError:
    """500, with nothing of what happened inside; the log has it under the request id."""
    message = "the server failed at this request: look for the request id in its log"
    return APIError(500, "internal_error", message)
