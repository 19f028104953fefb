"""Errors of the openai SDK as this package's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qwen_ocr.errors import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    OCRConnectionError,
    OCRError,
    OCRTimeoutError,
    OverloadedError,
    ServerError,
    UnsupportedTaskError,
    not_an_ocr_server,
)

if TYPE_CHECKING:
    import openai

MAX_SERVER_MESSAGE = 500
"""Characters of a server's own words that go into an error."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise one of `qwen_ocr.errors` for whatever the openai SDK raises inside the `with` block."""
    # Here, not above: the SDK is slow to import, and whoever calls this has it already.
    import openai

    try:
        yield
    except openai.APIStatusError as exc:
        raise _from_status(exc) from exc
    except openai.APIConnectionError as exc:
        raise _from_connection(exc) from exc
    except openai.APIError as exc:
        raise ServerError(
            "the server failed in the middle of its answer: see its log",
            server_message=_server_message(exc.body) or exc.message,
            request_id=_field(exc.body, "request_id"),
            code=_field(exc.body, "code"),
        ) from exc
    except openai.OpenAIError as exc:
        raise OCRError(f"the openai SDK failed: {exc}") from exc


def _from_status(exc: "openai.APIStatusError") -> OCRError:
    status = exc.status_code
    evidence: dict[str, Any] = {
        "status": status,
        "request_id": exc.request_id,
        "server_message": _server_message(exc.body),
        "code": _field(exc.body, "code"),
    }
    if evidence["code"] == "unsupported_task":
        return UnsupportedTaskError("the served model cannot do that", **evidence)
    keyless = "authorization" not in exc.request.headers
    if evidence["code"] == "missing_api_key" or (status == 401 and keyless):
        return AuthenticationError(
            "the server needs an API key: set api_key or QWEN_OCR_API_KEY", **evidence
        )
    if status in (401, 403):
        return AuthenticationError(
            "the server did not accept the API key: set api_key or QWEN_OCR_API_KEY to one that "
            "it knows",
            **evidence,
        )
    if status < 400 or (status == 404 and not isinstance(exc.body, dict)):
        return not_an_ocr_server(
            exc.request.url, exc.response.headers.get("content-type"), **evidence
        )
    if status == 404:
        return NotFoundError(
            "the server has no such model or route: check base_url, or leave model and "
            "QWEN_OCR_SERVED_MODEL_NAME unset to use the model that it serves",
            **evidence,
        )
    if status == 408:
        return OCRTimeoutError("the server gave up waiting for the request: try again", **evidence)
    if status in (429, 503):
        return OverloadedError(
            "the server is busy or not ready: try again later, or send fewer pages at once",
            **evidence,
        )
    if status >= 500:
        return ServerError(f"the server failed with HTTP {status}: see its log", **evidence)
    return BadRequestError(f"the server refused the request with HTTP {status}", **evidence)


def _from_connection(exc: "openai.APIConnectionError") -> OCRConnectionError:
    import openai

    url = exc.request.url
    if isinstance(exc, openai.APITimeoutError):
        return OCRTimeoutError(
            f"no answer from {url} in time: is the server overloaded? Raise timeout or "
            "QWEN_OCR_TIMEOUT (seconds), or send fewer pages at once"
        )
    return OCRConnectionError(
        f"no answer from {url} ({exc.__cause__ or exc}): is the server running? Start one with "
        "`qwen-ocr serve`, or set base_url or QWEN_OCR_BASE_URL to where it is"
    )


def _field(body: object, name: str) -> str | None:
    """A text in an error body; plain vLLM has a number for a code, which is the status again."""
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) else None


def _server_message(body: object) -> str | None:
    """The server's own words, from vLLM's and FastAPI's error bodies; None for a web page."""
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail")
    text = str(body or "").strip()
    return None if not text or text.startswith("<") else text[:MAX_SERVER_MESSAGE]
