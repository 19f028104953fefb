"""What is sent: everything that goes into a request, and nothing that sends it."""

from typing import Any

import openai

from qwen_ocr.profiles import PROFILES, Profile
from qwen_ocr.repetition import SERVER_DETECTION
from qwen_ocr.settings import ClientSettings

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a connection: a dead host should not take as long as a long page."""

ChatRequest = dict[str, Any]
"""Arguments of the SDK's `chat.completions.create`."""


def sdk_options(settings: ClientSettings) -> dict[str, Any]:
    """Arguments of `openai.OpenAI` and `openai.AsyncOpenAI`."""
    key = settings.api_key
    return {
        "base_url": f"{settings.base_url}/v1",
        # Without a key the SDK would take OPENAI_API_KEY, which belongs to somebody else's server.
        "api_key": key.get_secret_value() if key else "none",
        "timeout": openai.Timeout(settings.timeout, connect=min(CONNECT_TIMEOUT, settings.timeout)),
        "max_retries": settings.max_retries,
    }


def sdk_headers(settings: ClientSettings) -> dict[str, Any]:
    """`extra_headers` of each request.

    Without a key they drop the one that the SDK insists on: a server would call it wrong, where it
    could say that none was given.
    """
    return {} if settings.api_key else {"Authorization": openai.Omit()}


def wire_body(request: ChatRequest) -> dict[str, Any]:
    """The JSON body that the SDK makes of a request."""
    body = dict(request)
    extra: dict[str, Any] = body.pop("extra_body")
    return body | extra


def build_request(
    model: str,
    url: str,
    prompt: str,
    *,
    profile: Profile = PROFILES[-1],
    max_tokens: int | None = None,
    schema: dict[str, Any] | None = None,
) -> ChatRequest:
    """The chat request for one image, in the words and the order that the model was trained with.

    It always asks for the log-probabilities from which the result's confidence is computed.
    """
    request: ChatRequest = {
        "model": model,
        "messages": [{"role": "user", "content": profile.content(url, prompt)}],
        "temperature": profile.temperature,
        "logprobs": True,
        "extra_body": {"repetition_detection": SERVER_DETECTION},
    }
    if max_tokens is not None:
        request["max_completion_tokens"] = max_tokens
    if schema is not None:
        request["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema},
        }
    return request
