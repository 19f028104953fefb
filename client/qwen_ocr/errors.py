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
take them from. Exceptions of the openai SDK never reach a caller: `qwen_ocr.sdk_errors` turns each
into one of these and keeps it as `__cause__`.
"""

from typing import Any

from qwen_ocr.confidence import WARNINGS
from qwen_ocr.results import OCRResult


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
