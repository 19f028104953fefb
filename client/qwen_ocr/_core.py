"""What both clients share: what to send, and what an answer means. Nothing here does any I/O."""

from typing import TYPE_CHECKING, Any, TypeVar

import openai
from pydantic import BaseModel, Field, ValidationError

from qwen_ocr.errors import TruncatedError, not_an_ocr_server
from qwen_ocr.families import family_of
from qwen_ocr.images import ImageInput, Page, load_image, to_url
from qwen_ocr.prompts import check_prompt
from qwen_ocr.results import OCRResult, Usage
from qwen_ocr.settings import ClientSettings

if TYPE_CHECKING:
    from openai._legacy_response import LegacyAPIResponse
    from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a connection: a dead host should not take as long as a long page."""


# The SDK's own classes accept anything that is JSON, and when strict refuse vLLM's additions
# (`finish_reason: "repetition"`), so the few fields that matter are declared here.
class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str


class _Completion(BaseModel):
    id: str | None = None
    model: str
    choices: list[_Choice] = Field(min_length=1)
    usage: Usage | None = None


class _Model(BaseModel):
    id: str


class _ModelList(BaseModel):
    data: list[_Model] = Field(min_length=1)


_Answer = TypeVar("_Answer", _Completion, _ModelList)


def sdk_options(settings: ClientSettings) -> dict[str, Any]:
    """Arguments of `openai.OpenAI` and `openai.AsyncOpenAI`."""
    key = settings.api_key
    return {
        "base_url": f"{settings.base_url}/v1",
        # Without a key the SDK would send OPENAI_API_KEY, which belongs to somebody else's server.
        "api_key": key.get_secret_value() if key else "none",
        "timeout": openai.Timeout(settings.timeout, connect=min(CONNECT_TIMEOUT, settings.timeout)),
        "max_retries": settings.max_retries,
    }


def accept(image: ImageInput, prompt: str) -> Page | str:
    """Refuse what can be refused without a server; `ImageError` or `PromptError`."""
    check_prompt(prompt)
    return load_image(image)


def build_request(
    model: str,
    page: Page | str,
    prompt: str,
    max_tokens: int | None,
    max_image_tokens: int | None,
) -> "CompletionCreateParamsNonStreaming":
    """The chat request for one image, which comes before the prompt as in Qwen-VL's training."""
    url = to_url(page, family_of(model), max_image_tokens)
    request: CompletionCreateParamsNonStreaming = {
        "model": model,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": url}},
                    {"type": "text", "text": prompt},
                ],
            }
        ],
        "temperature": 0,
    }
    if max_tokens is not None:
        request["max_completion_tokens"] = max_tokens
    return request


def read_models(response: "LegacyAPIResponse[Any]") -> str:
    """The name of the first model that the server lists."""
    return _parse(_ModelList, response).data[0].id


def read_completion(
    response: "LegacyAPIResponse[Any]", *, latency: float, allow_truncated: bool
) -> OCRResult:
    """The result in an answer; `TruncatedError` when the model did not end by itself."""
    completion = _parse(_Completion, response)
    choice = completion.choices[0]
    result = OCRResult(
        text=choice.message.content or "",
        finish_reason=choice.finish_reason,
        usage=completion.usage,
        model=completion.model,
        # Without the header, the answer's own id is the one in the server's log.
        request_id=response.request_id or completion.id,
        latency=latency,
    )
    if choice.finish_reason != "stop" and not allow_truncated:
        raise TruncatedError(result)
    return result


def _parse(model: type[_Answer], response: "LegacyAPIResponse[Any]") -> _Answer:
    try:
        return model.model_validate_json(response.content)
    except ValidationError as exc:
        raise not_an_ocr_server(
            response.url,
            response.headers.get("content-type"),
            status=response.status_code,
            request_id=response.request_id,
        ) from exc
