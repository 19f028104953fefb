"""How an error is shown: as a route's clients expect it, or as text."""

import json
from datetime import UTC, datetime
from typing import Any, Literal

from qwen_ocr_serve.http.errors import APIError

ErrorFormat = Literal["openai", "envelope", "detail", "own"]
"""How a route words its errors: as OpenAI does, as the replaced service did, as FastAPI does, or by
itself."""


def error_body(
    error: APIError, error_format: ErrorFormat, request_id: str, accept: str
) -> tuple[str, bytes]:
    """The media type and the body of the answer.

    `accept` is the caller's header: the replaced service's format has one for people, plain text.
    """
    if error_format == "detail":
        body = {"detail": error.message, "code": error.code, "request_id": request_id}
        return "application/json", encode_json(body)
    if error_format != "envelope":
        return "application/json", encode_json(openai_error(error, request_id))
    if accept.startswith("text/plain"):
        line = f"{error.message} (code {error.code}, request id {request_id})\n"
        return "text/plain; charset=utf-8", line.encode()
    return "application/json", encode_json(_envelope(error, request_id))


def openai_error(error: APIError, request_id: str) -> dict[str, Any]:
    """The error as OpenAI's SDKs expect it, with the request id added."""
    return {
        "error": {
            "message": error.message,
            "type": _openai_type(error.status),
            "param": error.param,
            "code": error.code,
            "request_id": request_id,
        }
    }


def encode_json(content: object) -> bytes:
    """JSON in UTF-8."""
    return json.dumps(content, ensure_ascii=False).encode()


def _openai_type(status: int) -> str:
    """OpenAI's broad class of the error."""
    if status == 401:
        return "authentication_error"
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def _envelope(error: APIError, request_id: str) -> dict[str, Any]:
    """The error as the replaced service sent it, with the code added."""
    return {
        "success": False,
        "data": [],
        "message": error.message,
        "timestamp": datetime.now(UTC).isoformat(),
        "request_id": request_id,
        "code": error.code,
    }
