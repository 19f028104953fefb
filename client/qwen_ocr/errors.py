"""Everything that can go wrong, as one tree.

    OCRError
    ├── ConfigurationError      a setting or argument makes no sense
    ├── ImageError              not an image, cut off, too large, unreadable; nothing was sent
    ├── OutputError             an output file cannot be written; what was written before is kept
    ├── PDFError                the PDF or one of its pages cannot be opened; nothing was sent
    ├── PromptError             an empty prompt; nothing was sent
    ├── OCRConnectionError      nothing answers at that address, or the connection broke
    │   └── OCRTimeoutError     no answer in time
    ├── AuthenticationError     401, 403: no key, or one that the server does not accept
    ├── BadRequestError         any other 4xx: the server refused this request
    │   └── NotFoundError       404: no such model, or not the server that was meant
    ├── OverloadedError         429, 503: the queue is full or the model is not ready
    ├── ServerError             any other 5xx: the server failed
    ├── ResponseError           an answer that no OCR server gives, a web page for instance
    ├── SchemaError             the text is not in the form that was asked for; it carries the text
    ├── UnsupportedTaskError    the served model was not taught what was asked for
    ├── LowConfidenceError      the model is less sure than `min_confidence`; it carries the result
    └── TruncatedError          the text is cut off; the error carries what there is
        └── RepetitionError     the model repeated itself without end, at every attempt

Every error says what to do about it, and carries `status` (HTTP), `code` (the server's word for
programs, such as `invalid_image`), `request_id` and `server_message` where there was an answer to
take them from. Exceptions of the openai SDK never reach a caller:
`translate_errors` turns each into one of these and keeps it as `__cause__`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qwen_ocr.confidence import WARNINGS
from qwen_ocr.results import OCRResult

if TYPE_CHECKING:
    import openai

MAX_SERVER_MESSAGE = 500
"""Characters of a server's own words that go into an error."""


class OCRError(Exception):
    """Base of all errors that this package raises on purpose."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        server_message: str | None = None,
        code: str | None = None,
    ) -> None:
        evidence = [f"the server says: {server_message}"] if server_message else []
        evidence += [f"request id {request_id}"] if request_id else []
        super().__init__(f"{message} ({'; '.join(evidence)})" if evidence else message)
        self.status = status
        self.request_id = request_id
        self.server_message = server_message
        self.code = code


class ConfigurationError(OCRError):
    """A setting or argument makes no sense: the message names it and its variable."""


class ImageError(OCRError):
    """The image cannot be read here, so nothing was sent: the message names it and why."""


class OutputError(OCRError):
    """An output cannot be written; what had been written before is kept."""


class PDFError(OCRError):
    """The PDF, or one page of it, cannot be opened, so nothing of it was sent."""


class PromptError(OCRError):
    """The prompt is empty or cannot be encoded, so nothing was sent."""


class OCRConnectionError(OCRError):
    """No connection, or one that broke before the answer was complete."""


class OCRTimeoutError(OCRConnectionError):
    """The answer did not come in time, after the retries."""


class AuthenticationError(OCRError):
    """HTTP 401 or 403: no key, or one that the server does not accept."""


class BadRequestError(OCRError):
    """Any other HTTP 4xx: the server refused the request; `server_message` says why."""


class NotFoundError(BadRequestError):
    """HTTP 404: the server has no such model, or is not the server that was meant."""


class OverloadedError(OCRError):
    """HTTP 429 or 503, after the retries: the queue is full or the model is not ready."""


class ServerError(OCRError):
    """Any other HTTP 5xx: the server failed, not the request."""


class ResponseError(OCRError):
    """Something answered, but not as an OCR server does."""


class SchemaError(OCRError):
    """The answer is not in the form that was asked for; `text` is the answer as it came."""

    def __init__(self, result: OCRResult, problem: str) -> None:
        super().__init__(
            f"the answer does not have the form that was asked for: {problem}",
            request_id=result.request_id,
        )
        self.result = result
        self.problem = problem

    @property
    def text(self) -> str:
        """The answer as it came."""
        return self.result.text

    def __reduce__(self) -> tuple[type["SchemaError"], tuple[OCRResult, str]]:
        """Pickle by what was given, so that the error survives the way out of a worker process."""
        return type(self), (self.result, self.problem)


class UnsupportedTaskError(OCRError):
    """The served model was not taught this task, as client or server know; nothing was read."""

    def __init__(
        self, message: str, *, code: str | None = "unsupported_task", **evidence: Any
    ) -> None:
        super().__init__(message, code=code, **evidence)


class LowConfidenceError(OCRError):
    """The model is less sure of the page than `minimum`; `partial` is the result all the same."""

    def __init__(self, partial: OCRResult, minimum: float) -> None:
        super().__init__(self._explain(partial, minimum), request_id=partial.request_id)
        self.partial = partial
        self.minimum = minimum

    @staticmethod
    def _explain(partial: OCRResult, minimum: float) -> str:
        if "no_text" in partial.warnings:
            return f"{WARNINGS['no_text']} (a confidence of {minimum:g} was asked for)"
        if partial.confidence is None:
            return (
                "the server sent no log-probabilities that belong to the text, so its confidence "
                "is not known: leave out min_confidence, or use a server that sends them"
            )
        return (
            f"{WARNINGS['low_confidence']} (confidence {partial.confidence:.2f}, "
            f"{minimum:g} was asked for)"
        )

    def __reduce__(self) -> tuple[type["LowConfidenceError"], tuple[OCRResult, float]]:
        """Pickle by what was given, as `SchemaError` does."""
        return type(self), (self.partial, self.minimum)


class TruncatedError(OCRError):
    """The model was stopped before it had read everything; `partial` is the result so far."""

    def __init__(self, partial: OCRResult) -> None:
        super().__init__(self._explain(partial), request_id=partial.request_id)
        self.partial = partial

    @staticmethod
    def _explain(partial: OCRResult) -> str:
        if "low_confidence" in partial.warnings:
            # More tokens would be more of the same.
            return (
                f"the text is cut off (finish_reason {partial.finish_reason!r}), and the model is "
                f"not sure of it (confidence {partial.confidence:.2f}): this is probably not text "
                "that it can read; turn the picture upright, crop it to a block of text, or serve "
                "a larger model"
            )
        return (
            f"the text is cut off (finish_reason {partial.finish_reason!r}): raise max_tokens or "
            "the server's context length, or allow truncated text to get what there is"
        )

    def __reduce__(self) -> tuple[type["TruncatedError"], tuple[OCRResult]]:
        """Pickle by what was given, as `SchemaError` does."""
        return type(self), (self.partial,)


class RepetitionError(TruncatedError):
    """The text ends in the same words over and over, so that whatever followed them is missing."""

    @staticmethod
    def _explain(partial: OCRResult) -> str:
        return (
            f"the model repeated itself without end (attempts: {partial.attempts}): try a part of "
            "the page, another prompt or a larger model, or allow truncated text to get what there "
            "is"
        )


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise this module's error for whatever the openai SDK raises inside the `with` block."""
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


def not_an_ocr_server(
    url: object, content_type: str | None, **evidence: Any
) -> ResponseError | NotFoundError:
    """The error for an answer that is not one of an OCR server: most often a wrong base URL."""
    error = NotFoundError if evidence.get("status") == 404 else ResponseError
    return error(
        f"{url} does not answer like an OCR server (it sent {content_type or 'untyped data'}): "
        "set base_url or QWEN_OCR_BASE_URL to the server's root, such as http://localhost:8000",
        **evidence,
    )


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
            "QWEN_OCR_MODEL unset to use the model that it serves",
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
